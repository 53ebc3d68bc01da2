"""Means of 2, 4 or 8 consecutive channels of a stored tensor (docs/numerics.md, shortcuts).

For g = 2**k the reciprocal round(2**15 / g) is exact, so rsr(sum * 2**15/g, 15) = rsr(sum, k).
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

LATENCY = 2
"""Cycles from `elements` to `means`."""


class ChannelMean(wiring.Component):
    """Means of one pixel's C channels of `bits` bits.

    Ports:
        elements: C stored channels. shift, store_shift: 1..3, log2 of the channels averaged beside the output
            and in its place, constant in a layer.
        means, stored: two cycles later the C >> shift means, repeated 2**shift times, so that they are in place
            in every part of the mean tensor's word. They share all adders.
    """

    def __init__(self, cols: int, bits: int) -> None:
        self.cols, self.bits = cols, bits
        word = data.ArrayLayout(signed(bits), cols)
        super().__init__(
            {
                "elements": In(word),
                "shift": In(2),
                "store_shift": In(2),
                "means": Out(word),
                "stored": Out(word),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Stage 1 adds pairs, stage 2 adds pairs of those and rounds."""
        m = Module()
        pairs = [
            Signal(signed(self.bits + 1), name=f"pair_{i}", reset_less=True)
            for i in range(self.cols // 2)
        ]
        for i, pair in enumerate(pairs):
            m.d.sync += pair.eq(self.elements[2 * i] + self.elements[2 * i + 1])
        sums: list[Value] = list(pairs)
        words: list[Value] = []
        for shift in (1, 2, 3):
            means = [((total + (1 << (shift - 1))) >> shift)[: self.bits] for total in sums]
            words.append(Cat(*means).replicate(1 << shift))
            fours = [
                Signal(signed(self.bits + 1 + shift), name=f"sum{2 << shift}_{i}")
                for i in range(len(sums) // 2)
            ]
            for i, four in enumerate(fours):
                m.d.comb += four.eq(sums[2 * i] + sums[2 * i + 1])
            sums = list(fours)
        for shift, means in ((self.shift, self.means), (self.store_shift, self.stored)):
            m.d.sync += Value.cast(means).eq(by_shift(shift, words))
        return m


def by_shift(shift: Value, choices: Sequence[Value]) -> Value:
    """The one of three values that belongs to a shift of 1, 2 or 3."""
    return Mux(shift == 1, choices[0], Mux(shift == 2, choices[1], choices[2]))


def mean_lanes(cg: Value, shift: Value, cols: int) -> Value:
    """The part of the mean tensor's word that channel group `cg` fills, a bit a channel."""
    return by_shift(
        shift,
        [
            Cat(*((cg[:part] == j).replicate(cols >> part) for j in range(1 << part)))
            for part in (1, 2, 3)
        ],
    )
