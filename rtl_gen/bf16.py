"""A bfloat16 multiply-add with a float32 accumulator: what a processing element costs without quantisation.

Not part of the accelerator; characterised beside its units (docs/energy.md). Formats: IEEE 754 binary32 and its upper half.
Policy, as most bfloat16 hardware has it: the product is exact, a step rounds once (to nearest, ties to even);
subnormal operands count as zero of their sign, a sum that rounds to less than 2**-126 becomes zero of its sign; overflow
gives infinity; every NaN becomes the quiet NaN 0x7FC00000; x - x is +0.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.probe import observe

BIAS = 127
SIGNIFICAND = 24
QUIET_NAN = 0x7FC00000
LEAST = -256
"""An exponent below that of every product: zeros have it, so they are the smaller operand."""

TERM = data.StructLayout(
    {
        "sign": 1,
        "exponent": signed(11),  # float32's, with its bias
        "significand": 16,  # bit 15 is 1 unless the product is zero
        "nan": 1,
        "infinite": 1,
    }
)
"""A product: (-1)**sign * significand / 2**15 * 2**(exponent - 127)."""


class Bf16MacPE(wiring.Component):
    """Adds a product of two bfloat16 numbers a step; the ports of MacPE.

    Members:
        operands, weights: In, bfloat16, of this cycle's step.
        step, add: In: a step is there; it counts (else it adds +0).
        step_next, last_next: In: step, last of the step one cycle earlier.
        result: Out, float32: the sum of the last finished tile from +0 on, in the order of its steps; kept until the next.
    """

    operands: Signal
    weights: Signal
    step: Signal
    add: Signal
    step_next: Signal
    last_next: Signal
    result: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "operands": In(16),
                "weights": In(16),
                "step": In(1),
                "add": In(1),
                "step_next": In(1),
                "last_next": In(1),
                "result": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Two stages: multiply, accumulate."""
        m = Module()
        product = Signal(TERM)
        term = Signal(TERM, reset_less=True)
        total = Signal(32)
        following = Signal(32)
        result = Signal(32, reset_less=True)
        _multiply(m, self.operands, self.weights, product)
        m.d.comb += following.eq(_added(m, total, term))
        with m.If(self.step):
            m.d.sync += term.eq(product)
            with m.If(~self.add):
                m.d.sync += term.eq(Cat(Const(0, 1), Const(LEAST, signed(11)), Const(0, 18)))
        with m.If(self.step_next):
            m.d.sync += total.eq(Mux(self.last_next, 0, following))
            with m.If(self.last_next):
                m.d.sync += result.eq(following)
        m.d.comb += self.result.eq(result)
        observe(m, self)
        return m


def _multiply(m: Module, a: Value, b: Value, product: data.View[data.StructLayout]) -> None:
    """The exact product, normalised."""
    exponents, zero, nan, infinite = [], [], [], []
    for value in (a, b):
        exponent, fraction = value[7:15], value[:7]
        exponents.append(exponent)
        zero.append(exponent == 0)
        nan.append(exponent.all() & fraction.any())
        infinite.append(exponent.all() & ~fraction.any())
    wide = Signal(16, name="wide_product")
    either_zero = zero[0] | zero[1]
    m.d.comb += [
        wide.eq(Cat(a[:7], Const(1, 1)) * Cat(b[:7], Const(1, 1))),
        product.sign.eq(a[15] ^ b[15]),
        product.exponent.eq(Mux(either_zero, LEAST, exponents[0] + exponents[1] + wide[15] - BIAS)),
        product.significand.eq(Mux(either_zero, 0, Mux(wide[15], wide, wide << 1))),
        product.nan.eq(nan[0] | nan[1] | (infinite[0] & zero[1]) | (infinite[1] & zero[0])),
        product.infinite.eq(infinite[0] | infinite[1]),
    ]


