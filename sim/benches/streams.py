"""Benches of the streams to and from external memory, with a memory and consumers that stall at random."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

from hwflow import isa, timing
from hwflow.spilling import reads_stream, writes_stream
from rtl_gen.long_stream import LongStream
from rtl_gen.spill_writer import SpillWriter
from rtl_gen.stream_control import StreamControl
from sim.benches.unit import UnitBench, small_config

CONFIG = {"rows": 4, "pixel_lanes": 2, "cols": 8, "long_words": 6, "store_words": 6}


def long_stream(memory_bytes: int) -> UnitBench:
    """Words come out in order in the cycle after their take; free room and level follow."""
    config = small_config(**CONFIG, memory_bytes=memory_bytes)
    dut: Any = LongStream(config)
    rng = random.Random(memory_bytes)
    beats, tile = config.stream_beats, config.row_groups
    words = [rng.getrandbits(8 * config.stream_word_bytes) for _ in range(60)]

    async def bench(ctx: Any) -> None:
        sent = taken = claimed = 0
        shown: deque[int] = deque([0] * timing.constant_ring_latency())
        expected: int | None = None
        while taken < len(words):
            level = shown[0] - claimed * tile
            assert ctx.get(dut.level) == level
            assert ctx.get(dut.free) == beats * (config.long_words + taken) - sent
            if expected is not None:
                assert ctx.get(dut.data) == expected
            write = sent < beats * len(words) and ctx.get(dut.free) > 0 and rng.random() < 0.8
            claim = level >= tile and rng.random() < 0.3
            take = taken < claimed * tile and rng.random() < 0.6
            beat = words[sent // beats] >> sent % beats * config.beat_bits if write else 0
            ctx.set(dut.write.valid, write)
            ctx.set(dut.write.data, beat & (1 << config.beat_bits) - 1)
            ctx.set(dut.claim, claim)
            ctx.set(dut.take, take)
            await ctx.tick()
            expected = words[taken] if take else expected
            sent, taken, claimed = sent + write, taken + take, claimed + claim
            shown.append(sent // beats)
            shown.popleft()

    return UnitBench(dut, [bench])


def spill_writer(ready: float, **changes: int) -> UnitBench:
    """Every beat of two layers' words at its address, in order; idle only when all is acknowledged."""
    config = small_config(**{**CONFIG, "memory_bytes": 8, **changes})
    dut: Any = SpillWriter(config)
    rng = random.Random(int(100 * ready))
    beats = config.stream_beats
    memory: dict[int, int] = {}
    wanted: dict[int, int] = {}
    owed: deque[int] = deque()
    freed = cycle = 0

    async def serve(ctx: Any) -> None:
        nonlocal freed, cycle
        while True:
            answer = bool(owed) and owed[0] <= cycle and rng.random() < 0.7
            if answer:
                owed.popleft()
            ctx.set(dut.written, answer)
            ctx.set(dut.port.ready, rng.random() < ready)
            _, _, valid, taken, payload, left, idle = await ctx.tick().sample(
                dut.port.valid, dut.port.ready, dut.port.payload, dut.freed, dut.idle
            )
            assert not (idle and owed)
            freed += left
            if valid and taken:
                assert payload.address not in memory
                memory[payload.address] = payload.data
                owed.append(cycle + 5)
            cycle += 1

    async def bench(ctx: Any) -> None:
        ctx.set(dut.restart, 1)
        await ctx.tick()
        ctx.set(dut.restart, 0)
        stored = 0
        for address in (100, 5000):
            ctx.set(dut.address, address)
            ctx.set(dut.layer_start, 1)
            await ctx.tick()
            ctx.set(dut.layer_start, 0)
            for n in range(20):
                while stored - freed >= config.store_words or rng.random() < 0.3:
                    await ctx.tick()
                word = rng.getrandbits(8 * config.stream_word_bytes)
                for b in range(beats):
                    beat = word >> b * config.beat_bits & (1 << config.beat_bits) - 1
                    wanted[address + n * beats + b] = beat
                ctx.set(dut.word.valid, 1)
                ctx.set(dut.word.data, word)
                await ctx.tick()
                ctx.set(dut.word.valid, 0)
                stored += 1
            await ctx.tick().until(dut.idle)
        assert memory == wanted
        assert freed == stored
        assert ctx.get(dut.bytes) == 40 * config.stream_word_bytes

    return UnitBench(dut, [bench], [serve])


def stream_control(seed: int) -> UnitBench:
    """A tile is let through exactly when its words and its room are there, group after group of random CONVs."""
    config = small_config(**CONFIG, memory_bytes=8)
    dut: Any = StreamControl(config)
    rng = random.Random(seed)
    tile = config.row_groups

    def draw() -> dict[str, int]:
        conv = {field.name: 0 for field in isa.FIELDS[isa.Op.CONV]}
        conv["groups"] = rng.randint(1, 7)
        conv["store"] = rng.choice(list(isa.Store))
        conv["store_pitch"] = rng.randint(0, conv["groups"])
        name = rng.choice(["r", "r1"])
        conv[f"{name}_src"] = rng.choice(list(isa.Residual))
        conv["r_groups"], conv["r1_groups"] = rng.randint(1, 7), rng.randint(1, 4)
        conv["main_pitch"] = rng.randint(0, conv[f"{name}_groups"])
        return conv

    async def bench(ctx: Any) -> None:
        room = config.store_words
        for _ in range(40):
            conv = draw()
            ctx.set(dut.conv, conv)
            ctx.set(dut.begin, 1)
            await ctx.tick()
            ctx.set(dut.begin, 0)
            await ctx.tick()
            for cg in range(conv["groups"]):
                reads, writes = reads_stream(conv, cg), writes_stream(conv, cg)
                tiles = rng.randint(1, 4)
                while tiles:
                    level = rng.randint(0, 2 * tile)
                    freed = room < config.store_words and rng.random() < 0.4
                    ctx.set(dut.level, level)
                    ctx.set(dut.freed, freed)
                    ready = not (reads and level < tile) and not (writes and room < tile)
                    claim = ready and rng.random() < 0.6
                    ctx.set(dut.tile_claim, claim)
                    ctx.set(dut.group_end, claim and tiles == 1)
                    _, _, seen, claimed = await ctx.tick().sample(dut.ready, dut.long_claim)
                    assert (seen, claimed) == (ready, claim and reads)
                    tiles -= claim
                    room += freed - (tile if claim and writes else 0)
                ctx.set(dut.tile_claim, 0)
                ctx.set(dut.group_end, 0)
                ctx.set(dut.freed, 0)

    return UnitBench(dut, [bench])
