"""Benches of the scalar engine's parts against hwflow.numerics, with random gaps."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import numpy as np

from hwflow import numerics, timing
from rtl_gen.affine import AffineUnit
from rtl_gen.logit_signature import LogitSignature
from rtl_gen.scalar_unit import ScalarUnit
from rtl_gen.vector_memory import VectorMemory
from sim.benches.unit import UnitBench, small_config


def scalar_case(rng: random.Random, acc_shift: int) -> dict[str, int]:
    """Constants within the ranges of docs/numerics.md: |alpha*x'| + |beta| < 2**31."""
    alpha = rng.choice([rng.randint(-32768, 32767), -32768, 32767, 0, 1])
    x = rng.choice([rng.randint(-32767, 32767), 0, -1, 32767, -32768])
    room = 2**31 - 1 - abs(alpha * x)
    low = (x << acc_shift) - ((1 << acc_shift) >> 1)
    return {
        "x": max(-(2**31), min(2**31 - 1, low + rng.randrange(1 << acc_shift))),
        "alpha": alpha,
        "beta": rng.randint(-room, room),
        "shift": rng.randint(0, 30),
    }


def scalar_unit(seed: int, acc_shift: int, limits: tuple[int, int]) -> UnitBench:
    """Forty values, results in order, each at the published latency."""
    rng = random.Random(seed)
    lo, hi = limits
    cases = [scalar_case(rng, acc_shift) for _ in range(40)]
    expected = []
    for case in cases:
        rounded = (case["x"] + ((1 << acc_shift) >> 1)) >> acc_shift
        expected.append(min(max((case["alpha"] * rounded + case["beta"]) >> case["shift"], lo), hi))
        constants: Any = SimpleNamespace(
            acc_shift=acc_shift,
            lo=lo,
            hi=hi,
            **{k: np.int64(case[k]) for k in ("alpha", "beta", "shift")},
        )
        assert numerics.scalar(np.int64(case["x"]), constants) == expected[-1]

    dut: Any = ScalarUnit()
    seen: list[tuple[int, int]] = []
    sent: list[int] = []

    async def bench(ctx: Any) -> None:
        ctx.set(dut.acc_shift, acc_shift)
        ctx.set(dut.lo, lo)
        ctx.set(dut.hi, hi)
        now = 0
        waiting = list(cases)
        while len(seen) < len(cases):
            go = bool(waiting) and rng.random() < 0.7
            if go:
                sent.append(now)
            ctx.set(dut.value, {"valid": go, **(waiting.pop(0) if go else {})})
            if ctx.get(dut.valid):
                seen.append((now, ctx.get(dut.result)))
            await ctx.tick()
            now += 1

    def check() -> None:
        assert [value for _, value in seen] == expected
        assert [now for now, _ in seen] == [now + timing.scalar_unit_latency() for now in sent]

    return UnitBench(dut, [bench], check=check)


def affine_unit(seed: int) -> UnitBench:
    """Forty channels' affine pairs, each at the published latency."""
    rng = random.Random(seed)
    limit = numerics.SLOPE_LIMIT
    cases = []
    for _ in range(40):
        s = rng.choice([0, 1, 32767, 32768, rng.randint(0, 32768)])
        shift = rng.randint(0, 30)
        # q must fit s24 (proved by the exporter), so a small shift goes with a small bias.
        bias = rng.randint(-32768, 32767) if shift > 9 else rng.randint(-120, 120)
        slopes = {
            name: rng.choice([limit, -limit, 0, rng.randint(-limit, limit)])
            for name in ("pos", "neg")
        }
        offset = rng.randint(-(2**22), 2**22)
        cases.append({"s": s, **slopes, "bias_y": bias, "bias_y_shift": shift, "offset": offset})
    arrays = {name: np.array([case[name] for case in cases], np.int64) for name in cases[0]}
    constants: Any = SimpleNamespace(**arrays)
    pair = numerics.affine_pair(constants, arrays["s"])
    expected = list(zip(*(np.asarray(value).tolist() for value in pair), strict=True))

    dut: Any = AffineUnit()
    seen: list[tuple[int, int, int]] = []
    sent: list[int] = []
    times: list[int] = []

    async def bench(ctx: Any) -> None:
        now = 0
        waiting = list(cases)
        while len(seen) < len(cases):
            go = bool(waiting) and rng.random() < 0.7
            if go:
                sent.append(now)
            ctx.set(dut.channel, {"valid": go, **(waiting.pop(0) if go else {})})
            if ctx.get(dut.valid):
                times.append(now)
                seen.append((ctx.get(dut.p), ctx.get(dut.n), ctx.get(dut.q)))
            await ctx.tick()
            now += 1

    def check() -> None:
        assert seen == expected
        assert times == [now + timing.affine_unit_latency() for now in sent]

    return UnitBench(dut, [bench], check=check)


def logit_signature() -> UnitBench:
    """Signatures of frames of 1, 10 and 17 logits."""
    rng = random.Random(5)
    dut: Any = LogitSignature()
    frames = [np.array([rng.randint(-(2**23), 2**23 - 1) for _ in range(n)]) for n in (1, 10, 17)]
    seen: list[int] = []

    async def bench(ctx: Any) -> None:
        for logits in frames:
            ctx.set(dut.restart, 1)
            await ctx.tick()
            ctx.set(dut.restart, 0)
            for index, logit in enumerate(logits):
                while rng.random() < 0.3:
                    await ctx.tick()
                ctx.set(dut.valid, 1)
                ctx.set(dut.index, index)
                ctx.set(dut.logit, int(logit))
                await ctx.tick()
                ctx.set(dut.valid, 0)
            await ctx.tick()
            seen.append(ctx.get(dut.total))

    def check() -> None:
        assert seen == [numerics.logits_signature(logits) for logits in frames]

    return UnitBench(dut, [bench], check=check)


def vector_memory(seed: int = 2) -> UnitBench:
    """Words of a width that is no power of two, written twice."""
    config = small_config(rows=6, cols=16, mac_depth=2, pixel_lanes=2)
    width = config.fc_inputs
    dut: Any = VectorMemory(config)
    rng = random.Random(seed)

    async def bench(ctx: Any) -> None:
        for count in (config.channel_limit, 5):
            values = [rng.randint(-128, 127) for _ in range(count)]
            ctx.set(dut.restart, 1)
            await ctx.tick()
            ctx.set(dut.restart, 0)
            for value in values:
                while rng.random() < 0.3:
                    await ctx.tick()
                ctx.set(dut.write_valid, 1)
                ctx.set(dut.write_data, value)
                await ctx.tick()
                ctx.set(dut.write_valid, 0)
            for word in range(-(-count // width)):
                ctx.set(dut.read_word, word)
                await ctx.tick()
                part = values[word * width :][:width]
                assert [ctx.get(dut.read_data[n]) for n in range(len(part))] == part

    return UnitBench(dut, [bench])
