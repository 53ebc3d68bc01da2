"""What the tests of the control units share: small configurations and a pysim runner."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from amaranth.lib import wiring
from amaranth.sim import Simulator, SimulatorContext

from sim.benches.unit import UnitBench
from sim.benches.unit import small_config as small_config

Process = Callable[[SimulatorContext], Coroutine[Any, Any, None]]


def simulate(
    dut: wiring.Component,
    *benches: Process,
    background: Iterable[Process] = (),
    limit: int = 20_000,
) -> None:
    """Run until every bench is over, at most `limit` cycles; background processes run as long as that."""

    async def deadline(ctx: SimulatorContext) -> None:
        for _ in range(limit):
            await ctx.tick()
        raise TimeoutError(f"not over after {limit} cycles")

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for bench in benches:
        simulator.add_testbench(bench)
    for process in (*background, deadline):
        simulator.add_testbench(process, background=True)
    simulator.run()


def simulate_unit(bench: UnitBench) -> None:
    """Run a unit's bench in Amaranth's simulator."""
    simulate(bench.dut, *bench.processes, background=bench.background)
    bench.check()


async def send(
    ctx: SimulatorContext, port: Any, items: Iterable[Any], gap: float = 0.0, seed: int = 0
) -> None:
    """Items into a stream, with random gaps."""
    rng = random.Random(seed)
    for item in items:
        while rng.random() < gap:
            await ctx.tick()
        ctx.set(port.payload, item)
        ctx.set(port.valid, 1)
        await ctx.tick().until(port.ready)
        ctx.set(port.valid, 0)


async def receive(
    ctx: SimulatorContext, port: Any, count: int, stall: float = 0.0, seed: int = 0
) -> list[Any]:
    """`count` items from a stream, with random stalls."""
    rng = random.Random(seed)
    items: list[Any] = []
    for _ in range(count):
        while rng.random() < stall:
            await ctx.tick()
        ctx.set(port.ready, 1)
        (payload,) = await ctx.tick().sample(port.payload).until(port.valid)
        ctx.set(port.ready, 0)
        items.append(payload)
    return items
