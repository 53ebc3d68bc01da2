"""Writes an image's beats into the byte memory: words of C bytes, slot after slot."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from hwflow import isa
from hwflow.config import AcceleratorConfig
from hwflow.timing import BYTE_WRITER_BEATS
from rtl_gen.delay import successor
from rtl_gen.interfaces import ROW_BITS, SLOT_BITS, bytes_write_layout

WORDS_BITS = next(f.bits for f in isa.FIELDS[isa.Op.LOAD] if f.name == "words")


def byte_writer_layout(config: AcceleratorConfig) -> data.StructLayout:
    """A beat of a LOAD to the byte memory; `first` starts at slot 0 of the tensor at row `base`."""
    return data.StructLayout(
        {"valid": 1, "first": 1, "base": ROW_BITS, "words": WORDS_BITS, "data": config.beat_bits}
    )


class ByteWriter(wiring.Component):
    """Cuts or joins beats to words of C bytes and counts bank and row as slots go by.

    Word w of slot i goes to bank i % NB, row base + (i // NB)*words + w. A FIFO of `BYTE_WRITER_BEATS` takes what arrives
    while a beat is cut to B/C words or `stall` holds the writes up; C/B beats make a word where B < C.

    Members: `beat` In, always accepted (the loader keeps to `free`, beats that may still arrive); `write` to the byte
    memory, not in the cycle after `stall`; `restart` In forgets the slots; `slots` Out, how many have been written
    since, `grown` Out: one more than in the cycle before; `idle` Out: every accepted beat has been written; `empty` Out:
    it will be in the next cycle.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "beat": In(byte_writer_layout(config)),
                "free": Out(range(BYTE_WRITER_BEATS + 1), init=BYTE_WRITER_BEATS),
                "write": Out(bytes_write_layout(config)),
                "stall": In(1),
                "restart": In(1),
                "slots": Out(SLOT_BITS),
                "grown": Out(1),
                "idle": Out(1),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        config = self._config
        word = Signal(
            data.StructLayout({"valid": 1, "first": 1, "base": ROW_BITS, "words": WORDS_BITS})
        )
        word_data = Signal(8 * config.cols)
        layout = data.StructLayout({"beat": self.beat.shape(), "alone": 1, "pair": 1})
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=layout.size, depth=BYTE_WRITER_BEATS)
        entry, kept = data.View(layout, fifo.w_data), data.View(layout, fifo.r_data)
        head = kept.beat
        ready, take = Signal(), Signal()
        kept_none = Signal(init=1)
        m.d.comb += [
            entry.beat.eq(self.beat),
            entry.alone.eq(self.beat.words == 1),
            entry.pair.eq(self.beat.words == 2),
            fifo.w_en.eq(self.beat.valid),
            ready.eq(fifo.r_rdy & ~self.stall),
            word.base.eq(head.base),
            word.words.eq(head.words),
            take.eq(fifo.r_rdy & fifo.r_en),
            self.empty.eq(~self.beat.valid & kept_none),
            self.idle.eq(self.empty & ~self.write.valid),
        ]
        with m.If(self.beat.valid & ~take):
            m.d.sync += [self.free.eq(self.free - 1), kept_none.eq(0)]
        with m.Elif(take & ~self.beat.valid):
            m.d.sync += [
                self.free.eq(self.free + 1),
                kept_none.eq(self.free == BYTE_WRITER_BEATS - 1),
            ]
        if config.memory_bytes > config.cols:
            self._cut(m, head, ready, fifo.r_en, word, word_data)
        else:
            m.d.comb += fifo.r_en.eq(ready)
            self._join(m, head, ready, word, word_data)

        # Of the next word, unless it is a tensor's first.
        bank, row = Signal(range(config.banks)), Signal(ROW_BITS)
        slot_row = Signal(ROW_BITS)  # of the first word of its slot
        rest = Signal(WORDS_BITS)  # words that follow it in its slot
        last = Signal()  # none does
        here_bank, here_row, here_slot_row = Signal.like(bank), Signal.like(row), Signal.like(row)
        here_last, next_last = Signal(), Signal()
        write = Signal(bytes_write_layout(config))
        m.d.comb += [
            here_bank.eq(Mux(word.first, 0, bank)),
            here_row.eq(Mux(word.first, word.base, row)),
            here_slot_row.eq(Mux(word.first, word.base, slot_row)),
            here_last.eq(Mux(word.first, kept.alone, last)),
            next_last.eq(Mux(word.first, kept.pair, rest == 1)),
            self.write.eq(write),
        ]
        m.d.sync += [write.valid.eq(word.valid), self.grown.eq(0)]
        with m.If(word.valid):
            m.d.sync += [
                write.bank.eq(here_bank),
                write.row.eq(here_row),
                write.data.eq(word_data),
                bank.eq(here_bank),
                slot_row.eq(here_slot_row),
            ]
            with m.If(here_last):
                m.d.sync += [
                    rest.eq(word.words - 1),
                    last.eq(kept.alone),
                    bank.eq(successor(here_bank, config.banks)),
                    row.eq(here_slot_row),
                    self.slots.eq(self.slots + 1),
                    self.grown.eq(1),
                ]
                with m.If(here_bank == config.banks - 1):
                    next_row = here_slot_row + word.words
                    m.d.sync += [slot_row.eq(next_row), row.eq(next_row)]
            with m.Else():
                m.d.sync += [
                    rest.eq(Mux(word.first, word.words - 1, rest) - 1),
                    last.eq(next_last),
                    row.eq(here_row + 1),
                ]
        with m.If(self.restart):
            m.d.sync += [self.slots.eq(0), self.grown.eq(0)]
        return m

    def _join(
        self,
        m: Module,
        head: data.View[data.StructLayout],
        ready: Signal,
        word: data.View[data.StructLayout],
        word_data: Signal,
    ) -> None:
        """C/B beats make a word."""
        config = self._config
        beats = config.cols // config.memory_bytes
        if beats == 1:
            m.d.comb += [
                word_data.eq(head.data),
                word.valid.eq(ready),
                word.first.eq(head.first),
            ]
            return
        index = Signal(range(beats))
        here = Signal(range(beats))
        earlier = Signal(8 * config.cols - config.beat_bits)
        earlier_first = Signal()
        m.d.comb += [
            here.eq(Mux(head.first, 0, index)),
            word_data.eq(Cat(earlier, head.data)),
            word.valid.eq(ready & (here == beats - 1)),
            word.first.eq(earlier_first),
        ]
        with m.If(ready):
            m.d.sync += [index.eq(here + 1), earlier.eq(word_data[config.beat_bits :])]
            with m.If(here == 0):
                m.d.sync += earlier_first.eq(head.first)

    def _cut(
        self,
        m: Module,
        head: data.View[data.StructLayout],
        ready: Signal,
        take: Signal,
        word: data.View[data.StructLayout],
        word_data: Signal,
    ) -> None:
        """A beat makes B/C words, one a cycle."""
        config = self._config
        parts = config.memory_bytes // config.cols
        part = Signal(range(parts))
        m.d.comb += [
            word.valid.eq(ready),
            word.first.eq(head.first & (part == 0)),
            word_data.eq(head.data.word_select(part, 8 * config.cols)),
            take.eq(ready & (part == parts - 1)),
        ]
        with m.If(ready):
            m.d.sync += part.eq(part + 1)
