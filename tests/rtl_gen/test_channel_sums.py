"""Channel sums: exact, back-to-back channel groups, masked pixels, gaps."""

from typing import Any

import numpy as np
import pytest

from rtl_gen.channel_sums import ChannelSums
from tests.rtl_gen.control_bench import simulate, small_config


@pytest.mark.parametrize(("lanes", "gap"), [(1, 0.0), (2, 0.0), (4, 0.3)])
def test_sums(lanes: int, gap: float) -> None:
    cols, groups, steps = 8, 4, 9
    config = small_config(pixel_lanes=lanes)
    unit = ChannelSums(config)
    rng = np.random.default_rng(lanes)
    values = rng.integers(-(1 << 15), 1 << 15, (groups, steps, lanes, cols))
    values[1] = -32768
    masks = rng.integers(0, 2, (groups, steps, lanes))
    want = (values * masks[..., None]).sum((1, 2))
    tokens = 0

    async def send(ctx: Any, enable: int) -> None:
        ctx.set(unit.enable, enable)
        for cg in range(groups):
            for step in range(steps):
                while rng.random() < gap:
                    ctx.set(unit.valid, 0)
                    await ctx.tick()
                ctx.set(unit.valid, 1)
                ctx.set(unit.cg, cg)
                ctx.set(unit.last, int(step == steps - 1))
                ctx.set(unit.mask, sum(int(b) << i for i, b in enumerate(masks[cg, step])))
                flat = values[cg, step].reshape(-1)
                for i, value in enumerate(flat):
                    ctx.set(unit.elements[i], int(value))
                await ctx.tick()
        ctx.set(unit.valid, 0)

    async def bench(ctx: Any) -> None:
        await send(ctx, 1)
        await ctx.tick()
        assert ctx.get(unit.token)
        for cg in range(groups):
            for column in rng.permutation(cols):
                ctx.set(unit.address, cg * cols + int(column))
                await ctx.tick()
                assert ctx.get(unit.data) == want[cg, column]
        masks[:] = 1
        await send(ctx, 0)
        await ctx.tick().repeat(3)
        ctx.set(unit.address, 0)
        await ctx.tick()
        assert ctx.get(unit.data) == want[0, 0]

    async def watch(ctx: Any) -> None:
        nonlocal tokens
        for _ in range(groups * steps * 6):
            await ctx.tick()
            tokens += ctx.get(unit.token)

    simulate(unit, bench, watch)
    assert tokens == groups
