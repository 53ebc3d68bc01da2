"""Whether the part of the image that a tile reads is written."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.bank_division import READ_SLOT_BITS
from rtl_gen.interfaces import SLOT_BITS


class ImageWait(wiring.Component):
    """Compares the last slot that the tile reads, and those of the tiles that may follow, with how many are written.

    Members:
        first: In, of the channel group's first tile: the last slot it reads, stable since `advance` is possible.
        tile_step, row_step: In, slots from a tile to the next, and from a row's first tile to that of the next row.
        of_group, of_row: In, early: the tile that follows is its channel group's, else its row's first.
        advance: In, late: it is next. line_end: In, late: and it is one of those.
        needed: In: the layer reads the image; low before its first `advance`, so that nothing holds that up.
        slots: In, how many are written: 0, or one more than in the cycle before (`grown`), or as many. done: In: all are.
        here: Out: of the tile that is next, all is written. It stays so until `advance`.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "first": In(signed(READ_SLOT_BITS + 1)),
                "tile_step": In(READ_SLOT_BITS),
                "row_step": In(READ_SLOT_BITS),
                "of_group": In(1),
                "of_row": In(1),
                "advance": In(1),
                "line_end": In(1),
                "needed": In(1),
                "slots": In(SLOT_BITS),
                "grown": In(1),
                "done": In(1),
                "here": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Every tile that may be next is compared; which one is chooses the outcome."""
        m = Module()
        last = Signal(signed(READ_SLOT_BITS + 2))  # slot that the tile reads, which is next now
        after_tile, after_row = (
            Signal.like(last, name=f"after_{name}") for name in ("tile", "row")
        )
        following = Signal.like(last)
        m.d.comb += following.eq(
            Mux(self.of_group, self.first, Mux(self.of_row, after_row, after_tile))
        )
        with m.If(self.advance):
            m.d.sync += [last.eq(following), after_tile.eq(following + self.tile_step)]
        with m.If(self.line_end):
            m.d.sync += after_row.eq(Mux(self.of_group, self.first, after_row) + self.row_step)

        # By the slots written a cycle earlier: more than enough; all but one, which may have been written since.
        enough, all_but_one = Signal(), Signal()
        m.d.comb += self.here.eq(enough | (all_but_one & self.grown) | self.done)
        beyond: list[Value] = []
        at: list[Value] = []
        for tile in (last, self.first, after_row, after_tile):
            beyond.append(self.slots > tile)
            at.append(self.slots == tile)
        for flag, (same, of_group, of_row, of_tile) in ((enough, beyond), (all_but_one, at)):
            chosen = Mux(self.of_group, of_group, Mux(self.of_row, of_row, of_tile))
            m.d.sync += flag.eq(Mux(self.advance, chosen, same))
        with m.If(~self.needed):
            m.d.sync += enough.eq(1)
        return m
