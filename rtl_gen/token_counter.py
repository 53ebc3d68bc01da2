"""Counts tokens: promises that one unit makes and another one takes."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.delay import change


class TokenCounter(wiring.Component):
    """How many tokens are there.

    Args:
        bits: width of the count.

    Members: `give` In: there is one more from the next cycle on; `take` In, only while `some`: one less; `clear` In: none.
    `some` Out, a register: there is one; `coming` Out: `some` in the next cycle.
    """

    give: Signal
    take: Signal
    clear: Signal
    some: Signal
    coming: Signal

    def __init__(self, bits: int) -> None:
        self._bits = bits
        inputs = dict.fromkeys(("give", "take", "clear"), In(1))
        super().__init__({**inputs, "some": Out(1), "coming": Out(1)})

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        count = Signal(self._bits)
        m.d.comb += self.coming.eq(
            ~self.clear & (self.give | (self.some & ~(self.take & (count == 1))))
        )
        m.d.sync += [
            count.eq(count + change(self.give, self.take)),
            self.some.eq(self.coming),
        ]
        with m.If(self.clear):
            m.d.sync += count.eq(0)
        return m
