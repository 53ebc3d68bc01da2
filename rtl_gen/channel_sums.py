"""Exact sums of every output channel over a layer's pixels, for the next squeeze-and-excite mean."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from rtl_gen.interfaces import CHANNEL_BITS, GROUP_BITS, SUM_BITS
from rtl_gen.ram import Ram


class ChannelSums(wiring.Component):
    """C accumulators over a channel group's pixels, G pixels a cycle, and the memory of finished sums.

    Ports:
        valid, mask (pixels), cg, last (of the channel group), elements: a group's stored elements.
        enable: whether the layer keeps sums; constant in a layer.
        token: one cycle, `TOKEN_LATENCY` after `last`, when the group's sums can be read.
        address: channel; data: its sum one cycle later.
    """

    TOKEN_LATENCY = 2

    enable: Signal
    valid: Signal
    mask: Signal
    cg: Signal
    last: Signal
    token: Signal
    address: Signal
    data: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self.cols, self.pixels, self.bits = config.cols, config.pixel_lanes, config.residual_bits
        self.depth = max(config.channel_groups_limit, 2)
        super().__init__(
            {
                "enable": In(1),
                "valid": In(1),
                "mask": In(self.pixels),
                "cg": In(GROUP_BITS),
                "last": In(1),
                "elements": In(data.ArrayLayout(signed(self.bits), config.vector_lanes)),
                "token": Out(1),
                "address": In(CHANNEL_BITS),
                "data": Out(signed(SUM_BITS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Stage 1 adds the pixels, stage 2 accumulates or writes the memory."""
        m = Module()
        column_bits = (self.cols - 1).bit_length()
        valid, last = Signal(), Signal()
        cg = Signal(GROUP_BITS)
        m.d.sync += [
            valid.eq(self.valid & self.enable),
            last.eq(self.last),
            cg.eq(self.cg),
            self.token.eq(valid & last),
        ]
        finished = Signal(self.cols * SUM_BITS)
        for column in range(self.cols):
            added = Signal(signed(self.bits + 4), name=f"added_{column}", reset_less=True)
            kept = Signal(signed(SUM_BITS), name=f"kept_{column}")
            total = Signal(signed(SUM_BITS), name=f"total_{column}")
            pixels = sum(
                (
                    Mux(self.mask[pixel], self.elements[pixel * self.cols + column], 0)
                    for pixel in range(self.pixels)
                ),
                start=Value.cast(0),
            )
            m.d.sync += added.eq(pixels)
            m.d.comb += [
                total.eq(kept + added),
                finished.word_select(column, SUM_BITS).eq(total),
            ]
            with m.If(valid):
                m.d.sync += kept.eq(Mux(last, 0, total))
        m.submodules.memory = memory = Ram(self.cols * SUM_BITS, self.depth)
        # One bit a column: block RAM answers late, and a scalar unit's rounding follows in the same cycle.
        chosen = Signal(self.cols, reset_less=True)
        column_address = self.address[:column_bits]
        m.d.sync += chosen.eq(Cat(*(column_address == column for column in range(self.cols))))
        words = [memory.read_data.word_select(column, SUM_BITS) for column in range(self.cols)]
        found = Signal(signed(SUM_BITS))
        for bit in range(SUM_BITS):
            m.d.comb += found[bit].eq((Cat(*(word[bit] for word in words)) & chosen).any())
        m.d.comb += [
            memory.write_enable.eq(valid & last),
            memory.write_address.eq(cg),
            memory.write_data.eq(finished),
            memory.read_enable.eq(1),
            memory.read_address.eq(self.address[column_bits:]),
            self.data.eq(found),
        ]
        return m
