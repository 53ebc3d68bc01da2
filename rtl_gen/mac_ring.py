"""Ring of 8-bit weight words: beats in, one word of R*C*Km bytes, or half of one in 4-bit values, a cycle out."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow import timing
from hwflow.config import AcceleratorConfig
from rtl_gen import instances
from rtl_gen.delay import delayed, successor
from rtl_gen.interfaces import beat_write_layout
from rtl_gen.ram import Ram


class MacRing(wiring.Component):
    """FIFO of 2*`mac_words` half words, serving convolutions and matrix-vector products.

    A convolution reads a group's words once per tile, a slice of C*Km bytes a step; a matrix-vector product addresses
    words from the read pointer on: two half words each, or (`narrow`) one, which holds R*C*Km 4-bit values. Even and
    odd half words lie in two banks, so a word may begin at either.

    Members:
        write: In, a beat; free: Out, beats.
        level: Out, half words not claimed or released; arriving: Out, one more is complete in this cycle.
        words, claim, step, tile_end, group_end: In, as in `WeightRing`; slice n of a word serves step n mod R of a tile.
        matvec, narrow, release, word_offset: In: read the word `word_offset` after the read pointer; `release` it and
            all before.
        word: Out, at cycle `timing.ACTIVATIONS` - 1 after `step`, `timing.RING_READ` after `matvec`; its low half is the
            half word of a `narrow` read; slice, word_narrow: Out, with it. The array takes a slice of it.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        halves = 2 * config.mac_words
        beats = halves * config.mac_half_beats
        super().__init__(
            {
                "write": In(beat_write_layout(config)),
                "free": Out(range(beats + 1), init=beats),
                "level": Out(range(halves + 1)),
                "arriving": Out(1),
                "words": In(16),
                "claim": In(1),
                "step": In(1),
                "tile_end": In(1),
                "group_end": In(1),
                "matvec": In(1),
                "narrow": In(1),
                "release": In(1),
                "word_offset": In(16),
                "word": Out(8 * config.mac_word_bytes),
                "word_narrow": Out(1),
                "slice": Out(range(config.rows)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Two banks of one memory a beat, written one at a time, read together."""
        m = Module()
        self._write_side(m)
        self._read_side(m)
        return m

    def _write_side(self, m: Module) -> None:
        config = self._config
        words, beats = config.mac_words, config.mac_half_beats
        parts = instances.copies(
            m, lambda: Ram(config.beat_bits, words), "mac_ring_part", 2 * beats
        )
        self._banks = (parts[:beats], parts[beats:])
        beat = Signal(range(beats))
        tail = Signal(range(2 * words))
        m.d.comb += self.arriving.eq(self.write.valid & (beat == beats - 1))
        with m.If(self.write.valid):
            m.d.sync += beat.eq(successor(beat, beats))
        with m.If(self.arriving):
            m.d.sync += tail.eq(successor(tail, 2 * words))
        # Written a cycle late, and read no sooner than two cycles after `level` shows it.
        address = Signal(range(words))
        beat_data = Signal(config.beat_bits, reset_less=True)
        with m.If(self.write.valid):
            m.d.sync += [address.eq(tail >> 1), beat_data.eq(self.write.data)]
        for bank, units in enumerate(self._banks):
            for index, unit in enumerate(units):
                enable = Signal(name=f"write_{bank}_{index}")
                m.d.sync += enable.eq(self.write.valid & (tail[0] == bank) & (beat == index))
                m.d.comb += [
                    unit.write_address.eq(address),
                    unit.write_data.eq(beat_data),
                    unit.write_enable.eq(enable),
                ]

    def _read_side(self, m: Module) -> None:
        config = self._config
        rows, halves = config.rows, 2 * config.mac_words
        head = Signal(range(halves))  # of the current step of a convolution
        base = Signal(range(halves))  # first half word not released: a group's first
        after_head = Signal(range(halves))
        slice_index = Signal(range(rows))
        new_word = Signal()
        m.d.comb += [
            new_word.eq(slice_index == rows - 1),
            after_head.eq(_further(head, 2, halves)),
        ]
        again = self.tile_end & ~self.group_end
        with m.If(self.step):
            m.d.sync += slice_index.eq(Mux(self.tile_end | new_word, 0, slice_index + 1))
        with m.If(self.step & (self.tile_end | new_word)):
            m.d.sync += head.eq(Mux(again, base, after_head))
        with m.If(self.step & self.group_end):
            m.d.sync += base.eq(after_head)

        target = Signal(range(halves))  # first half word of the matrix-vector step
        after_target = Signal(range(halves))
        released_halves = Signal(range(halves + 1))
        released = self.matvec & self.release
        m.d.comb += [
            target.eq(
                _further(base, Mux(self.narrow, self.word_offset, self.word_offset << 1), halves)
            ),
            after_target.eq(_further(target, Mux(self.narrow, 1, 2), halves)),
            released_halves.eq(Mux(released, (self.word_offset + 1) << Mux(self.narrow, 0, 1), 0)),
        ]
        with m.If(released):
            m.d.sync += [base.eq(after_target), head.eq(after_target)]

        address = Signal(range(halves))
        vector_read, vector_narrow = Signal(), Signal()
        m.d.sync += [
            vector_read.eq(self.matvec),
            vector_narrow.eq(self.matvec & self.narrow),
            address.eq(target),
        ]
        conv = delayed(m, Cat(self.step, head, slice_index), timing.WEIGHT_ADDRESS, "conv")[-1]
        self._read(m, conv[0], conv[1 : 1 + len(head)], vector_read, address)
        m.d.sync += [self.slice.eq(conv[1 + len(head) :]), self.word_narrow.eq(vector_narrow)]

        # A group is claimed when no product's words are left, so never with a release. `claim` is late: what both make of
        # the level is ready then. -(n + 1) is ~n, without a carry.
        offset = (~self.word_offset)[: len(self.level)]
        less = Mux(released, Mux(self.narrow, offset, offset << 1), 0)
        held = self.level + self.arriving
        m.d.sync += self.level.eq(Mux(self.claim, held - (self.words << 1), held + less))
        conv_done = delayed(m, self.step & self.group_end, timing.WEIGHT_RELEASE, "conv_done")[-1]
        vector_done = delayed(m, released_halves, 1, "vector_done")[-1]
        freed = Signal(range(halves + 1))
        m.d.comb += freed.eq(Mux(conv_done, self.words << 1, 0) + vector_done)
        m.d.sync += self.free.eq(self.free + freed * config.mac_half_beats - self.write.valid)

    def _read(
        self, m: Module, conv: Signal, conv_half: Signal, vector: Signal, vector_half: Signal
    ) -> None:
        """Read the half word at a place and the one after it; put them in order in the next cycle."""
        words = self._config.mac_words
        half = Signal(range(2 * words))
        odd = Signal()
        row = Signal(range(words))
        even_row = Signal(range(words))
        m.d.comb += [
            half.eq(Mux(vector, vector_half, conv_half)),
            row.eq(half >> 1),
            even_row.eq(Mux(half[0], successor(row, words), row)),
        ]
        with m.If(conv | vector):
            m.d.sync += odd.eq(half[0])
        for units, address in zip(self._banks, (even_row, row), strict=True):
            for unit in units:
                m.d.comb += [
                    unit.read_enable.eq(conv | vector),
                    unit.read_address.eq(address),
                ]
        even, later = (Cat(unit.read_data for unit in units) for units in self._banks)
        m.d.comb += self.word.eq(Mux(odd, Cat(later, even), Cat(even, later)))


def _further(place: Signal, distance: int | Signal, places: int) -> Signal:
    """`place + distance` in a ring of `places`; distance: at most `places`."""
    total = place + distance
    if places & (places - 1) == 0:
        return total[: len(place)]
    return Mux(total >= places, total - places, total)
