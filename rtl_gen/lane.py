"""One vector lane: from an array's sum S to a stored element y (docs/numerics.md, vector arithmetic).

The lane is a pipeline that never stalls. Stage numbers below count cycles from the one in which `total`
is present; an input that belongs to stage n is sampled n cycles after its element's `total`. Registers of
stage n + 1 are enabled where stage n holds an element: idle lanes toggle nothing, and cost a simulator nothing.
A rounding shift is split over two stages: shift by k of twice the value, then halve with its last bit
as carry, because rsr(x, k) = (((2*x) >> k) + 1) >> 1.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.numerics import T_BITS
from rtl_gen.interfaces import ACC_BITS
from rtl_gen.probe import observe

BIAS_BITS = 25
"""Width of beta - bias_x, and of v - bias_x: both are differences of s24 values."""
BYTE_BITS = 8

ALPHA_STAGE = 2
ALPHA_SHIFT_STAGE = 3
BIAS_STAGE = 4
SHORTCUT_STAGE = 4
SLOPE_STAGE = 6
T_STAGE = 7
OUT_SHIFT_STAGE = 8
OFFSET_STAGE = 9
KEEP_STAGE = 10
Y_STAGE = 11
"""Stages at which the constants, the shortcuts and `keep` are sampled, and t and y are there."""


class Lane(wiring.Component):
    """The arithmetic of one lane, `Y_STAGE` cycles from `total` to `y`.

    bits: width of a stored element.

    Ports, with the stage at which each is sampled or valid:
        holds: bit n: stage n holds an element; outputs of others are undefined.
        total: S (0). acc_shift, r_shift, r1_shift, narrow: constants of the layer (any stage).
        alpha (2), alpha_shift (3), bias (4): the channel's alpha, its shift, beta - bias_x.
        r, r1: shortcut elements, 0 when there is none (4).
        p, n (6), out_shift (8), q (9): the channel's affine pair of this image.
        keep: 0 forces y to 0, for columns beyond the last channel (10).
        narrow: saturate y to 8 bits instead of `bits`.
        t_saturated: v - bias_x did not fit 18 bits (7).
        y: the stored element (11); y_saturated: it was clamped (11).
    """

    def __init__(self, bits: int) -> None:
        self.bits = bits
        super().__init__(
            {
                "holds": In(Y_STAGE),
                "total": In(signed(ACC_BITS)),
                "acc_shift": In(5),
                "alpha": In(signed(16)),
                "alpha_shift": In(5),
                "bias": In(signed(BIAS_BITS)),
                "r": In(signed(bits)),
                "r_shift": In(5),
                "r1": In(signed(bits)),
                "r1_shift": In(5),
                "p": In(signed(14)),
                "n": In(signed(14)),
                "out_shift": In(5),
                "q": In(signed(24)),
                "keep": In(1),
                "narrow": In(1),
                "t_saturated": Out(1),
                "y": Out(signed(bits)),
                "y_saturated": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Stages 1 to 11; the comment before a group of registers names the stage they are valid in."""
        m = Module()
        # 1, 2: S' = rsr(S, acc_shift)
        total2 = Signal(signed(ACC_BITS + 1), reset_less=True)
        scaled = Signal(signed(16), reset_less=True)
        with m.If(self.holds[0]):
            m.d.sync += total2.eq((self.total << 1) >> self.acc_shift)
        with m.If(self.holds[1]):
            m.d.sync += scaled.eq((total2 + 1) >> 1)
        # 3, 4: alpha * S', shifted. Only the bits that reach the 25-bit sum are kept.
        product = Signal(signed(32), reset_less=True)
        product2 = Signal(signed(BIAS_BITS + 1), reset_less=True)
        with m.If(self.holds[2]):
            m.d.sync += product.eq(self.alpha * scaled)
        with m.If(self.holds[3]):
            m.d.sync += product2.eq((product << 1) >> self.alpha_shift)
        # 5, 6: v - bias_x, exact modulo 2**25, which holds it
        own = Signal(signed(BIAS_BITS), reset_less=True)
        shortcuts = Signal(signed(BIAS_BITS), reset_less=True)
        wide_t = Signal(signed(BIAS_BITS), reset_less=True)
        with m.If(self.holds[4]):
            m.d.sync += [
                own.eq((product2 >> 1) + product2[0] + self.bias),
                shortcuts.eq((self.r << self.r_shift) + (self.r1 << self.r1_shift)),
            ]
        with m.If(self.holds[5]):
            m.d.sync += wide_t.eq(own + shortcuts)
        # 7: t and the slope of its side
        t = Signal(signed(T_BITS), reset_less=True)
        slope = Signal(signed(14), reset_less=True)
        with m.If(self.holds[6]):
            m.d.sync += [
                t.eq(saturated(wide_t, T_BITS)),
                self.t_saturated.eq(exceeds(wide_t, T_BITS)),
                slope.eq(Mux(wide_t[-1], self.n, self.p)),
            ]
        # 8, 9: slope * t, shifted
        sloped = Signal(signed(32), reset_less=True)
        sloped2 = Signal(signed(33), reset_less=True)
        with m.If(self.holds[7]):
            m.d.sync += sloped.eq(slope * t)
        with m.If(self.holds[8]):
            m.d.sync += sloped2.eq((sloped << 1) >> self.out_shift)
        # 10, 11: + q, saturate
        wide_y = Signal(signed(32), reset_less=True)
        # One test serves both widths: the bits that only the wider one holds count where `narrow`.
        beyond = Signal()
        sign, above = wide_y[-1], wide_y[BYTE_BITS - 1 : -1]
        between = self.narrow.replicate(self.bits - BYTE_BITS)
        counts = Cat(between, ~Const(0, len(above) - len(between)))
        m.d.comb += beyond.eq(((above ^ sign.replicate(len(above))) & counts).any())
        limit = Cat(
            (~sign).replicate(BYTE_BITS - 1), ~(sign.replicate(len(between)) ^ between), sign
        )
        with m.If(self.holds[9]):
            m.d.sync += wide_y.eq((sloped2 >> 1) + sloped2[0] + self.q)
        with m.If(self.holds[10]):
            m.d.sync += [
                self.y.eq(Mux(self.keep, Mux(beyond, limit, wide_y[: self.bits]), 0)),
                self.y_saturated.eq(beyond),
            ]
        observe(m, self)
        return m


def exceeds(value: Value, bits: int) -> Value:
    """1 when the signed `value` does not fit `bits` bits: the bits from the sign on differ."""
    high = value[bits - 1 : -1]
    return (high ^ value[-1].replicate(len(high))).any()


def saturated(value: Value, bits: int) -> Value:
    """The signed `value` clamped to `bits` bits."""
    sign = value[-1]
    limit = Cat((~sign).replicate(bits - 1), sign)
    return Mux(exceeds(value, bits), limit, value[:bits]).as_signed()
