"""The pool unit and its queue against hwflow.numerics."""

import random
from typing import Any

import numpy as np
import pytest

from hwflow import numerics
from hwflow.config import AcceleratorConfig
from rtl_gen import pool
from rtl_gen.pixel_queue import PixelQueue
from tests.rtl_gen.control_bench import simulate, small_config


def config(lanes: int) -> AcceleratorConfig:
    return small_config(pixel_lanes=lanes, line_pixels=9)


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (2, 2), (5, 1), (1, 6), (4, 4), (7, 7), (9, 8), (6, 9)]
)
@pytest.mark.parametrize(("lanes", "gap"), [(1, 0.0), (2, 0.4)])
def test_pool(height: int, width: int, lanes: int, gap: float) -> None:
    groups, cols = 3, 8
    rng = np.random.default_rng(height * 10 + width)
    chance = random.Random(width)
    unit = pool.Pool(config(lanes))
    out_h, top, _ = numerics.same_padding(height, 3, 2)
    out_w, left, _ = numerics.same_padding(width, 3, 2)
    tensors = [
        [rng.integers(-(1 << 15), 1 << 15, (height, width, cols)) for _ in range(groups)]
        for _ in range(2)
    ]
    tensors[1][1][:] = -3
    want: list[tuple[int, int, int, list[int]]] = []
    for layer in tensors:
        for cg, tensor in enumerate(layer):
            means = numerics.average_pool(tensor).reshape(-1, cols)
            assert len(means) == out_h * out_w
            rows = [slot // lanes * groups + cg for slot in range(len(means))]
            want += [(s, cg, rows[s], mean.tolist()) for s, mean in enumerate(means)]
    got: list[tuple[int, int, int, list[int]]] = []

    async def bench(ctx: Any) -> None:
        ctx.set(unit.width, width)
        ctx.set(unit.height, height)
        ctx.set(unit.top, top)
        ctx.set(unit.left, left)
        ctx.set(unit.groups, groups)
        for layer in tensors:
            ctx.set(unit.clear, 1)
            await ctx.tick()
            ctx.set(unit.clear, 0)
            for pixel in np.concatenate([t.reshape(-1, cols) for t in layer]):
                while chance.random() < gap:
                    ctx.set(unit.valid, 0)
                    await ctx.tick()
                ctx.set(unit.valid, 1)
                for i, value in enumerate(pixel):
                    ctx.set(unit.pixel[i], int(value))
                await ctx.tick()
            ctx.set(unit.valid, 0)
            await ctx.tick().repeat(pool.LATENCY)

    async def watch(ctx: Any) -> None:
        while len(got) < len(want):
            await ctx.tick()
            if ctx.get(unit.mean_valid):
                mean = [ctx.get(unit.mean[i]) for i in range(cols)]
                got.append((ctx.get(unit.slot), ctx.get(unit.cg), ctx.get(unit.row), mean))

    simulate(unit, bench, watch)
    assert got == want


def test_saturates() -> None:
    """Nine times the largest value is one more than the largest value after the reciprocal's rounding."""
    unit = pool.Pool(config(1))

    async def bench(ctx: Any) -> None:
        for field, value in {"width": 3, "height": 3, "groups": 1, "valid": 1}.items():
            ctx.set(getattr(unit, field), value)
        ctx.set(unit.pixel[0], 32767)
        ctx.set(unit.pixel[1], -32768)
        await ctx.tick().repeat(9)
        ctx.set(unit.valid, 0)
        await ctx.tick().repeat(pool.LATENCY - 1)
        assert ctx.get(unit.mean_valid)
        assert (ctx.get(unit.mean[0]), ctx.get(unit.mean[1])) == (32767, -32768)

    simulate(unit, bench)


@pytest.mark.parametrize(("rows", "lanes"), [(4, 2), (4, 4), (6, 2), (8, 4)])
def test_queue_keeps_up_with_tiles(rows: int, lanes: int) -> None:
    cols, tiles = 8, 12
    settings = small_config(rows=rows, pixel_lanes=lanes)
    unit = PixelQueue(settings)
    chance = random.Random(rows * lanes)
    want: list[int] = []
    got: list[int] = []

    async def bench(ctx: Any) -> None:
        number = 1
        for _ in range(tiles):
            for _ in range(settings.row_groups):
                mask = chance.randrange(1 << lanes)
                ctx.set(unit.valid, 1)
                ctx.set(unit.mask, mask)
                for lane in range(lanes):
                    ctx.set(unit.elements[lane * cols], number)
                    if mask >> lane & 1:
                        want.append(number)
                    number += 1
                await ctx.delay(0)
                assert not ctx.get(unit.overflow)
                await ctx.tick()
            ctx.set(unit.valid, 0)
            for _ in range(rows - settings.row_groups + chance.choice([0, 0, 0, 3])):
                await ctx.tick()
        await ctx.tick().repeat(rows + 4)

    async def watch(ctx: Any) -> None:
        for _ in range(tiles * (rows + 3) + 4):
            if ctx.get(unit.pixel_valid):
                got.append(ctx.get(unit.pixel[0]))
            await ctx.tick()

    simulate(unit, bench, watch)
    assert got == want
