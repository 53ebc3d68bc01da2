"""A column's constants: written once, read at the stage that needs them."""

import random
from typing import Any

from rtl_gen import lane
from rtl_gen.lane_constants import LaneConstants
from tests.rtl_gen.control_bench import simulate, small_config

CONFIG = small_config(channel_limit=8 * 9)
BITS = {"alpha": 16, "alpha_shift": 5, "bias": 25, "p": 14, "n": 14, "out_shift": 5, "q": 24}
UNSIGNED = ("alpha_shift", "out_shift")
STAGES = {
    "alpha": lane.ALPHA_STAGE, "alpha_shift": lane.ALPHA_SHIFT_STAGE, "bias": lane.BIAS_STAGE,
    "p": lane.SLOPE_STAGE, "n": lane.SLOPE_STAGE, "out_shift": lane.OUT_SHIFT_STAGE,
    "q": lane.OFFSET_STAGE,
}  # fmt: skip


def test_fields_arrive_at_their_stage() -> None:
    rng = random.Random(1)
    unit = LaneConstants(CONFIG)
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

    simulate(unit, bench)
