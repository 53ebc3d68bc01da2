"""The tap files that the harness writes: every stored word, with its image and cycle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hwflow.errors import FlowError
from rtl_gen import interfaces

Int64 = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]

SCALAR_KINDS = ("mean", "hidden", "scale", "logit")
"""Meaning of `kind` in rtl_gen.interfaces.SCALAR_TAP."""


@dataclass(frozen=True, eq=False)
class StoreTap:
    """One tap's records: n stored pixel words.

    image, cycle, layer, slot, cg: int64 (n,); lane: the pixel lane; data: int16 (n, C).
    """

    image: Int64
    cycle: Int64
    layer: Int64
    slot: Int64
    lane: Int64
    cg: Int64
    data: npt.NDArray[np.int16]

    def of(self, image: int, layer: int) -> StoreTap:
        """The records of one layer of one image, in the order of the file."""
        here = self._places.get((image, layer), np.zeros(0, np.int64))
        return StoreTap(*(getattr(self, name)[here] for name in self.__dataclass_fields__))

    @cached_property
    def _places(self) -> dict[tuple[int, int], Int64]:
        """(image, layer) -> numbers of its records."""
        if not len(self.image):
            return {}
        order = np.lexsort((self.layer, self.image))
        image, layer = self.image[order], self.layer[order]
        starts = np.flatnonzero((np.diff(image) != 0) | (np.diff(layer) != 0)) + 1
        parts = np.split(order, starts)
        return {(int(self.image[part[0]]), int(self.layer[part[0]])): part for part in parts}


@dataclass(frozen=True, eq=False)
class ScalarTap:
    """Scalar records, int64 (n,) each; kind indexes SCALAR_KINDS."""

    image: Int64
    cycle: Int64
    layer: Int64
    kind: Int64
    index: Int64
    value: Int64


@dataclass(frozen=True, eq=False)
class Taps:
    """All tap files of a run."""

    store: StoreTap
    mean: StoreTap
    pool: StoreTap
    scalar: ScalarTap


def _records(path: Path, bits: int) -> Words:
    """Whole records, uint32 (n, 32-bit words of a record): the tap, the image, the cycle."""
    words = -(-bits // 32) + 2
    raw = np.fromfile(path, "<u4")
    if len(raw) % words:
        raise FlowError(f"{path} has {len(raw)} words, not whole records of {words}; run again")
    return raw.reshape(-1, words)


def _bits(table: Words, at: int, words: int) -> Words:
    """`words` words of every record from bit `at` on."""
    first, shift = divmod(at, 32)
    low = table[:, first : first + words]
    if not shift:
        return low
    high = table[:, first + 1 : first + words + 1]
    return (low >> np.uint32(shift)) | (high << np.uint32(32 - shift))


def _number(table: Words, at: int, width: int, *, signed: bool = False) -> Int64:
    """The field of `width` bits, at most 32, from bit `at` on."""
    value = _bits(table, at, 1)[:, 0].astype(np.int64) & ((1 << width) - 1)
    return value - ((value >> (width - 1) & 1) << width) if signed else value


def read_store(path: Path, bits: int, cols: int) -> StoreTap:
    """Read a file of `interfaces.tap_layout` records of `bits` bits; masked-out pixel lanes are dropped.

    Raises:
        FlowError: a file cut short, or a width that is no tap of `cols` columns.
    """
    head = 1 + interfaces.LAYER_BITS + interfaces.SLOT_BITS + interfaces.GROUP_BITS
    lanes, rest = divmod(bits - head, 1 + 16 * cols)
    if rest or lanes < 1:
        raise FlowError(
            f"a tap of {bits} bits does not fit {cols} columns; generate the Verilog again"
        )
    table = _records(path, bits)
    layer_at, slot_at = 1, 1 + interfaces.LAYER_BITS
    mask_at = slot_at + interfaces.SLOT_BITS
    cg_at = mask_at + lanes
    data_at = cg_at + interfaces.GROUP_BITS
    words = _bits(table, data_at, lanes * cols // 2)
    data = np.ascontiguousarray(words).view("<i2").reshape(len(table), lanes, cols)
    mask = (_number(table, mask_at, lanes)[:, None] >> np.arange(lanes) & 1).astype(np.bool_)
    row, lane = np.nonzero(mask)
    end = 32 * -(-bits // 32)
    return StoreTap(
        image=_number(table, end, 32)[row],
        cycle=_number(table, end + 32, 32)[row],
        layer=_number(table, layer_at, interfaces.LAYER_BITS)[row],
        slot=_number(table, slot_at, interfaces.SLOT_BITS)[row] + lane,
        lane=lane.astype(np.int64),
        cg=_number(table, cg_at, interfaces.GROUP_BITS)[row],
        data=data[row, lane],
    )


def read_scalar(path: Path) -> ScalarTap:
    """Read a file of `interfaces.SCALAR_TAP` records. Raises FlowError when it is cut short."""
    layout = interfaces.SCALAR_TAP
    table = _records(path, layout.size)
    end = 32 * -(-layout.size // 32)
    fields = {
        name: _number(table, layout[name].offset, width, signed=name == "value")
        for name, width in (
            ("layer", interfaces.LAYER_BITS),
            ("kind", 2),
            ("index", 16),
            ("value", 32),
        )
    }
    return ScalarTap(image=_number(table, end, 32), cycle=_number(table, end + 32, 32), **fields)
