"""The vector lane against hwflow.numerics, element by element at full rate."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwflow import numerics, timing
from rtl_gen import lane
from tests.rtl_gen.control_bench import simulate

S24 = (-(1 << 23), (1 << 23) - 1)


def draw(rng: np.random.Generator, count: int) -> dict[str, Any]:
    """Elements whose v fits s24 and whose S' fits s16; every other range is full."""
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
        "r": signed(16),
        "r1": signed(16),
        "p": signed(14),
        "n": signed(14),
        "out_shift": rng.integers(0, 31, count),
        "q": signed(24) >> rng.integers(0, 16, count),
        "keep": rng.random(count) < 0.9,
    }
    many = {name: values.astype(np.int64) for name, values in many.items()}
    constants = SimpleNamespace(acc_shift=acc_shift, out_bits=8 if narrow else 16, **many)
    v = numerics.vector_sum(many["total"], constants, many["r"], r_shift, many["r1"], r1_shift)
    fits = (v >= S24[0]) & (v <= S24[1])
    many = {name: values[fits] for name, values in many.items()}
    constants = SimpleNamespace(acc_shift=acc_shift, out_bits=8 if narrow else 16, **many)
    pair = numerics.AffinePair(many["p"], many["n"], many["q"])
    many["bias"] = many["beta"] - many["bias_x"]
    layer = {
        "acc_shift": acc_shift,
        "r_shift": r_shift,
        "r1_shift": r1_shift,
        "narrow": int(narrow),
    }
    return {"layer": layer, "many": many, "want": numerics.vector_output(v[fits], constants, pair)}


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_lane_equals_numerics(seed: int) -> None:
    drawn = draw(np.random.default_rng(seed), 120)
    many, want = drawn["many"], drawn["want"]
    count = len(many["total"])
    stages = {
        "total": 0, "alpha": lane.ALPHA_STAGE, "alpha_shift": lane.ALPHA_SHIFT_STAGE,
        "bias": lane.BIAS_STAGE, "r": lane.SHORTCUT_STAGE, "r1": lane.SHORTCUT_STAGE,
        "p": lane.SLOPE_STAGE, "n": lane.SLOPE_STAGE, "out_shift": lane.OUT_SHIFT_STAGE,
        "q": lane.OFFSET_STAGE, "keep": lane.KEEP_STAGE,
    }  # fmt: skip
    unit = lane.Lane()
    got: dict[str, list[int]] = {"t": [], "y": [], "saturated": []}

    async def bench(ctx: Any) -> None:
        for name, value in drawn["layer"].items():
            ctx.set(getattr(unit, name), value)
        for cycle in range(count + lane.Y_STAGE):
            for name, stage in stages.items():
                if 0 <= cycle - stage < count:
                    ctx.set(getattr(unit, name), int(many[name][cycle - stage]))
            if 0 <= cycle - lane.T_STAGE < count:
                got["t"].append(ctx.get(unit.t_saturated))
            if cycle >= lane.Y_STAGE:
                got["y"].append(ctx.get(unit.y))
                got["saturated"].append(ctx.get(unit.y_saturated))
            await ctx.tick()

    simulate(unit, bench)
    keep = many["keep"].astype(bool)
    assert got["y"] == np.where(keep, want.y, 0).tolist()
    assert got["t"] == want.t_saturated.tolist()
    assert got["saturated"] == want.y_saturated.tolist()


def test_latency_is_published() -> None:
    assert timing.vector_latency() == lane.Y_STAGE


@pytest.mark.parametrize("bits", [8, 16, 18])
def test_drawn_elements_reach_saturation(bits: int) -> None:
    """The random elements above do exercise both sides of every clamp."""
    t, y8, y16 = set[bool](), set[bool](), set[bool]()
    for seed in range(12):
        drawn = draw(np.random.default_rng(seed), 120)
        t |= set(drawn["want"].t_saturated.tolist())
        (y8 if drawn["layer"]["narrow"] else y16).update(drawn["want"].y_saturated.tolist())
    assert {18: t, 8: y8, 16: y16}[bits] == {False, True}
