"""Processing elements of both arrays against plain sums, with random gaps between steps."""

from __future__ import annotations

import random
from typing import Any

from amaranth.lib import wiring
from amaranth.sim import SimulatorContext

from rtl_gen.mac_pe import MacPE
from rtl_gen.pe import BinaryPE
from tests.rtl_gen.control_bench import simulate, small_config


async def _drive(ctx: SimulatorContext, dut: Any, steps: list[dict[str, int] | None]) -> list[int]:
    """Present one step (None: a gap) per cycle with its delayed controls; `result` after every cycle."""
    seen: list[int] = []
    before: dict[str, int] | None = None
    for step in [*steps, None, None]:
        for name in ("first", "last"):
            ctx.set(getattr(dut, f"{name}_next"), before[name] if before else 0)
        ctx.set(dut.step_next, int(before is not None))
        ctx.set(dut.step, int(step is not None))
        for name, value in (step or {}).items():
            if name not in ("first", "last"):
                ctx.set(getattr(dut, name), value)
        before = step
        await ctx.tick()
        seen.append(ctx.get(dut.result))
    return seen


def _tiles(rng: random.Random, names: dict[str, int]) -> list[list[dict[str, int]]]:
    tiles: list[list[dict[str, int]]] = []
    for length in [1, 1, 3, 1, 5, 2, 8]:
        tile = [
            {name: rng.getrandbits(bits) for name, bits in names.items()} | {"first": 0, "last": 0}
            for _ in range(length)
        ]
        tile[0]["first"] = tile[-1]["last"] = 1
        tiles.append(tile)
    return tiles


def _run(dut: wiring.Component, names: dict[str, int], value: Any, *, holds: bool) -> None:
    rng = random.Random(3)
    tiles = _tiles(rng, names)
    steps: list[dict[str, int] | None] = []
    expected: dict[int, int] = {}
    for tile in tiles:
        for step in tile:
            steps += [None] * rng.choice([0, 0, 0, 2])
            steps.append(step)
        expected[len(steps)] = sum(value(step) for step in tile if step["add"])

    async def bench(ctx: SimulatorContext) -> None:
        seen = await _drive(ctx, dut, steps)
        current = 0
        for cycle, got in enumerate(seen):
            current = expected.get(cycle, current if holds else 0)
            assert got == current, cycle

    simulate(dut, bench)


def test_binary() -> None:
    config = small_config()
    names = {"act": config.popcount_width, "weight": config.popcount_width, "add": 1}
    mask = (1 << config.popcount_width) - 1
    dut = BinaryPE(config)
    _run(dut, names, lambda step: (~(step["act"] ^ step["weight"]) & mask).bit_count(), holds=False)


def test_mac() -> None:
    config = small_config()

    def dot(step: dict[str, int]) -> int:
        pairs = zip(
            step["operands"].to_bytes(config.mac_depth, "little"),
            step["weights"].to_bytes(config.mac_depth, "little"),
            strict=True,
        )
        return sum((a - (a >> 7 << 8)) * (b - (b >> 7 << 8)) for a, b in pairs)

    names = {"operands": 8 * config.mac_depth, "weights": 8 * config.mac_depth, "add": 1}
    _run(MacPE(config), names, dot, holds=True)
