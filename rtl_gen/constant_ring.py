"""Ring of constant records: beats in, one 256-bit record a cycle out."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal
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
    written; `level` records that can be taken, 0 also hides a stale head; `some` is `level > 0`; `record` the head
    while `some`; `take` removes the head, with `last` also the others of its beat; the next one is there in the
    following cycle.

    A record counts in `level` `timing.constant_ring_latency()` cycles after its last beat's write.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        beats = config.constant_ring_beats
        super().__init__(
            {
                "write": In(beat_write_layout(config)),
                "free": Out(range(beats + 1), init=beats),
                "level": Out(range(config.constant_words + 1)),
                "some": Out(1),
                "record": Out(CONSTANT_RECORD),
                "take": In(1),
                "last": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Words of one record in several beats, or of one beat with several records."""
        m = Module()
        config = self._config
        beats, records = config.record_beats, config.records_per_beat
        words = config.constant_words // records
        m.submodules.memory = memory = Ram(
            isa.CONSTANT_BITS * records, words, granule=config.beat_bits
        )

        beat = Signal(range(beats)) if beats > 1 else Const(0)
        tail = Signal(range(words))
        written_now = self.write.valid & (beat == beats - 1)
        m.d.comb += [
            memory.write_address.eq(tail),
            memory.write_data.eq(self.write.data.replicate(beats)),
            memory.write_enable.eq(Cat(self.write.valid & (beat == n) for n in range(beats))),
        ]
        if beats > 1:
            with m.If(self.write.valid):
                m.d.sync += beat.eq(successor(beat, beats))
        with m.If(written_now):
            m.d.sync += tail.eq(successor(tail, words))

        head = Signal(range(words))
        following = Signal(range(words))
        index = Signal(range(records)) if records > 1 else Const(0)  # of the head in its word
        word_done = Signal()
        m.d.comb += [
            word_done.eq(self.take & (self.last | (index == records - 1))),
            following.eq(Mux(word_done, successor(head, words), head)),
            memory.read_address.eq(following),
            memory.read_enable.eq(1),
            self.record.eq(memory.read_data.word_select(index, isa.CONSTANT_BITS)),
        ]
        m.d.sync += head.eq(following)
        if records > 1:
            with m.If(self.take):
                m.d.sync += index.eq(Mux(word_done, 0, index + 1))

        # A record written in this cycle is read one cycle later at the earliest, and seen one after that.
        written = Signal()
        taken = Mux(self.last, records - index, 1)
        more = Mux(self.take, records - taken, records)
        fewer = Mux(self.take, -taken, 0)
        # `take` is known last: it chooses between sums.
        less = self.free - self.write.valid
        m.d.sync += [
            written.eq(written_now),
            self.level.eq(self.level + Mux(written, more, fewer)),
            self.some.eq(written | (self.some & ~(self.take & (self.level == taken)))),
            self.free.eq(Mux(word_done, less + beats, less)),
        ]
        return m
