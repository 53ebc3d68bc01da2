"""The scalar arithmetic of means, squeeze-excite and dense outputs (docs/numerics.md), one value a cycle."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwflow import timing
from rtl_gen.delay import delayed

SHIFT_BITS = 5
"""Shifts are 0..30."""

PRODUCT_BITS = 32
RESULT_BITS = 24

SCALAR_VALUE = data.StructLayout(
    {
        "valid": 1,
        "x": signed(32),
        "alpha": signed(16),
        "beta": signed(32),
        "shift": unsigned(SHIFT_BITS),
    }
)
"""One value with the constants that may differ from value to value."""


class ScalarUnit(wiring.Component):
    """`clamp((alpha * rsr(x, acc_shift) + beta) >> shift, lo, hi)`, a rigid pipeline.

    ```
    value -> [rsr acc_shift] -> [* alpha] -> [+ beta] -> [>> shift] -> [clamp] -> result
    ```
    Latency `timing.scalar_unit_latency()` cycles. `acc_shift`, `lo` and `hi` hold still while values are inside.

    Members: `value` In; `acc_shift` (0..30), `lo`, `hi` (s24) In; `valid` and `result` (s24) Out.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "value": In(SCALAR_VALUE),
                "acc_shift": In(SHIFT_BITS),
                "lo": In(signed(RESULT_BITS)),
                "hi": In(signed(RESULT_BITS)),
                "valid": Out(1),
                "result": Out(signed(RESULT_BITS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        valid = delayed(m, self.value.valid, timing.scalar_unit_latency(), "valid")
        alpha = delayed(m, self.value.alpha, 1, "alpha")[1].as_signed()
        beta = delayed(m, self.value.beta, 2, "beta")[2].as_signed()
        shift = delayed(m, self.value.shift, 3, "shift")[3]

        half = Signal(32)
        m.d.comb += half.eq((Const(1, 32) << self.acc_shift)[1:])
        rounded = Signal(signed(16))
        product = Signal(signed(PRODUCT_BITS))
        biased = Signal(signed(PRODUCT_BITS))
        shifted = Signal(signed(PRODUCT_BITS))
        m.d.sync += [
            rounded.eq((self.value.x + half) >> self.acc_shift),
            product.eq(rounded * alpha),
            biased.eq(product + beta),
            shifted.eq(biased >> shift),
            self.result.eq(
                Mux(shifted < self.lo, self.lo, Mux(shifted > self.hi, self.hi, shifted))
            ),
        ]
        m.d.comb += self.valid.eq(valid[-1])
        return m
