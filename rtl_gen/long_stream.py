"""FIFO of the long stream: beats from external memory in, words of G pixels x C channels out at a fixed time."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from rtl_gen.delay import successor
from rtl_gen.interfaces import beat_write_layout
from rtl_gen.ram import Ram


class LongStream(wiring.Component):
    """FIFO of `long_words` words in a synchronous memory.

    A tile that needs words claims them when its first step is issued, and takes them later, one a pixel group.

    Members: `write` one beat, always accepted (the loader keeps to `free`); `free` beats that may still be written;
    `level` words that no tile has claimed, each `timing.constant_ring_latency()` cycles after its last beat's write;
    `claim` In, R/G words of them; `take` In, the next word: `data` holds it in the cycle after.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        words = config.long_words
        super().__init__(
            {
                "write": In(beat_write_layout(config)),
                "free": Out(
                    range(words * config.stream_beats + 1), init=words * config.stream_beats
                ),
                "level": Out(range(words + 1)),
                "claim": In(1),
                "take": In(1),
                "data": Out(8 * config.stream_word_bytes),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        config = self._config
        words, beats = config.long_words, config.stream_beats
        m.submodules.memory = memory = Ram(
            8 * config.stream_word_bytes, words, granule=config.beat_bits
        )

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
        m.d.comb += [
            memory.read_address.eq(head),
            memory.read_enable.eq(self.take),
            self.data.eq(memory.read_data),
        ]
        with m.If(self.take):
            m.d.sync += head.eq(successor(head, words))

        written = Signal()
        claimed = Mux(self.claim, config.row_groups, 0)
        m.d.sync += [
            written.eq(last),
            self.level.eq(self.level + written - claimed),
            self.free.eq(self.free + self.take * beats - self.write.valid),
        ]
        return m
