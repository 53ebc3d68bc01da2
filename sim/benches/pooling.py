"""Benches of the pool unit and the queue before it against hwflow.numerics, with random gaps."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from hwflow import numerics
from rtl_gen.pixel_queue import PixelQueue
from rtl_gen.pool import LATENCY, Pool
from sim.benches.unit import UnitBench, small_config


def pool(seed: int) -> UnitBench:
    """Three groups of tensors of several sizes, one of them constant; every mean with its slot, group and row."""
    config = small_config(line_pixels=9)
    rng, chance = np.random.default_rng(seed), random.Random(seed)
    unit: Any = Pool(config)
    cols, lanes, groups = config.cols, config.pixel_lanes, 3
    sizes = [(1, 1), (2, 2), (5, 1), (1, 6), (7, 7), (4, 9)]
    tensors = [rng.integers(-(1 << 15), 1 << 15, (groups, *size, cols)) for size in sizes]
    tensors[-1][1] = 32767
    want: list[tuple[int, int, int, list[int]]] = []
    for tensor in tensors:
        for cg, one in enumerate(tensor):
            means = numerics.average_pool(one).reshape(-1, cols).tolist()
            want += [(s, cg, s // lanes * groups + cg, mean) for s, mean in enumerate(means)]
    got: list[tuple[int, int, int, list[int]]] = []

    async def bench(ctx: Any) -> None:
        for (height, width), tensor in zip(sizes, tensors, strict=True):
            fields = {
                "width": width,
                "height": height,
                "top": numerics.same_padding(height, 3, 2)[1],
                "left": numerics.same_padding(width, 3, 2)[1],
                "groups": groups,
                "clear": 1,
            }
            for name, value in fields.items():
                ctx.set(getattr(unit, name), value)
            await ctx.tick()
            ctx.set(unit.clear, 0)
            for pixel in tensor.reshape(-1, cols).tolist():
                while chance.random() < 0.3:
                    ctx.set(unit.valid, 0)
                    await ctx.tick()
                ctx.set(unit.valid, 1)
                ctx.set(unit.pixel, pixel)
                await ctx.tick()
            ctx.set(unit.valid, 0)
            await ctx.tick().repeat(LATENCY)

    async def watch(ctx: Any) -> None:
        while len(got) < len(want):
            await ctx.tick()
            if ctx.get(unit.mean_valid):
                mean = [ctx.get(unit.mean[i]) for i in range(cols)]
                got.append((ctx.get(unit.slot), ctx.get(unit.cg), ctx.get(unit.row), mean))

    def check() -> None:
        assert got == want

    return UnitBench(unit, [bench, watch], check=check)


def pixel_queue(seed: int) -> UnitBench:
    """Tiles at the smallest interval and later, with random masks: no pixel is lost, the order is kept."""
    config = small_config()
    chance = random.Random(seed)
    unit: Any = PixelQueue(config)
    lanes, cols, rows, tiles = config.pixel_lanes, config.cols, config.rows, 30
    want: list[list[int]] = []
    got: list[list[int]] = []

    async def bench(ctx: Any) -> None:
        for _ in range(tiles):
            for _ in range(config.row_groups):
                mask = chance.randrange(1 << lanes)
                words = [[chance.randrange(-32768, 32768) for _ in range(cols)] for _ in range(lanes)]
                ctx.set(unit.valid, 1)
                ctx.set(unit.mask, mask)
                ctx.set(unit.elements, [value for word in words for value in word])
                want.extend(word for lane, word in enumerate(words) if mask >> lane & 1)
                _, _, overflow = await ctx.tick().sample(unit.overflow)
                assert not overflow
            ctx.set(unit.valid, 0)
            await ctx.tick().repeat(rows - config.row_groups + chance.choice([0, 0, 0, 3]))
        await ctx.tick().repeat(rows + 4)

    async def watch(ctx: Any) -> None:
        while True:
            _, _, valid, *pixel = await ctx.tick().sample(unit.pixel_valid, *unit.pixel)
            if valid:
                got.append(pixel)

    def check() -> None:
        assert got == want

    return UnitBench(unit, [bench], [watch], check)
