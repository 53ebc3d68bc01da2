"""The bfloat16 multiply-add against numpy's float32 and an exact sum, in Amaranth's simulator and Verilog's terms."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from amaranth.sim import Simulator

from rtl_gen.bf16 import QUIET_NAN, Bf16MacPE

SIGN = 1 << 31


def number(word: int) -> float:
    return float(np.uint16(word).view(ml_dtypes.bfloat16))


def flushed(word: int) -> int:
    """A bfloat16 whose subnormals are zeros."""
    return word & 0x8000 if word & 0x7F80 == 0 else word


def rounded(value: Fraction, zero_sign: int) -> int:
    """A float32 word of `value`, to nearest even; below 2**-126 after rounding: zero."""
    sign = SIGN if value < 0 else 0
    size = abs(value)
    if not size:
        return zero_sign
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    if Fraction(2) ** exponent > size:
        exponent -= 1
    significand = round(size / Fraction(2) ** (exponent - 23))  # Python rounds ties to even
    if significand == 1 << 24:
        significand, exponent = 1 << 23, exponent + 1
    if exponent < -126:
        return sign
    if exponent > 127:
        return sign | 0x7F800000
    return sign | (exponent + 127) << 23 | (significand - (1 << 23))


def step(total: int, a: int, b: int) -> int:
    """What the policy says, by exact arithmetic."""
    a, b = flushed(a), flushed(b)
    x, y = number(a), number(b)
    acc = float(np.uint32(total).view(np.float32))
    special = np.float64(x) * np.float64(y) + np.float64(acc)
    if np.isnan(special):
        return QUIET_NAN
    if np.isinf(x) or np.isinf(y) or np.isinf(acc):
        return (SIGN if special < 0 else 0) | 0x7F800000
    both_negative = SIGN if total >> 31 & (a ^ b) >> 15 else 0
    return rounded(Fraction(acc) + Fraction(x) * Fraction(y), both_negative)


def sums(tiles: list[list[tuple[int, int, int]]]) -> list[int]:
    """The unit's result of every tile of steps (operand, weight, add)."""
    dut: Any = Bf16MacPE()
    steps = [(*one, at == len(tile) - 1) for tile in tiles for at, one in enumerate(tile)]
    seen: list[int] = []

    async def bench(ctx: Any) -> None:
        before = 0
        for a, b, add, last in [*steps, (0, 0, 0, 0), (0, 0, 0, 0)]:
            ctx.set(dut.operands, a)
            ctx.set(dut.weights, b)
            ctx.set(dut.add, add)
            ctx.set(dut.step, 1)
            ctx.set(dut.step_next, 1)
            ctx.set(dut.last_next, before)
            await ctx.tick()
            if before:
                seen.append(ctx.get(dut.result))
            before = last

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return seen


def expected(tile: list[tuple[int, int, int]]) -> int:
    total = 0
    for a, b, add in tile:
        total = step(total, a, b) if add else step(total, 0, 0)
    return total


EDGES = [
    0x0000, 0x8000, 0x0001, 0x807F, 0x0080, 0x8080, 0x00FF, 0x3F80, 0xBF80, 0x3F81, 0x7F7F, 0xFF7F,
    0x7F80, 0xFF80, 0x7FC0, 0xFF81, 0x2000, 0x1FFF, 0x5F80, 0x20FF,
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:(invalid value|overflow):RuntimeWarning")
def test_every_pair_of_edges_added_to_every_kind_of_sum() -> None:
    begins = [
        (0x3F80, 0x3F80),
        (0xBF80, 0x3F80),
        (0x7F80, 0x3F80),
        (0x2000, 0x2000),
        (0x7F7F, 0x3F80),
    ]
    tiles = [[(*begin, 1), (a, b, 1)] for begin in begins for a in EDGES for b in EDGES]
    assert sums(tiles) == [expected(tile) for tile in tiles]


def test_random_sums_equal_numpys_float32() -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal((400, 2, 5)) * np.exp2(rng.integers(-9, 9, (400, 2, 5)))
    narrow = values.astype(ml_dtypes.bfloat16)
    words = narrow.view(np.uint16)
    tiles = [[(int(a), int(b), 1) for a, b in zip(*each, strict=True)] for each in words]
    wanted: list[int] = []
    for each in narrow.astype(np.float32):
        total = np.float32(0)
        for a, b in zip(*each, strict=True):
            total = np.float32(total + np.float32(a * b))  # the product is exact in float32
        wanted.append(int(total.view(np.uint32)))
    assert sums(tiles) == wanted
    assert [expected(tile) for tile in tiles[:50]] == wanted[:50]


def test_cancellation_ties_and_steps_that_do_not_count() -> None:
    rng = np.random.default_rng(2)
    tiles: list[list[tuple[int, int, int]]] = []
    for _ in range(500):
        a, b = (int(v) for v in rng.integers(0x3E00, 0x4200, 2))
        near = int(rng.integers(0x3300, 0x4300))
        tiles.append(
            [
                (a, b, 1),
                (near, 0x3F80, int(rng.integers(2))),
                (a ^ 0x8000, b + int(rng.integers(-1, 2)), 1),
            ]
        )
    assert sums(tiles) == [expected(tile) for tile in tiles]
