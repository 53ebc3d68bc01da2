"""Traces that no instance in the accelerator has: the operands of its 8-bit PEs in other formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import ml_dtypes
import numpy as np
import numpy.typing as npt

from hwflow.energy.stimulus import Bits
from hwflow.errors import FlowError
from sim.recording import WORD_BITS, Trace

REST = 128
"""Idle cycles that follow each part of a trace of single steps."""
PARTS = 24
BYTE, NIBBLE = 8, 4

Integers = npt.NDArray[np.int64]


def packed(instance: str, widths: Mapping[str, int], ports: Mapping[str, Bits]) -> Trace:
    """A trace of `ports`; those that are not given are 0."""
    cycles = len(next(iter(ports.values())))
    bits = [ports.get(name, np.zeros((cycles, width), np.uint8)) for name, width in widths.items()]
    unused = -sum(widths.values()) % WORD_BITS
    bits.append(np.zeros((cycles, unused), np.uint8))
    rows = np.packbits(np.concatenate(bits, axis=1), axis=1, bitorder="little")
    return Trace(instance, widths, rows.view("<u4").astype(np.uint32))


def signed(bits: Bits, width: int) -> Integers:
    """Two's complement numbers of `width` bits each, int64 [cycles, numbers], of [cycles, bits]."""
    weights = 1 << np.arange(width, dtype=np.int64)
    weights[-1] = -weights[-1]
    return bits.reshape(len(bits), -1, width).astype(np.int64) @ weights


def to_bits(values: Integers, width: int) -> Bits:
    """The low `width` bits of each number, uint8 [cycles, bits], of [cycles, numbers] or [cycles]."""
    spread = values.reshape(len(values), -1, 1) >> np.arange(width) & 1
    return spread.reshape(len(values), -1).astype(np.uint8)


def bfloat16_bits(values: npt.NDArray[np.floating]) -> Bits:
    """Numbers rounded to bfloat16, uint8 [cycles, 16]."""
    words = values.astype(ml_dtypes.bfloat16).view(np.uint16)
    return to_bits(words.astype(np.int64), 16)


def as_bfloat16(trace: Trace, widths: Mapping[str, int]) -> Trace:
    """An 8-bit PE's trace with the numbers of its first operand pair as bfloat16, which holds every s8 exactly."""
    ports = {port: trace.bits(port) for port in ("step", "add", "step_next", "last_next")}
    for port in ("operands", "weights"):
        ports[port] = bfloat16_bits(
            signed(trace.bits(port)[:, :BYTE], BYTE)[:, 0].astype(np.float32)
        )
    return packed(trace.instance, widths, ports)


def as_nibbles(array: Trace, elements: Sequence[Trace], widths: Mapping[str, int]) -> Trace:
    """The steps with 4-bit weights and operands of some 8-bit PEs, one after the other.

    Those are the first of the two matrix-vector products of each squeeze-and-excite (operands -7..7); the operands
    of the second, 0..15, are no signed 4-bit numbers. A product's sums end where the network's do. The steps are in
    `PARTS` parts of whole sums with `REST` cycles between them in which the operands stay.

    Raises:
        FlowError: the recording has none.
    """
    steps = np.flatnonzero(array.flag("step") & array.flag("matvec") & array.flag("narrow")) + 1
    steps = steps[steps + 1 < array.cycles]
    ends = array.flag("last")[steps - 1]
    group = np.cumsum(np.concatenate([[False], ends[:-1]])) if len(steps) else steps
    operands = [signed(each.bits("operands"), BYTE)[steps] for each in elements]
    weights = [signed(each.bits("weights"), BYTE)[steps] for each in elements]
    limit = 1 << (NIBBLE - 1)
    highest = np.abs(operands).max(axis=(0, 2))
    fits = np.array([highest[group == one].max() < limit for one in group], np.bool_)
    if not fits.any():
        raise FlowError("the recording has no step on 4-bit operands; record more --images")
    a = np.concatenate([each[fits] for each in operands])
    b = np.concatenate([each[fits] for each in weights])
    last = np.tile(ends[fits], len(elements)).astype(np.int64)
    cuts = [0, *(np.flatnonzero(last) + 1).tolist()]
    bounds = [cuts[at] for at in np.linspace(0, len(cuts) - 1, PARTS + 1).astype(int)]
    rows: list[tuple[Integers, ...]] = []
    for low, high in pairwise(bounds):
        if low == high:
            continue
        none = np.zeros(REST, np.int64)
        held = (np.repeat(each[high - 1 : high], REST, axis=0) for each in (a, b))
        rows.append((a[low:high], b[low:high], np.ones(high - low, np.int64), last[low:high]))
        rows.append((*held, none, none))
    a, b, step, last = (np.concatenate(each) for each in zip(*rows, strict=True))
    ports = {
        "operands": to_bits(a, NIBBLE),
        "weights": to_bits(b, NIBBLE),
        "step": to_bits(step, 1),
        "add": to_bits(step, 1),
        "step_next": to_bits(np.concatenate([[0], step[:-1]]), 1),
        "last_next": to_bits(np.concatenate([[0], last[:-1]]), 1),
    }
    return packed("4-bit steps", widths, ports)
