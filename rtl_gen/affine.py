"""The per-image affine pair of a channel: p, n, q from the squeeze-excite scale s (docs/numerics.md)."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwflow import timing
from hwflow.numerics import SLOPE_SHIFT
from rtl_gen.delay import delayed
from rtl_gen.scalar_unit import SHIFT_BITS

SCALE_BITS = 16
PRODUCT_BITS = 32

AFFINE_INPUT = data.StructLayout(
    {
        "valid": 1,
        "s": SCALE_BITS,
        "pos": signed(16),
        "neg": signed(16),
        "bias_y": signed(16),
        "bias_y_shift": SHIFT_BITS,
        "offset": signed(24),
    }
)
"""The scale s (u16, 1.0 = 2**15) and the record's constants of one channel."""


class AffineUnit(wiring.Component):
    """`p = rsr(pos*s, 17)`, `n = rsr(neg*s, 17)`, `q = offset - rsr(bias_y*s, bias_y_shift)`, one channel a cycle.

    ```
    channel -> [three products] -> [three rsr] -> [offset - .] -> p, n, q
    ```
    Latency `timing.affine_unit_latency()` cycles. The rsr of q shifts only: what its half adds, 1 or 0, is the carry of the
    subtraction.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "channel": In(AFFINE_INPUT),
                "valid": Out(1),
                "p": Out(signed(14)),
                "n": Out(signed(14)),
                "q": Out(signed(24)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        channel = self.channel
        valid = delayed(m, channel.valid, timing.affine_unit_latency(), "valid")
        shift = delayed(m, channel.bias_y_shift, 1, "shift")[1]
        offset = delayed(m, channel.offset, 2, "offset")[2].as_signed()

        products = {
            name: Signal(signed(PRODUCT_BITS), name=f"product_{name}")
            for name in ("pos", "neg", "bias_y")
        }
        for name, product in products.items():
            m.d.sync += product.eq(channel[name] * channel.s)

        slopes = {"p": Signal(signed(14), name="slope_p"), "n": Signal(signed(14), name="slope_n")}
        for slope, product in zip(slopes.values(), (products["pos"], products["neg"]), strict=True):
            m.d.sync += slope.eq((product + (1 << (SLOPE_SHIFT - 1))) >> SLOPE_SHIFT)
        # The last bit shifted out says whether to round up (rtl_gen/scalar_unit.py); offset - x = offset + ~x + 1.
        kept = Signal(signed(PRODUCT_BITS + 1))
        floor, up = Signal(signed(PRODUCT_BITS)), Signal()
        difference = Cat(Const(1, 1), offset).as_signed() + Cat(~up, ~floor).as_signed()
        m.d.comb += kept.eq(Cat(Const(0, 1), products["bias_y"]).as_signed() >> shift)
        m.d.sync += [
            up.eq(kept[0]),
            floor.eq(kept[1:]),
            self.p.eq(slopes["p"]),
            self.n.eq(slopes["n"]),
            self.q.eq(difference[1:]),
        ]
        m.d.comb += self.valid.eq(valid[-1])
        return m
