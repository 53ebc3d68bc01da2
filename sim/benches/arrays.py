"""Benches of both arrays' processing elements against plain sums, with random gaps between steps."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from amaranth.lib import wiring

from rtl_gen.mac_pe import MacPE
from rtl_gen.pe import BinaryPE
from rtl_gen.popcount import Popcount
from sim.benches.unit import UnitBench, small_config

Step = dict[str, int]


async def _drive(ctx: Any, dut: Any, steps: list[Step | None], wait: int) -> list[int]:
    """Present one step (None: a gap) per cycle, its controls `wait` cycles later; `result` after every cycle."""
    seen: list[int] = []
    past: list[Step | None] = [None] * (wait + 2)
    for step in [*steps, *[None] * (wait + 2)]:
        past = [step, *past[:-1]]
        for name, value in (step or {}).items():
            if name not in ("add", "last"):
                ctx.set(getattr(dut, name), value)
        now, before = past[wait], past[wait + 1]
        ctx.set(dut.step, int(now is not None))
        ctx.set(dut.add, now.get("add", 1) if now else 0)
        ctx.set(dut.step_next, int(before is not None))
        ctx.set(dut.last_next, before["last"] if before else 0)
        await ctx.tick()
        seen.append(ctx.get(dut.result))
    return seen


def _tiles(rng: random.Random, names: dict[str, int]) -> list[list[Step]]:
    tiles: list[list[Step]] = []
    for length in [1, 1, 3, 1, 5, 2, 8]:
        tile = [
            {name: rng.getrandbits(bits) for name, bits in names.items()} | {"last": 0}
            for _ in range(length)
        ]
        tile[-1]["last"] = 1
        tiles.append(tile)
    return tiles


def _bench(
    dut: wiring.Component,
    names: dict[str, int],
    value: Callable[[Step], int],
    *,
    holds: bool,
    seed: int,
    wait: int = 0,
) -> UnitBench:
    rng = random.Random(seed)
    tiles = _tiles(rng, names)
    steps: list[Step | None] = []
    expected: dict[int, int] = {}
    for tile in tiles:
        for step in tile:
            steps += [None] * rng.choice([0, 0, 0, 2])
            steps.append(step)
        expected[len(steps) + wait] = sum(value(step) for step in tile if step.get("add", 1))

    async def bench(ctx: Any) -> None:
        seen = await _drive(ctx, dut, steps, wait)
        # What is held before the first sum is not defined.
        current = None if holds else 0
        for cycle, got in enumerate(seen):
            current = expected.get(cycle, current if holds else 0)
            assert current is None or got == current, cycle

    return UnitBench(dut, [bench])


def binary_pe(seed: int = 3, stages: int = 1, width: int | None = None) -> UnitBench:
    """The binary array's element, its popcount included. width: of that; None: as in `small_config`."""
    widths = {} if width is None else {"popcount_width": width, "memory_bytes": width // 8}
    config = small_config(popcount_stages=stages, **widths)
    names = {"act": config.popcount_width, "opposed": config.popcount_width, "add": 1}

    def agreeing(step: Step) -> int:
        return (step["act"] ^ step["opposed"]).bit_count()

    return _bench(BinaryPE(config), names, agreeing, holds=False, seed=seed, wait=stages - 1)


def mac_pe(seed: int = 3) -> UnitBench:
    """The MAC array's element."""
    config = small_config()

    def dot(step: Step) -> int:
        pairs = zip(
            step["operands"].to_bytes(config.mac_depth, "little"),
            step["weights"].to_bytes(config.mac_depth, "little"),
            strict=True,
        )
        return sum((a - (a >> 7 << 8)) * (b - (b >> 7 << 8)) for a, b in pairs)

    names = {"operands": 8 * config.mac_depth, "weights": 8 * config.mac_depth}
    return _bench(MacPE(config), names, dot, holds=True, seed=seed)


def popcount(width: int = 19) -> UnitBench:
    """popcount.sv by itself: no and all ones, single ones, random words."""
    dut: Any = Popcount(width)
    rng = random.Random(width)
    words = [0, (1 << width) - 1, *(1 << n for n in range(width))]
    words += [rng.getrandbits(width) for _ in range(40)]

    async def bench(ctx: Any) -> None:
        for word in words:
            ctx.set(dut.a, word)
            _, _, count = await ctx.tick().sample(dut.n)
            assert count == word.bit_count()

    return UnitBench(dut, [bench])
