"""Pointers of the binary weight ring; the words themselves lie in the columns of the binary array."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow import timing
from hwflow.config import AcceleratorConfig
from rtl_gen.delay import delayed, successor
from rtl_gen.interfaces import beat_write_layout


class WeightRing(wiring.Component):
    """FIFO of `weight_words` words of C*K bits, written by beats; a group's words are read once per tile.

    Members:
        write: In, a beat, always accepted (the loader keeps to `free`); free: Out, beats that may still be written.
        level: Out, whole words not yet claimed by a group; arriving: Out, one more is complete in this cycle.
        words: In, words of each group; claim: In, a group starts (takes `words` off `level`).
        step: In, late: a step is issued; tile_end, group_end: In, early: the next to be is the tile's, the group's last.
        read_en, read_addr: Out, the step's word, `timing.WEIGHT_ADDRESS` cycles after `step`.
        write_en (C bits), write_addr, write_data: Out, to the array's columns.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        words = config.weight_words
        beats = words * config.weight_beats
        super().__init__(
            {
                "write": In(beat_write_layout(config)),
                "free": Out(range(beats + 1), init=beats),
                "level": Out(range(words + 1)),
                "arriving": Out(1),
                "words": In(16),
                "claim": In(1),
                "step": In(1),
                "tile_end": In(1),
                "group_end": In(1),
                "read_en": Out(1),
                "read_addr": Out(range(words)),
                "write_en": Out(config.cols),
                "write_addr": Out(range(words)),
                "write_data": Out(config.beat_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Write pointer in beats, read pointer in words; space returns when the last column has read."""
        m = Module()
        config = self._config
        words, beats = config.weight_words, config.weight_beats
        beat = Signal(range(beats))
        tail = Signal(range(words))
        beat_columns = config.beat_bits // config.popcount_width
        m.d.comb += [
            self.arriving.eq(self.write.valid & (beat == beats - 1)),
            self.write_en.eq(
                Cat(
                    self.write.valid & (beat == column // beat_columns)
                    for column in range(config.cols)
                )
            ),
            self.write_addr.eq(tail),
            self.write_data.eq(self.write.data),
        ]
        with m.If(self.write.valid):
            m.d.sync += beat.eq(successor(beat, beats))
        with m.If(self.arriving):
            m.d.sync += tail.eq(successor(tail, words))
        held = self.level + self.arriving
        # `claim` is late: both differences are ready then.
        m.d.sync += self.level.eq(Mux(self.claim, held - self.words, held))

        head = Signal(range(words))
        base = Signal(range(words))
        again = self.tile_end & ~self.group_end
        with m.If(self.step):
            m.d.sync += head.eq(Mux(again, base, successor(head, words)))
        with m.If(self.step & self.group_end):
            m.d.sync += base.eq(successor(head, words))
        read = delayed(m, Cat(self.step, head), timing.WEIGHT_ADDRESS, "read")[-1]
        m.d.comb += [self.read_en.eq(read[0]), self.read_addr.eq(read[1:])]

        last_read = timing.WEIGHT_RELEASE + config.cols - 1
        release = delayed(m, self.step & self.group_end, last_read, "release")[-1]
        released = Signal(range(words * beats + 1))
        m.d.comb += released.eq(Mux(release, self.words * beats, 0))
        m.d.sync += self.free.eq(self.free + released - self.write.valid)
        return m
