"""Operands of one row of the MAC array: which byte of a pixel's word each column multiplies."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from rtl_gen.interfaces import index_shape

GROUP_SHIFT_LIMIT = 3
"""Largest log2 of output channels per input channel of a grouped convolution."""


class MacOperands(wiring.Component):
    """Selects and registers a row's operands.

    Full convolution: all columns get bytes lane*Km..lane*Km+Km-1 of the word. Grouped: column j gets byte
    ((cg mod 2**shift)*C + j) >> shift, times the first weight only. Matrix-vector: all columns get `vector`.

    Members:
        step: In, enable. matvec, grouped, group_shift, cg (its low 3 bits), lane: In, of this step.
        word: In, C bytes; vector: In, Km bytes.
        first: Out, C bytes, one per column; rest: Out, Km bytes common to all columns, of which byte 0 is unused.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "step": In(1),
                "matvec": In(1),
                "grouped": In(1),
                "group_shift": In(2),
                "cg": In(GROUP_SHIFT_LIMIT),
                "lane": In(index_shape(config.cols // config.mac_depth)),
                "word": In(8 * config.cols),
                "vector": In(8 * config.mac_depth),
                "first": Out(8 * config.cols),
                "rest": Out(8 * config.mac_depth),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Spread by halves: o >> shift of nested halves is one halving per bit of the shift."""
        m = Module()
        cols, depth = self._config.cols, self._config.mac_depth
        spread: Value = self.word
        for bit in reversed(range(GROUP_SHIFT_LIMIT)):
            half = Signal(4 * cols, name=f"half_{bit}")
            level = Signal(8 * cols, name=f"level_{bit}")
            m.d.comb += half.eq(Mux(self.cg[bit], spread[4 * cols :], spread[: 4 * cols]))
            doubled = Cat(half.word_select(column // 2, 8) for column in range(cols))
            m.d.comb += level.eq(Mux(self.group_shift > bit, doubled, spread))
            spread = level
        common = Signal(8 * depth)
        m.d.comb += common.eq(
            Mux(self.matvec, self.vector, self.word.word_select(self.lane, 8 * depth))
        )
        per_column = self.grouped & ~self.matvec
        first = Signal.like(self.first, reset_less=True)
        rest = Signal.like(self.rest, reset_less=True)
        m.d.comb += [self.first.eq(first), self.rest.eq(rest)]
        with m.If(self.step):
            with m.If(per_column):
                m.d.sync += [first.eq(spread), rest.eq(0)]
            with m.Else():
                m.d.sync += [first.eq(Cat(common[:8] for _ in range(cols))), rest.eq(common)]
        return m
