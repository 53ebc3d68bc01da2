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
    since; `idle` Out: every accepted beat has been written; `empty` Out: it will be in the next cycle.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "beat": In(byte_writer_layout(config)),
                "free": Out(range(BYTE_WRITER_BEATS + 1)),
                "write": Out(bytes_write_layout(config)),
                "stall": In(1),
                "restart": In(1),
                "slots": Out(SLOT_BITS),
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
        layout = self.beat.shape()
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=layout.size, depth=BYTE_WRITER_BEATS)
        head = data.View(layout, fifo.r_data)
        ready = Signal()
        m.d.comb += [
            fifo.w_data.eq(self.beat),
            fifo.w_en.eq(self.beat.valid),
            ready.eq(fifo.r_rdy & ~self.stall),
            word.base.eq(head.base),
            word.words.eq(head.words),
            self.free.eq(BYTE_WRITER_BEATS - fifo.level),
            self.empty.eq(~self.beat.valid & (fifo.level == 0)),
            self.idle.eq(self.empty & ~self.write.valid),
        ]
        if config.memory_bytes > config.cols:
            self._cut(m, head, ready, fifo.r_en, word, word_data)
        else:
            m.d.comb += fifo.r_en.eq(ready)
            self._join(m, head, ready, word, word_data)

        index = Signal(WORDS_BITS)
        bank = Signal(range(config.banks))
        row = Signal(ROW_BITS)
        write = Signal(bytes_write_layout(config))
        here_index, here_bank, here_row = (
            Signal(WORDS_BITS),
            Signal(range(config.banks)),
            Signal(ROW_BITS),
        )
        m.d.comb += [
            here_index.eq(index),
            here_bank.eq(bank),
            here_row.eq(row),
            self.write.eq(write),
        ]
        with m.If(word.first):
            m.d.comb += [here_index.eq(0), here_bank.eq(0), here_row.eq(word.base)]
        m.d.sync += write.valid.eq(word.valid)
        with m.If(word.valid):
            m.d.sync += [
                write.bank.eq(here_bank),
                write.row.eq(here_row + here_index),
                write.data.eq(word_data),
                index.eq(here_index + 1),
                bank.eq(here_bank),
                row.eq(here_row),
            ]
            with m.If(here_index == word.words - 1):
                m.d.sync += [
                    index.eq(0),
                    bank.eq(successor(here_bank, config.banks)),
                    self.slots.eq(self.slots + 1),
                ]
                with m.If(here_bank == config.banks - 1):
                    m.d.sync += row.eq(here_row + word.words)
        with m.If(self.restart):
            m.d.sync += self.slots.eq(0)
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
