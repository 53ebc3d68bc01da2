"""Where a tile begins in the source tensor and in the output, and whether what it reads is written."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from rtl_gen.bank_division import READ_SLOT_BITS, slot_offset
from rtl_gen.image_wait import ImageWait
from rtl_gen.interfaces import CONV, SLOT_BITS


class TileSlots(wiring.Component):
    """Slots of the tile that is next, stepped tile by tile.

    Members:
        conv: In, stable, for two cycles before the first `advance` as well.
        of_group, of_row: In, early: the tile that follows is its channel group's, else its output row's first.
        advance: In, late: it is next. line_end: In, late: and it is one of those.
        origin: Out, input slot of the tile's first pixel at tap (0, 0), plus `slot_offset`. out_slot: Out, its output slot.
        needed, image_slots, image_grown, image_done: In, image_here: Out: see rtl_gen/image_wait.py.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "conv": In(CONV),
                "of_group": In(1),
                "of_row": In(1),
                "advance": In(1),
                "line_end": In(1),
                "origin": Out(READ_SLOT_BITS),
                "out_slot": Out(SLOT_BITS),
                "needed": In(1),
                "image_slots": In(SLOT_BITS),
                "image_grown": In(1),
                "image_done": In(1),
                "image_here": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Constants of the layer; slots; the wait for the image."""
        m = Module()
        conv, rows = self.conv, self._config.rows
        offset = slot_offset(self._config.banks)
        padding = (
            Mux(conv.pad_top[0], conv.in_w, 0)
            + Mux(conv.pad_top[1], conv.in_w << 1, 0)
            + conv.pad_left
        )
        first_origin = Signal(READ_SLOT_BITS)
        tile_step, row_step = Signal(READ_SLOT_BITS), Signal(READ_SLOT_BITS)
        m.d.sync += [
            first_origin.eq(offset - padding),
            tile_step.eq(Mux(conv.stride2, 2 * rows, rows)),
            row_step.eq(Mux(conv.stride2, conv.in_w << 1, conv.in_w)),
        ]

        row_origin, out_row = (
            Signal.like(self.origin),
            Signal.like(self.out_slot),
        )  # of this line of tiles
        line, out_line = (
            Signal.like(self.origin),
            Signal.like(self.out_slot),
        )  # of the one that follows
        m.d.comb += [
            line.eq(Mux(self.of_group, first_origin, row_origin + row_step)),
            out_line.eq(Mux(self.of_group, 0, out_row + conv.out_w)),
        ]
        new_line = self.of_group | self.of_row
        with m.If(self.advance):
            m.d.sync += [
                self.origin.eq(Mux(new_line, line, self.origin + tile_step)),
                self.out_slot.eq(Mux(new_line, out_line, self.out_slot + rows)),
            ]
        with m.If(self.line_end):
            m.d.sync += [row_origin.eq(line), out_row.eq(out_line)]

        # While the image is being written, a tile waits for the last slot it reads.
        across, down = Signal(range(2 * rows)), Signal(READ_SLOT_BITS)
        m.submodules.image = image = ImageWait()
        first = Signal.like(image.first)
        m.d.sync += [
            across.eq(Mux(conv.stride2, 2 * (rows - 1), rows - 1)),
            down.eq((conv.kernel - 1) * (conv.in_w + 1)),
            first.eq(first_origin + across + down - offset),
        ]
        m.d.comb += [
            image.first.eq(first),
            image.tile_step.eq(tile_step),
            image.row_step.eq(row_step),
            image.of_group.eq(self.of_group),
            image.of_row.eq(self.of_row),
            image.advance.eq(self.advance),
            image.line_end.eq(self.line_end),
            image.needed.eq(self.needed),
            image.slots.eq(self.image_slots),
            image.grown.eq(self.image_grown),
            image.done.eq(self.image_done),
            self.image_here.eq(image.here),
        ]
        return m
