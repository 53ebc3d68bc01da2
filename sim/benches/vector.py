"""Benches of the vector lane and its constants against hwflow.numerics, element by element at full rate.

Both are rigid pipelines without streams: every cycle carries an element of its own.
"""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import numpy as np

from hwflow import numerics
from rtl_gen import lane
from rtl_gen.lane_constants import LaneConstants
from sim.benches.unit import UnitBench, small_config

S24 = (-(1 << 23), (1 << 23) - 1)


def draw(rng: np.random.Generator, count: int, width: int) -> dict[str, Any]:
    """Elements whose v fits s24 and whose S' fits s16; every other range is full. width: of what is stored."""
    acc_shift, r_shift, r1_shift = (int(rng.integers(0, high)) for high in (9, 9, 9))
    narrow = bool(rng.integers(0, 2))

    def signed(bits: int) -> Any:
        low, high = numerics.signed_range(bits)
        values = rng.integers(low, high, count, endpoint=True)
        return np.where(rng.random(count) < 0.1, rng.choice([low, high, 0, -1]), values)

    many = {
        "total": np.clip(signed(24), -(32767 << acc_shift), 32767 << acc_shift),
        "alpha": signed(16),
        "alpha_shift": rng.integers(0, 31, count),
        "beta": signed(24) >> rng.integers(0, 12, count),
        "bias_x": signed(24) >> rng.integers(0, 12, count),
        "r": signed(width),
        "r1": signed(width),
        "p": signed(14),
        "n": signed(14),
        "out_shift": rng.integers(0, 31, count),
        "q": signed(24) >> rng.integers(0, 16, count),
        "keep": rng.random(count) < 0.9,
    }
    many = {name: values.astype(np.int64) for name, values in many.items()}
    constants: Any = SimpleNamespace(acc_shift=acc_shift, out_bits=8 if narrow else width, **many)
    v = numerics.vector_sum(many["total"], constants, many["r"], r_shift, many["r1"], r1_shift)
    fits = (v >= S24[0]) & (v <= S24[1])
    many = {name: values[fits] for name, values in many.items()}
    constants: Any = SimpleNamespace(acc_shift=acc_shift, out_bits=8 if narrow else width, **many)
    pair = numerics.AffinePair(many["p"], many["n"], many["q"])
    many["bias"] = many["beta"] - many["bias_x"]
    layer = {
        "acc_shift": acc_shift,
        "r_shift": r_shift,
        "r1_shift": r1_shift,
        "narrow": int(narrow),
    }
    return {"layer": layer, "many": many, "want": numerics.vector_output(v[fits], constants, pair)}


def vector_lane(seed: int, width: int = 16) -> UnitBench:
    """The lane: 120 elements with constants of their own."""
    drawn = draw(np.random.default_rng(seed), 120, width)
    many, want = drawn["many"], drawn["want"]
    count = len(many["total"])
    stages = {
        "total": 0, "alpha": lane.ALPHA_STAGE, "alpha_shift": lane.ALPHA_SHIFT_STAGE,
        "bias": lane.BIAS_STAGE, "r": lane.SHORTCUT_STAGE, "r1": lane.SHORTCUT_STAGE,
        "p": lane.SLOPE_STAGE, "n": lane.SLOPE_STAGE, "out_shift": lane.OUT_SHIFT_STAGE,
        "q": lane.OFFSET_STAGE, "keep": lane.KEEP_STAGE,
    }  # fmt: skip
    unit: Any = lane.Lane(width)
    got: dict[str, list[int]] = {"t": [], "y": [], "saturated": []}

    async def bench(ctx: Any) -> None:
        for name, value in drawn["layer"].items():
            ctx.set(getattr(unit, name), value)
        for cycle in range(count + lane.Y_STAGE):
            stages_held = (n for n in range(lane.Y_STAGE) if 0 <= cycle - n < count)
            ctx.set(unit.holds, sum(1 << n for n in stages_held))
            for name, stage in stages.items():
                if 0 <= cycle - stage < count:
                    ctx.set(getattr(unit, name), int(many[name][cycle - stage]))
            if 0 <= cycle - lane.T_STAGE < count:
                got["t"].append(ctx.get(unit.t_saturated))
            if cycle >= lane.Y_STAGE:
                got["y"].append(ctx.get(unit.y))
                got["saturated"].append(ctx.get(unit.y_saturated))
            await ctx.tick()

    def check() -> None:
        keep = many["keep"].astype(bool)
        assert got["y"] == np.where(keep, want.y, 0).tolist()
        assert got["t"] == want.t_saturated.tolist()
        assert got["saturated"] == want.y_saturated.tolist()

    return UnitBench(unit, [bench], check=check)


BITS = {"alpha": 16, "alpha_shift": 5, "bias": 25, "p": 14, "n": 14, "out_shift": 5, "q": 24}
UNSIGNED = ("alpha_shift", "out_shift")
STAGES = {
    "alpha": lane.ALPHA_STAGE, "alpha_shift": lane.ALPHA_SHIFT_STAGE, "bias": lane.BIAS_STAGE,
    "p": lane.SLOPE_STAGE, "n": lane.SLOPE_STAGE, "out_shift": lane.OUT_SHIFT_STAGE,
    "q": lane.OFFSET_STAGE,
}  # fmt: skip


def lane_constants(seed: int = 1) -> UnitBench:
    """Constants written once, each field read at the stage that needs it."""
    rng = random.Random(seed)
    unit: Any = LaneConstants(small_config(channel_limit=8 * 9))
    rows = [
        {
            name: rng.getrandbits(bits) - (0 if name in UNSIGNED else 1 << (bits - 1))
            for name, bits in BITS.items()
        }
        for _ in range(9)
    ]
    groups = [rng.randrange(9) for _ in range(60)]

    async def bench(ctx: Any) -> None:
        for row in rng.sample(range(9), 9):
            ctx.set(unit.write, 1)
            ctx.set(unit.row, row)
            for name, value in rows[row].items():
                ctx.set(getattr(unit, f"new_{name}"), value)
            await ctx.tick()
            ctx.set(unit.write, 0)
            ctx.set(unit.row, 3)
            await ctx.tick()
        for cycle in range(len(groups) + lane.Y_STAGE):
            for stage in (1, 3, 5, 8):
                if 0 <= cycle - stage < len(groups):
                    ctx.set(getattr(unit, f"cg{stage}"), groups[cycle - stage])
            for name, stage in STAGES.items():
                if 0 <= cycle - stage < len(groups):
                    assert ctx.get(getattr(unit, name)) == rows[groups[cycle - stage]][name]
            await ctx.tick()

    return UnitBench(unit, [bench])
