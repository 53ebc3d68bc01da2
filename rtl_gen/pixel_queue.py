"""Between the lanes, G pixels a cycle in bursts of a tile, and the pool unit, one pixel a cycle."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from hwflow.numerics import STORED_BITS


class PixelQueue(wiring.Component):
    """Takes pixel groups and gives their pixels in lane order, G cycles a group.

    It has room for a tile: tiles may follow one another every R cycles. With G = 1 it is a wire.

    Ports:
        valid, mask, elements: a pixel group; never refused.
        pixel_valid, pixel: its unmasked pixels. overflow: a group was lost (the interval was broken).
    """

    valid: Signal
    mask: Signal
    pixel_valid: Signal
    overflow: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self.lanes, self.depth = config.pixel_lanes, config.row_groups + 1
        self.word = config.cols * STORED_BITS
        super().__init__(
            {
                "valid": In(1),
                "mask": In(self.lanes),
                "elements": In(data.ArrayLayout(signed(STORED_BITS), config.vector_lanes)),
                "pixel_valid": Out(1),
                "pixel": Out(data.ArrayLayout(signed(STORED_BITS), config.cols)),
                "overflow": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A FIFO of groups and a shift register of pixels."""
        m = Module()
        elements, pixel = Value.cast(self.elements), Value.cast(self.pixel)
        if self.lanes == 1:
            m.d.comb += [self.pixel_valid.eq(self.valid & self.mask), pixel.eq(elements)]
            return m
        m.submodules.fifo = fifo = SyncFIFOBuffered(
            width=len(self.mask) + len(elements), depth=self.depth
        )
        left = Signal(range(self.lanes + 1))
        masks = Signal(self.lanes)
        words = Signal(len(elements))
        m.d.comb += [
            fifo.w_en.eq(self.valid),
            fifo.w_data.eq(Cat(self.mask, elements)),
            self.overflow.eq(self.valid & ~fifo.w_rdy),
            self.pixel_valid.eq((left != 0) & masks[0]),
            pixel.eq(words[: self.word]),
        ]
        with m.If(left <= 1):
            m.d.comb += fifo.r_en.eq(1)
            m.d.sync += [
                left.eq(fifo.r_rdy * self.lanes),
                Cat(masks, words).eq(fifo.r_data),
            ]
        with m.Else():
            m.d.sync += [
                left.eq(left - 1),
                masks.eq(masks >> 1),
                words.eq(words >> self.word),
            ]
        return m
