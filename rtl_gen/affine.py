"""The per-image affine pair of a channel: p, n, q from the squeeze-excite scale s (docs/numerics.md)."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Signal, signed
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
    Latency `timing.affine_unit_latency()` cycles.
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
        half = Signal(32)
        bias = Signal(signed(PRODUCT_BITS))
        m.d.comb += half.eq((Const(1, 32) << shift)[1:])
        m.d.sync += bias.eq((products["bias_y"] + half) >> shift)

        m.d.sync += [self.p.eq(slopes["p"]), self.n.eq(slopes["n"]), self.q.eq(offset - bias)]
        m.d.comb += self.valid.eq(valid[-1])
        return m
