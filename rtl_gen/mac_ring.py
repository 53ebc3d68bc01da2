"""Ring of 8-bit weight words: beats of bytes or of 4-bit values in, one word of R*C*Km bytes a cycle out."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow import timing
from hwflow.config import AcceleratorConfig
from rtl_gen import instances
from rtl_gen.delay import delayed, successor
from rtl_gen.interfaces import macs_write_layout
from rtl_gen.ram import Ram


class MacRing(wiring.Component):
    """FIFO of `mac_words` words, serving convolutions and matrix-vector products.

    A convolution reads a group's words once per tile, a slice of C*Km bytes a step; a matrix-vector product addresses
    words from the read pointer on.

    Members:
        write: In, a beat; `unpack4` beats fill 2B bytes and start at even beats of a word. free: Out, bytes.
        level: Out, whole words not claimed or released.
        words, claim, step, tile_end, group_end: In, as in `WeightRing`; slice n of a word serves step n mod R of a tile.
        matvec, release, word_offset: In: read the word `word_offset` after the read pointer; `release` it and all before.
        word: Out, at cycle `timing.ACTIVATIONS` after `step`, `timing.RING_READ` after `matvec`; slice: Out, with it.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        words = config.mac_words
        total = words * config.mac_word_bytes
        super().__init__(
            {
                "write": In(macs_write_layout(config)),
                "free": Out(range(total + 1), init=total),
                "level": Out(range(words + 1)),
                "words": In(16),
                "claim": In(1),
                "step": In(1),
                "tile_end": In(1),
                "group_end": In(1),
                "matvec": In(1),
                "release": In(1),
                "word_offset": In(16),
                "word": Out(8 * config.mac_word_bytes),
                "slice": Out(range(config.rows)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Parts of two beats each, written one at a time, read together."""
        m = Module()
        word_written = self._write_side(m)
        self._read_side(m, word_written)
        return m

    def _write_side(self, m: Module) -> Signal:
        config = self._config
        words, parts = config.mac_words, config.mac_word_bytes // (2 * config.memory_bytes)
        self._parts = instances.copies(
            m,
            lambda: Ram(2 * config.beat_bits, words, granule=config.beat_bits),
            "mac_ring_part",
            parts,
        )
        part = Signal(range(parts))
        half = Signal()
        tail = Signal(range(words))
        part_written, word_written = Signal(), Signal()
        beat = self.write.data
        nibbles = [beat.word_select(n, 4) for n in range(config.beat_bits // 4)]
        unpacked = Signal(2 * config.beat_bits)
        m.d.comb += unpacked.eq(Cat(Cat(n, n[3].replicate(4)) for n in nibbles))
        m.d.comb += [
            part_written.eq(self.write.valid & (self.write.unpack4 | half)),
            word_written.eq(part_written & (part == parts - 1)),
        ]
        with m.If(self.write.valid):
            m.d.sync += half.eq(~half & ~self.write.unpack4)
        with m.If(part_written):
            m.d.sync += part.eq(successor(part, parts))
        with m.If(word_written):
            m.d.sync += tail.eq(successor(tail, words))
        for index, unit in enumerate(self._parts):
            chosen = self.write.valid & (part == index)
            m.d.comb += [
                unit.write_address.eq(tail),
                unit.write_data.eq(Mux(self.write.unpack4, unpacked, Cat(beat, beat))),
                unit.write_enable.eq(
                    Cat(chosen & (self.write.unpack4 | ~half), chosen & (self.write.unpack4 | half))
                ),
            ]
        return word_written

    def _read_side(self, m: Module, word_written: Signal) -> None:
        config = self._config
        words, rows = config.mac_words, config.rows
        head = Signal(range(words))  # of the current step of a convolution
        base = Signal(range(words))  # first word not released: a group's first word
        slice_index = Signal(range(rows))
        new_word = Signal()
        m.d.comb += new_word.eq(slice_index == rows - 1)
        with m.If(self.step):
            m.d.sync += slice_index.eq(Mux(self.tile_end | new_word, 0, slice_index + 1))
            with m.If(self.group_end):
                m.d.sync += [base.eq(successor(head, words)), head.eq(successor(head, words))]
            with m.Elif(self.tile_end):
                m.d.sync += head.eq(base)
            with m.Elif(new_word):
                m.d.sync += head.eq(successor(head, words))

        wanted = Signal(range(2 * words))
        target = Signal(range(words))
        m.d.comb += [
            wanted.eq(base + self.word_offset),
            target.eq(Mux(wanted >= words, wanted - words, wanted)),
        ]
        released = self.matvec & self.release
        with m.If(released):
            m.d.sync += [base.eq(successor(target, words)), head.eq(successor(target, words))]

        address = Signal(range(words))
        vector_read = Signal()
        m.d.sync += [vector_read.eq(self.matvec), address.eq(target)]
        conv = delayed(m, Cat(self.step, head, slice_index), timing.WEIGHT_ADDRESS, "conv")[-1]
        for unit in self._parts:
            m.d.comb += [
                unit.read_enable.eq(conv[0] | vector_read),
                unit.read_address.eq(Mux(vector_read, address, conv[1 : 1 + len(head)])),
            ]
        m.d.sync += self.slice.eq(conv[1 + len(head) :])
        m.d.comb += self.word.eq(Cat(unit.read_data for unit in self._parts))

        taken = Signal(range(words + 1))
        m.d.comb += taken.eq(
            Mux(self.claim, self.words, 0) + Mux(released, self.word_offset + 1, 0)
        )
        m.d.sync += self.level.eq(self.level + word_written - taken)
        conv_done = delayed(m, self.step & self.group_end, timing.WEIGHT_ADDRESS, "conv_done")[-1]
        vector_done = delayed(m, Mux(released, self.word_offset + 1, 0), 1, "vector_done")[-1]
        freed = Signal(range(words + 1))
        filled = Signal(range(2 * config.memory_bytes + 1))
        m.d.comb += [
            freed.eq(Mux(conv_done, self.words, 0) + vector_done),
            filled.eq(
                Mux(
                    self.write.valid,
                    Mux(self.write.unpack4, 2 * config.memory_bytes, config.memory_bytes),
                    0,
                )
            ),
        ]
        m.d.sync += self.free.eq(self.free + freed * config.mac_word_bytes - filled)
