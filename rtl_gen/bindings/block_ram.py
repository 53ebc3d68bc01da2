"""The memory image in block RAM, for networks that are wholly on chip."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from hwflow.config import AcceleratorConfig
from rtl_gen.bindings.single_port import SinglePortRam
from rtl_gen.interfaces import MemoryBinding

LARGEST, SMALLEST = 16384, 512
"""Words of a bank: the depths that block RAMs of 16 Kbit have at 1 and at 32 bits of width."""
LATENCY = 5
"""Cycles from an accepted request to its first beat."""


def bank_depths(beats: int) -> list[int]:
    """Depths of the banks that hold `beats`, each a power of two that block RAMs fill without waste; largest first."""
    depths: list[int] = []
    while beats > 0:
        depth = LARGEST
        while depth > SMALLEST and depth > beats:
            depth //= 2
        depths.append(depth)
        beats -= depth
    return depths


class BlockRam(wiring.Component):
    """A memory binding of block RAMs that have one port: a beat a cycle, written ones first.

    Args:
        config: the accelerator.
        beats: how many the memory holds.

    Members: `port`, the accelerator's side (interfaces.MemoryBinding). A beat beyond the memory comes with `error`; one
    that is written there is not acknowledged. The reader must take every beat at once, as the accelerator does.
    """

    port: Any

    def __init__(self, config: AcceleratorConfig, beats: int) -> None:
        self._config = config
        self.beats = beats
        super().__init__({"port": Out(MemoryBinding(config))})

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        port = self.port
        request, answer, write = port.read.request, port.read.data, port.write
        address, left = Signal(32), Signal(5)
        # A cycle's access: a write takes precedence over the reads of a request under way.
        reading = Signal()
        m.d.comb += [
            write.ready.eq(1),
            reading.eq((left != 0) & ~write.valid),
            request.ready.eq((left == 0) | ((left == 1) & reading)),
        ]
        with m.If(reading):
            m.d.sync += [left.eq(left - 1), address.eq(address + 1)]
        with m.If(request.valid & request.ready):
            m.d.sync += [address.eq(request.payload.address), left.eq(request.payload.beats)]

        # Stage 1: the access, registered. Stage 2: in the RAMs. Stage 3: what they have read. Stage 4: the
        # bank's word chosen.
        chosen = Signal(32)
        access, data = Signal(32), Signal(self._config.beat_bits)
        read1, write1, inside1 = Signal(), Signal(), Signal()
        m.d.comb += chosen.eq(Mux(write.valid, write.payload.address, address))
        m.d.sync += [
            access.eq(chosen),
            data.eq(write.payload.data),
            read1.eq(reading),
            write1.eq(write.valid),
            inside1.eq(chosen < self.beats),
        ]
        depths = bank_depths(self.beats)
        selected = Signal(range(max(2, len(depths))))
        words: list[Value] = []
        base = 0
        for index, depth in enumerate(depths):
            m.submodules[f"bank_{index}"] = bank = SinglePortRam(self._config.beat_bits, depth)
            # Every base is a multiple of the bank's depth: banks come largest first.
            here = Signal(name=f"here_{index}")
            bits = (depth - 1).bit_length()
            m.d.comb += [
                here.eq(access[bits:] == base >> bits),
                bank.address.eq(access[:bits]),
                bank.write_data.eq(data),
                bank.enable.eq(here & (read1 | write1)),
                bank.write_enable.eq(write1),
            ]
            with m.If(here):
                m.d.sync += selected.eq(index)
            word = Signal.like(bank.read_data, name=f"word_{index}")
            m.d.sync += word.eq(bank.read_data)
            words.append(word)
            base += depth
        read2, inside2 = Signal(2), Signal(2)
        selected_then = Signal.like(selected)
        m.d.sync += [
            read2.eq(Cat(read1, read2[0])),
            inside2.eq(Cat(inside1, inside2[0])),
            selected_then.eq(selected),
            port.written.eq(write1 & inside1),
            answer.valid.eq(read2[1]),
            answer.payload.eq(Cat(Array(words)[selected_then], ~inside2[1])),
        ]
        return m
