"""Benches of a memory image in block RAM."""

from __future__ import annotations

import random
from typing import Any

from rtl_gen.bindings.block_ram import LATENCY, BlockRam, bank_depths
from sim.benches.unit import UnitBench, small_config


def block_ram(beats: int, memory_bytes: int = 8, seed: int = 1) -> UnitBench:
    """Bursts and writes at random, also beyond the end; each beat as of the cycle in which it is read."""
    rng = random.Random(seed)
    dut: Any = BlockRam(small_config(memory_bytes=memory_bytes, mac_depth=4), beats)
    contents: dict[int, int] = {}
    expected: list[tuple[int | None, bool]] = []
    got: list[tuple[int, int]] = []
    acknowledged = [0]

    async def monitor(ctx: Any) -> None:
        ctx.set(dut.port.read.data.ready, 1)
        async for _, _, valid, data, written in ctx.tick().sample(
            dut.port.read.data.valid, dut.port.read.data.payload, dut.port.written
        ):
            if valid:
                got.append((data.data, data.error))
            acknowledged[0] += written

    async def bench(ctx: Any) -> None:
        edges = [0, beats - 1, *(sum(bank_depths(beats)[: i + 1]) for i in range(3))]
        stored = 0
        for _ in range(60):
            first = min(
                max(0, rng.choice([*edges, rng.randrange(beats)]) - rng.randrange(4)), beats
            )
            for address in range(first, min(first + rng.randrange(1, 6), beats)):
                word = rng.getrandbits(8 * memory_bytes)
                ctx.set(dut.port.write.payload, {"address": address, "data": word})
                ctx.set(dut.port.write.valid, 1)
                await ctx.tick().until(dut.port.write.ready)
                contents[address] = word
                stored += 1
            ctx.set(dut.port.write.valid, 0)
            for _ in range(rng.randrange(1, 3)):
                count = rng.randrange(1, 17)
                ctx.set(dut.port.read.request.payload, {"address": first, "beats": count})
                ctx.set(dut.port.read.request.valid, 1)
                await ctx.tick().until(dut.port.read.request.ready)
                expected.extend(
                    (contents.get(at), at >= beats) for at in range(first, first + count)
                )
            ctx.set(dut.port.read.request.valid, 0)
            await ctx.tick().repeat(20)
            assert acknowledged[0] == stored
        # Nobody is told that a beat outside was written.
        ctx.set(dut.port.write.payload, {"address": beats, "data": 1})
        ctx.set(dut.port.write.valid, 1)
        await ctx.tick()
        ctx.set(dut.port.write.valid, 0)
        await ctx.tick().repeat(6)
        assert acknowledged[0] == stored

    def check() -> None:
        assert len(got) == len(expected) > 300
        for (data, error), (wanted, outside) in zip(got, expected, strict=True):
            assert error == outside
            assert outside or wanted is None or data == wanted
        assert any(outside for _, outside in expected)

    return UnitBench(dut, [bench], [monitor], check)


def block_ram_rate(beats: int = 700) -> UnitBench:
    """Bursts that wait are answered without a gap, the first beat after LATENCY cycles."""
    dut: Any = BlockRam(small_config(), beats)
    arrivals: list[int] = []

    async def monitor(ctx: Any) -> None:
        now = 0
        async for _, _, valid in ctx.tick().sample(dut.port.read.data.valid):
            if valid:
                arrivals.append(now)
            now += 1

    async def bench(ctx: Any) -> None:
        for burst in range(4):
            ctx.set(dut.port.read.request.payload, {"address": 16 * burst, "beats": 16})
            ctx.set(dut.port.read.request.valid, 1)
            await ctx.tick().until(dut.port.read.request.ready)
        ctx.set(dut.port.read.request.valid, 0)
        await ctx.tick().repeat(40)

    def check() -> None:
        assert arrivals == list(range(LATENCY, LATENCY + 64))

    return UnitBench(dut, [bench], [monitor], check)