def _added(m: Module, total: Value, term: data.View[data.StructLayout]) -> Value:
    """`total` (float32, no subnormals) plus `term`, rounded once."""
    total_zero = total[23:31] == 0
    total_special = total[23:31].all()
    total_nan = total_special & total[:23].any()
    mine = Signal(signed(11), name="total_exponent")
    mine_bits = Cat(total[:23], Const(1, 1))
    theirs_bits = Cat(Const(0, SIGNIFICAND - 16), term.significand)
    swap = Signal(name="term_is_larger")
    large, small = Signal(SIGNIFICAND, name="large"), Signal(SIGNIFICAND, name="small")
    exponent = Signal(signed(11), name="large_exponent")
    distance = Signal(unsigned(11), name="distance")
    m.d.comb += [
        mine.eq(Mux(total_zero, LEAST, total[23:31])),
        swap.eq(term.exponent > mine),
        large.eq(Mux(swap, theirs_bits, Mux(total_zero, 0, mine_bits))),
        small.eq(Mux(swap, Mux(total_zero, 0, mine_bits), theirs_bits)),
        exponent.eq(Mux(swap, term.exponent, mine)),
        distance.eq(Mux(swap, term.exponent - mine, mine - term.exponent)),
    ]
    # Three bits behind the significand, the last of which stands for all that is shifted out.
    width = SIGNIFICAND + 3
    shift = Signal(range(width + 1), name="shift")
    m.d.comb += shift.eq(Mux(distance > width, width, distance))
    wide_small = Signal(2 * width, name="wide_small")
    m.d.comb += wide_small.eq(Cat(Const(0, width + 3), small) >> shift)
    aligned = Cat(wide_small[width] | wide_small[:width].any(), wide_small[width + 1 :])
    subtract = total[31] ^ term.sign
    raw = Signal(signed(width + 2), name="raw_sum")
    m.d.comb += raw.eq(
        Mux(subtract, Cat(Const(0, 3), large) - aligned, Cat(Const(0, 3), large) + aligned)
    )
    magnitude = Signal(width + 1, name="magnitude")
    m.d.comb += magnitude.eq(Mux(raw < 0, -raw, raw))
    large_sign = Mux(swap, term.sign, total[31])
    sign = Mux(magnitude == 0, total[31] & term.sign, large_sign ^ (raw < 0))
    # Normalise by halves of the distance, then round.
    level: Value = magnitude
    zeros: list[Value] = []
    for bit in reversed(range(5)):
        step = 1 << bit
        empty = Signal(name=f"empty_{step}")
        moved = Signal(width + 1, name=f"moved_{step}")
        m.d.comb += [
            empty.eq(~level[width + 1 - step :].any()),
            moved.eq(Mux(empty, level << step, level)),
        ]
        zeros.insert(0, empty)
        level = moved
    kept = level[width + 1 - SIGNIFICAND :]
    rest = level[: width + 1 - SIGNIFICAND]
    rounded = Signal(SIGNIFICAND + 1, name="rounded")
    final = Signal(signed(12), name="final_exponent")
    m.d.comb += [
        rounded.eq(kept + (rest[-1] & (rest[:-1].any() | kept[0]))),
        final.eq(exponent + 1 - Cat(*zeros) + rounded[SIGNIFICAND]),
    ]
    nan = total_nan | term.nan | (total_special & term.infinite & subtract)
    infinite = total_special | term.infinite
    infinite_sign = Mux(total_special, total[31], term.sign)
    fraction = Mux(rounded[SIGNIFICAND], 0, rounded[:23])
    found = Signal(32, name="sum")
    with m.If(nan):
        m.d.comb += found.eq(QUIET_NAN)
    with m.Elif(infinite):
        m.d.comb += found.eq(Cat(Const(0, 23), Const(255, 8), infinite_sign))
    with m.Elif((magnitude == 0) | (final <= 0)):
        m.d.comb += found.eq(Cat(Const(0, 31), sign))
    with m.Elif(final >= 255):
        m.d.comb += found.eq(Cat(Const(0, 23), Const(255, 8), sign))
    with m.Else():
        m.d.comb += found.eq(Cat(fraction, final[:8], sign))
    return found
