"""Whether the part of the image that a tile reads is written."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.bank_division import READ_SLOT_BITS
from rtl_gen.interfaces import SLOT_BITS


class ImageWait(wiring.Component):
    """Counts how far the last slot that the tile reads is beyond those written, so that asking costs no comparison.

    Members:
        first: In, of the channel group's first tile: the last slot it reads, stable since `restart` is possible.
        tile_step, row_step: In, slots from a tile to the next, and from a row's first tile to that of the next row.
        restart: In, the group's first tile is next; else advance: In, the next tile is, after a row's last one if `row_end`.
        slots: In, how many are written: 0, or one more than in the cycle before, or as many.
        here: Out: of the tile that is next, all is written.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "first": In(signed(READ_SLOT_BITS + 1)),
                "tile_step": In(READ_SLOT_BITS),
                "row_step": In(READ_SLOT_BITS),
                "restart": In(1),
                "advance": In(1),
                "row_end": In(1),
                "slots": In(SLOT_BITS),
                "here": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """All that may be next is computed at once; what happens chooses."""
        m = Module()
        # By the slots written a cycle earlier: 0 or more while some are missing.
        missing, missing_row = (
            Signal(signed(READ_SLOT_BITS + 2), name=name) for name in ("missing", "missing_row")
        )
        # What was written since decides where exactly that is missing.
        missing_one = Signal()
        before = Signal()
        more = Signal()
        m.d.sync += before.eq(self.slots[0])
        m.d.comb += [
            more.eq(before ^ self.slots[0]),
            self.here.eq((missing < 0) | (missing_one & more)),
        ]
        candidates = (
            (missing - more, missing_row - more),
            (missing + self.tile_step - more, missing_row - more),
            (missing_row + self.row_step - more, missing_row + self.row_step - more),
            (self.first - self.slots, self.first - self.slots),
        )
        chosen = Signal(range(len(candidates)))
        m.d.comb += chosen.eq(Mux(self.restart, 3, Mux(self.advance, Mux(self.row_end, 2, 1), 0)))
        for index, (tile, row) in enumerate(candidates):
            value = Signal.like(missing, name=f"missing_{index}")
            m.d.comb += value.eq(tile)
            with m.If(chosen == index):
                m.d.sync += [missing.eq(value), missing_row.eq(row), missing_one.eq(value == 0)]
        return m
