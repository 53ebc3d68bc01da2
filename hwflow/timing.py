"""Latencies of the accelerator's units in clock cycles: one small function a unit, used by the RTL and the cycle model."""

from __future__ import annotations

from hwflow.config import AcceleratorConfig


def scalar_unit_latency() -> int:
    """Value in to result out: round, multiply, add, shift, clamp."""
    return 5


def affine_unit_latency() -> int:
    """SE scale in to p, n, q out: multiply, round, subtract."""
    return 3


def scalar_issue_latency() -> int:
    """Issue of a scalar output (record taken, sum addressed) to the scalar unit's input."""
    return 1


def scalar_output_latency() -> int:
    """Issue of a scalar output to its result at the unit's output (tap, vector memory, logits)."""
    return scalar_issue_latency() + scalar_unit_latency()


def scale_output_latency() -> int:
    """Issue of a scale output to the write of its channel's constants."""
    return scalar_output_latency() + affine_unit_latency()


def matvec_release_latency() -> int:
    """Most cycles from a `release` on the matvec port until `matvec_level` shows it; the engine waits as long."""
    return 4


def constant_ring_latency() -> int:
    """Last beat of a record written to the record offered at the head."""
    return 2


def ring_free_latency() -> int:
    """Most cycles from a beat's write to a ring until its free room shows it; the loader counts on no less."""
    return 4


def vector_latency() -> int:
    """Pixel group in to stored elements: store, bits, bytes and the trace tap (rtl_gen/lane.py)."""
    return 11


def mean_latency() -> int:
    """Pixel group in to the write of its channel means."""
    return vector_latency() + 2


def sum_token_latency() -> int:
    """Last pixel group of a channel group in to the sum token."""
    return vector_latency() + 2


def signature_latency(config: AcceleratorConfig) -> int:
    """Pixel group in to the layer signature that covers it: CRC, adder tree, accumulator."""
    return vector_latency() + 2 + (config.vector_lanes // 4 - 1).bit_length()


def pool_latency(config: AcceleratorConfig) -> int:
    """Last pixel group of a layer in to the write of its last pooled pixel.

    With G > 1 a tile's R/G groups wait in a queue, two cycles at least, and leave one pixel a cycle: the tile's
    last pixel leaves R + 2 cycles after its first group arrived.
    """
    queue = 0 if config.pixel_lanes == 1 else config.rows - (config.row_groups - 1) + 2
    return vector_latency() + queue + 4


def back_end_drain(config: AcceleratorConfig, *, pool: bool) -> int:
    """Last pixel group in to `idle`: everything is written, and signature and counts are complete."""
    drain = max(mean_latency() + 1, sum_token_latency(), signature_latency(config))
    return max(drain, pool_latency(config) + 1) if pool else drain
