"""Amaranth generator of the accelerator; docs/architecture.md is its contract."""
