"""The pool unit against hwflow.numerics, over maps and groups of every kind."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from hwflow import numerics, timing
from hwflow.config import AcceleratorConfig
from rtl_gen import pool
from tests.rtl_gen.control_bench import simulate, small_config

COLS = 8
Ints = npt.NDArray[np.int64]


def config(lanes: int) -> AcceleratorConfig:
    return small_config(rows=8, pixel_lanes=lanes, line_pixels=9)


def pixel_groups(tensor: Ints, rows: int, lanes: int, *, row_aligned: bool) -> Iterator[Ints]:
    """Pixel groups (n <= lanes, C) of a tensor (H, W, C) in tiles of `rows` pixels, empty groups too."""
    for run in tensor if row_aligned else tensor.reshape(1, -1, tensor.shape[-1]):
        for tile in range(0, len(run), rows):
            for first in range(tile, tile + rows, lanes):
                yield run[first : first + lanes]


@pytest.mark.parametrize(
    ("height", "width"),
    [
        (1, 1),
        (5, 1),
        (8, 1),
        (2, 2),
        (9, 2),
        (6, 3),
        (4, 4),
        (5, 5),
        (1, 6),
        (7, 7),
        (9, 8),
        (6, 9),
    ],
)
@pytest.mark.parametrize("row_aligned", [False, True], ids=["linear", "row_aligned"])
@pytest.mark.parametrize(("lanes", "gap"), [(1, 0.0), (2, 0.4), (4, 0.0), (8, 0.3)])
def test_pool(height: int, width: int, row_aligned: bool, lanes: int, gap: float) -> None:
    groups = 3
    rng = np.random.default_rng(height * 10 + width)
    chance = random.Random(width)
    unit = pool.Pool(config(lanes))
    _, top, _ = numerics.same_padding(height, 3, 2)
    _, left, _ = numerics.same_padding(width, 3, 2)
    tensors = [
        [rng.integers(-(1 << 15), 1 << 15, (height, width, COLS)) for _ in range(groups)]
        for _ in range(2)
    ]
    tensors[1][1][:] = -3
    want: list[tuple[int, int, int, list[int]]] = []
    for layer in tensors:
        for cg, tensor in enumerate(layer):
            means = numerics.average_pool(tensor, 16).reshape(-1, COLS)
            rows = [slot // lanes * groups + cg for slot in range(len(means))]
            want += [(s, cg, rows[s], mean.tolist()) for s, mean in enumerate(means)]
    got: list[tuple[int, int, int, list[int]]] = []

    async def bench(ctx: Any) -> None:
        fields = {"width": width, "height": height, "top": top, "left": left, "groups": groups}
        for field, value in {**fields, "row_aligned": int(row_aligned)}.items():
            ctx.set(getattr(unit, field), value)
        held = [0] * (lanes * COLS)

        async def tick(valid: int, mask: int, words: list[int]) -> None:
            """A pixel group; its elements follow a cycle later."""
            nonlocal held
            ctx.set(unit.valid, valid)
            ctx.set(unit.mask, mask)
            ctx.set(unit.elements, held)
            await ctx.tick()
            held = words

        for layer in tensors:
            ctx.set(unit.clear, 1)
            await ctx.tick()
            ctx.set(unit.clear, 0)
            for tensor in layer:
                for group in pixel_groups(tensor, 8, lanes, row_aligned=row_aligned):
                    noise = rng.integers(-(1 << 15), 1 << 15, lanes * COLS)
                    while chance.random() < gap:
                        await tick(0, 0, noise.tolist())
                    words = noise.copy()
                    words[: group.size] = group.reshape(-1)
                    await tick(1, (1 << len(group)) - 1, words.tolist())
            for _ in range(pool.Pool.AHEAD + timing.pool_unit_latency(config(lanes))):
                await tick(0, 0, [0] * (lanes * COLS))

    async def watch(ctx: Any) -> None:
        while len(got) < len(want):
            await ctx.tick()
            mask = ctx.get(unit.mean_mask)
            slot, row = ctx.get(unit.slot), ctx.get(unit.row)
            for window in range(mask.bit_count()):
                assert mask >> window & 1
                mean = [ctx.get(unit.means[window * COLS + i]) for i in range(COLS)]
                # The memory's banks that wrapped around take the next row (rtl_gen/residual_memory.py).
                next_row = groups * (slot % lanes + window >= lanes)
                got.append((slot + window, ctx.get(unit.cg), row + next_row, mean))

    simulate(unit, bench, watch)
    assert got == want


@pytest.mark.parametrize("lanes", [1, 2, 4, 8, 16])
def test_most_windows(lanes: int) -> None:
    """No G consecutive pixels of any map complete more windows than the unit gives in a cycle, and some do."""

    def closing(size: int) -> Ints:
        count, before, _ = numerics.same_padding(size, 3, 2)
        ends = np.minimum(2 * np.arange(count) - before + 2, size - 1)
        return np.isin(np.arange(size), ends).astype(np.int64)

    most = 0
    for height in range(1, 24):
        for width in range(1, 40):
            closed = np.outer(closing(height), closing(width)).reshape(-1)
            most = max(most, int(np.convolve(closed, np.ones(lanes, np.int64)).max()))
    assert most == pool.windows(small_config(rows=16, pixel_lanes=lanes))


def test_saturates() -> None:
    """Nine times the largest value is one more than the largest value after the reciprocal's rounding."""
    unit = pool.Pool(config(1))

    async def bench(ctx: Any) -> None:
        for field, value in {"width": 3, "height": 3, "groups": 1, "clear": 1}.items():
            ctx.set(getattr(unit, field), value)
        await ctx.tick()
        for field, value in {"clear": 0, "valid": 1, "mask": 1}.items():
            ctx.set(getattr(unit, field), value)
        ctx.set(unit.elements[0], 32767)
        ctx.set(unit.elements[1], -32768)
        await ctx.tick().repeat(9)
        ctx.set(unit.valid, 0)
        await ctx.tick().repeat(unit.AHEAD + timing.pool_unit_latency(config(1)) - 1)
        assert ctx.get(unit.mean_mask)
        assert (ctx.get(unit.means[0]), ctx.get(unit.means[1])) == (32767, -32768)

    simulate(unit, bench)
