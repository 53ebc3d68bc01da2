"""Residual memories: lanes rotated over banks, rows of wrapped lanes, partial words."""

from typing import Any

import numpy as np
import pytest

from rtl_gen.residual_memory import ResidualMemory
from tests.rtl_gen.control_bench import simulate, small_config


@pytest.mark.parametrize("lanes", [1, 2, 4])
@pytest.mark.parametrize("partial", [False, True])
def test_random_accesses(lanes: int, partial: bool) -> None:
    cols, depth, base, groups, slots = 8, 64, 5, 3, 13 * lanes
    config = small_config(pixel_lanes=lanes)
    unit = ResidualMemory(config, depth, partial=partial)
    rng = np.random.default_rng(lanes)
    model = np.zeros((lanes, depth, cols), np.int64)

    def place(slot: int, cg: int) -> tuple[int, int]:
        return slot % lanes, base + slot // lanes * groups + cg

    def word(values: Any) -> int:
        return sum(int(v) << (16 * i) for i, v in enumerate(np.reshape(values, -1)))

    async def bench(ctx: Any) -> None:
        want = None
        for _ in range(150):
            slot, cg = int(rng.integers(0, slots - lanes)), int(rng.integers(0, groups))
            mask = rng.integers(0, 2, lanes)
            enabled = rng.integers(0, 2, cols) if partial else np.ones(cols, int)
            values = rng.integers(0, 1 << 16, (lanes, cols))
            ctx.set(unit.write_mask, sum(int(b) << i for i, b in enumerate(mask)))
            ctx.set(unit.write_row, place(slot - slot % lanes, cg)[1])
            ctx.set(unit.write_step, groups)
            ctx.set(unit.write_data, word(values))
            source, source_cg = int(rng.integers(0, slots - lanes)), int(rng.integers(0, groups))
            ctx.set(unit.read_enable, 1)
            ctx.set(unit.read_row, place(source - source % lanes, source_cg)[1])
            ctx.set(unit.read_step, groups)
            if lanes > 1:
                ctx.set(unit.write_bank, slot % lanes)
                ctx.set(unit.read_bank, source % lanes)
            if partial:
                ctx.set(unit.write_lanes, sum(int(b) << i for i, b in enumerate(enabled)))
            if want is not None:
                assert ctx.get(unit.read_data) == want
            want = word([model[place(source + lane, source_cg)] for lane in range(lanes)])
            await ctx.tick()
            for lane in range(lanes):
                if mask[lane]:
                    old = model[place(slot + lane, cg)]
                    model[place(slot + lane, cg)] = np.where(enabled, values[lane], old)

    simulate(unit, bench)
