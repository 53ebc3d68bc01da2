"""Checkpoints of the reference implementation (google/aqt, `aqt/jax_legacy`)."""
