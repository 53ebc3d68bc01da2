"""Sums of products of any operand width, alike but for the width: what ACE's law is tried on."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

STEPS_BITS = 8
"""The accumulator takes 2**8 steps without overflow."""


class MultiplyAccumulate(wiring.Component):
    """Multiplies `terms` pairs a cycle and adds all products to a sum; operands and sum are registered.

    Args:
        width: bits of an operand: two's complement; 1: a bit stands for -1 or +1, and the sum counts equal pairs.
        terms: products a cycle.

    Members:
        a, b: In, `terms` operands each, the first in the lowest bits.
        clear: In: the sum begins at 0 in the next cycle, in place of what the operands of the cycle before add.
        total: Out, the sum, two cycles after its last operands.
    """

    a: Signal
    b: Signal
    clear: Signal
    total: Signal

    def __init__(self, width: int, terms: int) -> None:
        self.width, self.terms = width, terms
        self.sum_bits = (1 if width == 1 else 2 * width) + terms.bit_length() + STEPS_BITS
        super().__init__(
            {
                "a": In(width * terms),
                "b": In(width * terms),
                "clear": In(1),
                "total": Out(self.sum_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Operands, then sum."""
        m = Module()
        bits = self.width * self.terms
        a, b = Signal(bits), Signal(bits)
        m.d.sync += [a.eq(self.a), b.eq(self.b)]
        added = Signal(signed(self.sum_bits))
        if self.width == 1:
            equal = Signal(bits)
            m.d.comb += [equal.eq(~(a ^ b)), added.eq(sum(equal[index] for index in range(bits)))]
        else:
            products: list[Signal] = []
            for index in range(self.terms):
                part = slice(index * self.width, (index + 1) * self.width)
                product = Signal(signed(2 * self.width), name=f"product_{index}")
                m.d.comb += product.eq(Cat(a[part]).as_signed() * Cat(b[part]).as_signed())
                products.append(product)
            m.d.comb += added.eq(sum(products))
        m.d.sync += self.total.eq(Mux(self.clear, 0, self.total + added))
        return m
