"""The scalar arithmetic of means, squeeze-excite and dense outputs (docs/numerics.md), one value a cycle."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwflow import timing
from rtl_gen.delay import delayed

SHIFT_BITS = 5
"""Shifts are 0..30."""

X_BITS = 32
FLOOR_BITS = 17
"""rsr(x, acc_shift) fits s16; without its half it may be one less."""
PRODUCT_BITS = 32
RESULT_BITS = 24

SCALAR_VALUE = data.StructLayout(
    {
        "valid": 1,
        "x": signed(X_BITS),
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
    rsr shifts only: what its half adds, 1 or 0 to x, is added to beta as alpha or 0, beside the product.

    Members: `value` In; `acc_shift` (0..30), `lo`, `hi` (s24) In; `valid` and `result` (s24) Out; `coming` Out: `valid` in
    the next cycle.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "value": In(SCALAR_VALUE),
                "acc_shift": In(SHIFT_BITS),
                "lo": In(signed(RESULT_BITS)),
                "hi": In(signed(RESULT_BITS)),
                "valid": Out(1),
                "coming": Out(1),
                "result": Out(signed(RESULT_BITS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        valid = delayed(m, self.value.valid, timing.scalar_unit_latency(), "valid")
        alpha = delayed(m, self.value.alpha, 1, "alpha")[1].as_signed()
        beta = delayed(m, self.value.beta, 1, "beta")[1].as_signed()
        shift = delayed(m, self.value.shift, 3, "shift")[3]

        # The last bit shifted out says whether to round up: floor((x + 2**(k-1)) / 2**k) = floor(x / 2**k) + bit k-1.
        kept = Signal(signed(X_BITS + 1))
        up = Signal()
        floor = Signal(signed(FLOOR_BITS))
        product = Signal(signed(PRODUCT_BITS))
        summand = Signal(signed(PRODUCT_BITS))
        biased = Signal(signed(PRODUCT_BITS))
        shifted = Signal(signed(PRODUCT_BITS))
        m.d.comb += kept.eq(Cat(Const(0, 1), self.value.x).as_signed() >> self.acc_shift)
        m.d.sync += [
            up.eq(kept[0]),
            floor.eq(kept[1:]),
            product.eq(floor * alpha),
            summand.eq(beta + Mux(up, alpha, 0)),
            biased.eq(product + summand),
            shifted.eq(biased >> shift),
            self.result.eq(
                Mux(shifted < self.lo, self.lo, Mux(shifted > self.hi, self.hi, shifted))
            ),
        ]
        m.d.comb += [self.valid.eq(valid[-1]), self.coming.eq(valid[-2])]
        return m
