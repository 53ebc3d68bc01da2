"""Bench of the pool unit against hwflow.numerics: maps of every kind, linear and row-aligned, with random gaps."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from hwflow import numerics, timing
from rtl_gen.pool import Pool
from sim.benches.unit import UnitBench, small_config

Ints = npt.NDArray[np.int64]
SIZES = ((1, 1), (2, 2), (5, 1), (1, 6), (7, 7), (4, 9))


def _pixel_groups(tensor: Ints, rows: int, lanes: int, row_aligned: bool) -> Iterator[Ints]:
    """Pixel groups (n <= lanes, C) of a tensor (H, W, C) in tiles of `rows` pixels, empty groups too."""
    for run in tensor if row_aligned else tensor.reshape(1, -1, tensor.shape[-1]):
        for tile in range(0, len(run), rows):
            for first in range(tile, tile + rows, lanes):
                yield run[first : first + lanes]


def pool(seed: int, bits: int = 16) -> UnitBench:
    """Three groups of tensors of several sizes, one of them constant; every mean with its slot, group and row."""
    config = small_config(line_pixels=9, residual_bits=bits)
    low, high = numerics.signed_range(bits)
    rng, chance = np.random.default_rng(seed), random.Random(seed)
    unit = Pool(config)
    cols, lanes, groups = config.cols, config.pixel_lanes, 3
    layers = [
        (size, row_aligned, rng.integers(low, high, (groups, *size, cols), endpoint=True))
        for size in SIZES
        for row_aligned in (False, True)
    ]
    layers[-1][2][1], layers[-2][2][1] = high, low
    want: list[tuple[int, int, int, list[int]]] = []
    for _, _, tensor in layers:
        for cg, one in enumerate(tensor):
            means = numerics.average_pool(one, bits).reshape(-1, cols).tolist()
            want += [(s, cg, s // lanes * groups + cg, mean) for s, mean in enumerate(means)]
    got: list[tuple[int, int, int, list[int]]] = []

    async def bench(ctx: Any) -> None:
        held = [0] * (lanes * cols)

        async def tick(valid: int, mask: int, words: list[int]) -> None:
            """A pixel group; its elements follow a cycle later."""
            nonlocal held
            ctx.set(unit.valid, valid)
            ctx.set(unit.mask, mask)
            ctx.set(unit.elements, held)
            await ctx.tick()
            held = words

        for (height, width), row_aligned, tensor in layers:
            fields = {
                "width": width,
                "height": height,
                "top": numerics.same_padding(height, 3, 2)[1],
                "left": numerics.same_padding(width, 3, 2)[1],
                "groups": groups,
                "row_aligned": int(row_aligned),
                "clear": 1,
            }
            for name, value in fields.items():
                ctx.set(getattr(unit, name), value)
            await ctx.tick()
            ctx.set(unit.clear, 0)
            for one in tensor:
                for group in _pixel_groups(one, config.rows, lanes, row_aligned):
                    while chance.random() < 0.3:
                        await tick(0, 0, rng.integers(low, high, lanes * cols).tolist())
                    words = rng.integers(low, high, lanes * cols, endpoint=True)
                    words[: group.size] = group.reshape(-1)
                    await tick(1, (1 << len(group)) - 1, words.tolist())
            for _ in range(unit.AHEAD + timing.pool_unit_latency(config)):
                await tick(0, 0, held)

    async def watch(ctx: Any) -> None:
        while len(got) < len(want):
            await ctx.tick()
            slot, row = ctx.get(unit.slot), ctx.get(unit.row)
            for window in range(ctx.get(unit.mean_mask).bit_count()):
                mean = [ctx.get(unit.means[window * cols + i]) for i in range(cols)]
                # The memory's banks that wrapped around take the next row.
                next_row = groups * (slot % lanes + window >= lanes)
                got.append((slot + window, ctx.get(unit.cg), row + next_row, mean))

    def check() -> None:
        assert got == want

    return UnitBench(unit, [bench, watch], check=check)
