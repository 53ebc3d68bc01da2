"""Operands of the MAC array: which byte of a pixel's word each column multiplies."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from rtl_gen.interfaces import index_shape

GROUP_SHIFT_LIMIT = 3
"""Largest log2 of output channels per input channel of a grouped convolution."""


class MacSelection(wiring.Component):
    """Which byte of its word a column takes, for all rows at once.

    Full convolution: all columns byte lane*Km. Grouped: column j byte ((cg mod 2**shift)*C + j) >> shift. Bit b of that
    number is bit b + shift of j, or, beyond j's highest bit, one of cg: it is the same for columns that agree in
    the bits from b on. So bit b takes C / 2**b values, of columns 0, 2**b, 2 * 2**b, ... Matrix-vector: all columns byte 0.

    Members:
        matvec, grouped, group_shift, cg (its low 3 bits), lane: In, of this step.
        choices: Out, C - 1 .. bits: those of the highest bit first, `choice_counts` of each.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "matvec": In(1),
                "grouped": In(1),
                "group_shift": In(2),
                "cg": In(GROUP_SHIFT_LIMIT),
                "lane": In(index_shape(config.cols // config.mac_depth)),
                "choices": Out(sum(choice_counts(config.cols))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A multiplexer a choice."""
        m = Module()
        cols, depth = self._config.cols, self._config.mac_depth
        index_bits = (cols - 1).bit_length()
        byte = Signal(index_bits)
        m.d.comb += byte.eq(self.lane * depth)
        choices: list[Signal] = []
        for bit in reversed(range(index_bits)):
            for column in range(0, cols, 1 << bit):
                choice = Signal(name=f"choice_{bit}_{column}")
                with m.If(self.matvec):
                    m.d.comb += choice.eq(0)
                with m.Elif(~self.grouped):
                    m.d.comb += choice.eq(byte[bit])
                with m.Else(), m.Switch(self.group_shift):
                    for shift in range(GROUP_SHIFT_LIMIT + 1):
                        beyond = bit + shift - index_bits
                        with m.Case(shift):
                            m.d.comb += choice.eq(
                                self.cg[beyond] if beyond >= 0 else column >> (bit + shift) & 1
                            )
                choices.append(choice)
        m.d.comb += self.choices.eq(Cat(choices))
        return m


def choice_counts(cols: int) -> list[int]:
    """Values that each bit of a byte's number takes over `cols` columns, highest bit first: 2, 4, ... cols."""
    return [2 << level for level in range((cols - 1).bit_length())]


class MacOperands(wiring.Component):
    """Selects and registers a row's operands.

    Convolution: column j gets the byte that `choices` name, and, not grouped, all columns bytes lane*Km + 1.. for
    the further weights; grouped: times the first weight only. Matrix-vector: all columns get `vector`.

    Members:
        step: In, enable. matvec, grouped, lane, choices (see MacSelection): In, of this step. add: In: it counts, else all
            operands are 0.
        word: In, C bytes; vector: In, Km bytes.
        first: Out, C bytes, one per column; rest: Out, Km bytes common to all columns, of which byte 0 is unused.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "step": In(1),
                "add": In(1),
                "matvec": In(1),
                "grouped": In(1),
                "lane": In(index_shape(config.cols // config.mac_depth)),
                "choices": In(sum(choice_counts(config.cols))),
                "word": In(8 * config.cols),
                "vector": In(8 * config.mac_depth),
                "first": Out(8 * config.cols),
                "rest": Out(8 * config.mac_depth),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """One level of multiplexers a bit of the byte's number, each for as many columns as differ in it."""
        m = Module()
        cols, depth = self._config.cols, self._config.mac_depth
        # A matrix-vector product takes the place of byte 0, which all columns then choose.
        word = Signal.like(self.word, name="word_or_vector")
        m.d.comb += word.eq(Cat(Mux(self.matvec, self.vector[:8], self.word[:8]), self.word[8:]))
        nodes: list[Value] = [word]
        at = 0
        for level, count in enumerate(choice_counts(cols)):
            halves: list[Value] = []
            for n in range(count):
                source = nodes[n // 2]
                middle = len(source) // 2
                half = Signal(middle, name=f"half_{level}_{n}")
                chosen = Mux(self.choices[at + n], source[middle:], source[:middle])
                # Zeroed here, in LUTs with an input to spare: the registers need no reset, and may be a multiplier's own.
                m.d.comb += half.eq(Mux(self.add, chosen, 0) if level == 0 else chosen)
                halves.append(half)
            nodes = halves
            at += count
        common = Signal(8 * depth)
        m.d.comb += common.eq(self.word.word_select(self.lane, 8 * depth))
        first = Signal.like(self.first, reset_less=True)
        rest = Signal.like(self.rest, reset_less=True)
        m.d.comb += [self.first.eq(first), self.rest.eq(rest)]
        with m.If(self.step):
            m.d.sync += first.eq(Cat(nodes))
            with m.If(self.matvec):
                m.d.sync += rest.eq(self.vector)
            with m.Else():
                m.d.sync += rest.eq(Mux(self.add & ~self.grouped, common, 0))
        return m
