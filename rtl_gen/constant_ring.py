"""Ring of constant records: beats in, one 256-bit record a cycle out."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow import isa
from hwflow.config import AcceleratorConfig
from rtl_gen.delay import successor
from rtl_gen.interfaces import CONSTANT_RECORD, beat_write_layout
from rtl_gen.ram import Ram


class ConstantRing(wiring.Component):
    """FIFO of `constant_words` records in a synchronous memory.

    Members: `write` one beat, always accepted (the loader keeps to `free`); `free` beats that may still be
    written; `level` records that can be taken, 0 also hides a stale head; `record` the head while `level > 0`;
    `take` removes the head, the next one is there in the following cycle.

    A record counts in `level` `timing.constant_ring_latency()` cycles after its last beat's write.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        words = config.constant_words
        super().__init__(
            {
                "write": In(beat_write_layout(config)),
                "free": Out(
                    range(words * config.constant_beats + 1), init=words * config.constant_beats
                ),
                "level": Out(range(words + 1)),
                "record": Out(CONSTANT_RECORD),
                "take": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        config = self._config
        words, beats = config.constant_words, config.constant_beats
        m.submodules.memory = memory = Ram(isa.CONSTANT_BITS, words, granule=config.beat_bits)

        beat = Signal(range(beats))
        tail = Signal(range(words))
        last = self.write.valid & (beat == beats - 1)
        m.d.comb += [
            memory.write_address.eq(tail),
            memory.write_data.eq(self.write.data.replicate(beats)),
            memory.write_enable.eq(Cat(self.write.valid & (beat == n) for n in range(beats))),
        ]
        with m.If(self.write.valid):
            m.d.sync += beat.eq(successor(beat, beats))
        with m.If(last):
            m.d.sync += tail.eq(successor(tail, words))

        head = Signal(range(words))
        following = Signal(range(words))
        m.d.comb += [
            following.eq(head),
            memory.read_address.eq(following),
            memory.read_enable.eq(1),
            self.record.eq(memory.read_data),
        ]
        with m.If(self.take):
            m.d.comb += following.eq(successor(head, words))
        m.d.sync += head.eq(following)

        # A record written in this cycle is read one cycle later at the earliest, and seen one after that.
        written = Signal()
        m.d.sync += [
            written.eq(last),
            self.level.eq(self.level + written - self.take),
            self.free.eq(self.free + self.take * beats - self.write.valid),
        ]
        return m
