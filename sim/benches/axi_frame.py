"""Bench of the AXI top's frame control."""

from __future__ import annotations

from typing import Any

from rtl_gen.axi.frame import FrameControl
from sim.benches.unit import UnitBench


def frame_control() -> UnitBench:
    """A frame with late results, one with an error whose STATUS is cleared early, and one that is abandoned."""
    dut: Any = FrameControl()

    async def pulse(ctx: Any, signal: Any) -> None:
        ctx.set(signal, 1)
        await ctx.tick()
        ctx.set(signal, 0)

    async def begin(ctx: Any) -> None:
        await pulse(ctx, dut.control.start)
        assert ctx.get(dut.status.busy) and ctx.get(dut.start)
        assert not ctx.get(dut.status.done)
        await ctx.tick().repeat(10)

    async def bench(ctx: Any) -> None:
        ctx.set(dut.quiet, 1)
        ctx.set(dut.results_idle, 0)
        await begin(ctx)
        await pulse(ctx, dut.control.start)
        assert ctx.get(dut.status.start_ignored)
        await pulse(ctx, dut.done)
        await ctx.tick().repeat(20)
        assert ctx.get(dut.flush) and not ctx.get(dut.status.done)
        ctx.set(dut.quiet, 0)
        await pulse(ctx, dut.results_idle)
        assert ctx.get(dut.status.done) and ctx.get(dut.status.busy)
        assert ctx.get(dut.frames) == 1
        # Ten, the ignored start, done, twenty, results.
        assert ctx.get(dut.cycles) == 33
        ctx.set(dut.quiet, 1)
        await ctx.tick()
        assert not ctx.get(dut.status.busy) and ctx.get(dut.cycles) == 33

        await begin(ctx)
        await pulse(ctx, dut.write_failed)
        assert ctx.get(dut.status.write_error) and not ctx.get(dut.lenient)
        ctx.set(dut.busy, 1)
        ctx.set(dut.error, 1)
        await pulse(ctx, dut.done)
        ctx.set(dut.error, 0)
        assert ctx.get(dut.lenient)
        await pulse(ctx, dut.control.clear)
        assert not ctx.get(dut.status.write_error)
        await pulse(ctx, dut.results_idle)
        await ctx.tick().repeat(5)
        assert ctx.get(dut.status.busy)
        assert ctx.get(dut.lenient), "what the memory still owes would never be acknowledged"
        ctx.set(dut.busy, 0)
        await ctx.tick()
        assert not ctx.get(dut.status.busy)

        await begin(ctx)
        assert not ctx.get(dut.lenient)
        ctx.set(dut.quiet, 0)
        await pulse(ctx, dut.control.reset)
        await ctx.tick().repeat(5)
        assert ctx.get(dut.abandon) and ctx.get(dut.status.resetting)
        ctx.set(dut.quiet, 1)
        await ctx.tick()
        assert not ctx.get(dut.abandon) and ctx.get(dut.status.as_value()) == 0
        await pulse(ctx, dut.control.reset)
        await ctx.tick()
        assert ctx.get(dut.abandon), "what is handed over in the first cycle shows in the second"
        await ctx.tick()
        assert not ctx.get(dut.abandon)

    return UnitBench(dut, [bench])
