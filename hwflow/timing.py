"""Latencies of the accelerator's units in clock cycles: one small function a unit, used by the RTL and the cycle model."""

from __future__ import annotations

import math

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


def scale_promise_latency(config: AcceleratorConfig) -> int:
    """Promise of a group's scales (its first output issued, nothing missing) to the last of them readable in the lanes.

    The token counts in the cycle after the promise; a binary CONV's first pixel group reads its constants
    `binary_group_latency` cycles after its first step at the earliest, which must be no sooner.
    """
    return config.cols - 1 + scale_output_latency() + 2


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


LONG_TAKE = 2
"""Pixel group in to the take of its word of the long stream."""


def mean_latency() -> int:
    """Pixel group in to the write of its channel means."""
    return vector_latency() + 2


def sum_token_latency() -> int:
    """Last pixel group of a channel group in to the sum token."""
    return vector_latency() + 2


def signature_latency(config: AcceleratorConfig) -> int:
    """Pixel group in to the layer signature that covers it: CRC, adder tree, accumulator."""
    return vector_latency() + 2 + (config.vector_lanes // 4 - 1).bit_length()


def pool_unit_latency(config: AcceleratorConfig) -> int:
    """Stored elements in to the means of the windows they complete: along x, along y, gather if G > 1, divide (2)."""
    return 4 if config.pixel_lanes == 1 else 5


def pool_latency(config: AcceleratorConfig) -> int:
    """Pixel group in to the write of the pooled pixels it completes."""
    return vector_latency() + pool_unit_latency(config)


def back_end_drain(config: AcceleratorConfig, *, pool: bool) -> int:
    """Last pixel group in to `idle`: everything is written, and signature and counts are complete."""
    drain = max(mean_latency() + 1, sum_token_latency(), signature_latency(config))
    return max(drain, pool_latency(config) + 1) if pool else drain


TAP_ADDRESS = 3
"""Slot of a tap to the addresses of the feature memory's banks: division (2), bank address."""

FEATURE_READ = 3
"""Bank addresses to the R words of a tap: memory, rotation, selection."""

RING_READ = 2
"""Matrix-vector step at the 8-bit ring to its word: address, memory."""

MAC_PE = 2
"""Operands at an element of the MAC array to its sum: product, accumulator."""

ROW_TEST = 2
"""Tap to the rows whose pixel exists, and whose tap lies inside the input."""

SLOT_COUNT = 2
"""Step to the counts of its MAC slots."""

BANK_ADDRESS = 1 + TAP_ADDRESS
"""Issue of a step to the addresses of the feature memory's banks; the first cycle computes the slot."""

ACTIVATIONS = BANK_ADDRESS + FEATURE_READ
"""Issue of a step to its R activation words at the arrays."""

WEIGHT_ADDRESS = ACTIVATIONS - 2
"""Issue of a step to the address of its weight word, at column 0 or in the 8-bit ring: memory, register."""

WEIGHT_RELEASE = ACTIVATIONS - 1
"""Issue of a group's last step to the release of its weight words by column 0 or the 8-bit ring."""

EVENTS = ROW_TEST + SLOT_COUNT
"""Cycle of an event to the front end's `events`, `layer_start` and `layer_done` that report it."""

STORE_WRITE = 3
"""`bits_store` or `bytes_store` to the write of the feature memory's banks."""


def conv_drain(config: AcceleratorConfig, *, pool: bool, features: bool) -> int:
    """Last pixel group in to the cycle in which all is written.

    features: sign bits or bytes are stored, too, and the feature memories are busy to the cycle of their write.
    """
    drain = back_end_drain(config, pool=pool)
    return max(drain, vector_latency() + STORE_WRITE + 1) if features else drain


def conv_setup_cycles(config: AcceleratorConfig) -> int:
    """Cycles of `setup` of a CONV: one a row for its coordinates, one to load them.

    The first is the cycle after the instruction's acceptance, the first step may be issued in the cycle after the last.
    """
    return config.rows + 1


def binary_pe_latency(config: AcceleratorConfig) -> int:
    """Operands at a binary processing element to its sum: stages of the popcount, accumulator."""
    return config.popcount_stages + 1


def binary_group_latency(config: AcceleratorConfig) -> int:
    """Issue of a tile's last step to `group` with its row group 0: PE, last column, deskew and S = 2*pop - N (2).

    Row group g follows g cycles later.
    """
    return ACTIVATIONS + binary_pe_latency(config) + config.cols + 2


def mac_array_latency() -> int:
    """Operands and weights at the MAC array to its accumulators: operand registers, elements."""
    return 1 + MAC_PE


def mac_group_latency() -> int:
    """Issue of a tile's last step with `mac` to `group` with its row group 0."""
    return ACTIVATIONS + mac_array_latency() + 1


def matvec_tree_latency(config: AcceleratorConfig) -> int:
    """Registers of the tree that adds the R rows' accumulators: one every two levels."""
    return max(1, math.ceil((config.rows - 1).bit_length() / 2))


def matvec_latency(config: AcceleratorConfig) -> int:
    """Last step of a matrix-vector product to `matvec_result`: ring, array, tree."""
    return RING_READ + mac_array_latency() + matvec_tree_latency(config)


# Depths that decide when control stalls, shared by the RTL and the cycle model.

BURST = 16
"""Beats of a memory request, at most."""

PREFETCHED = 8
"""Instructions requested and not yet dispatched, at most."""

CONV_QUEUE = 4
"""CONVs waiting for the sequencer."""

SCALAR_QUEUE = 8
"""Instructions waiting for the scalar engine."""

REQUESTS_AHEAD = 16
"""Requests whose beats have not all arrived, at most."""

WRITES_AHEAD = 256
"""Beats written to external memory and not yet acknowledged, at most."""

MEMORY_PATIENCE = 1 << 18
"""Cycles the memory may owe an answer before the run ends with an error: more than any memory takes."""

RESULT_WORDS = 32
"""Words the scalar engine keeps for the result stream."""

LAYER_RECORDS = 4
"""Layer records kept until the result stream takes them."""

BYTE_WRITER_BEATS = 32
"""Beats kept by the image writer where a beat holds several words."""

SETTLE = 4
"""Cycles without anything in flight before the back end's `backend_idle` is believed: it may lag the last group by three."""
