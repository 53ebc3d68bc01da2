"""Benches of the three rings: contents, levels and free room, with random gaps on both sides."""

from __future__ import annotations

import random
from typing import Any

from hwflow import timing
from hwflow.emulator.memory import unpack_nibbles
from hwflow.tokens import padding_records
from rtl_gen.constant_ring import ConstantRing
from rtl_gen.mac_ring import MacRing
from rtl_gen.weight_ring import WeightRing
from sim.benches.unit import UnitBench, small_config

LAYERS = [(3, 4, 2), (1, 5, 1), (5, 2, 3), (16, 2, 2), (2, 9, 2)]
"""(words of a group, groups, tiles); the fourth needs the whole ring."""


def constant_ring(memory_bytes: int) -> UnitBench:
    """Instructions of 1 to 9 records, each in whole beats, taken slowly and then fast."""
    config = small_config(
        memory_bytes=memory_bytes, constant_words=18, cols=32, popcount_width=32, mac_depth=4
    )
    rng = random.Random(memory_bytes)
    dut: Any = ConstantRing(config)
    records: list[int] = []
    wanted: list[tuple[int, bool]] = []  # the record and whether it is its instruction's last
    for _ in range(24):
        count = rng.randint(1, 9)
        own = [rng.getrandbits(256) for _ in range(count)]
        wanted += [(record & (1 << 216) - 1, record is own[-1]) for record in own]
        records += own + [0] * padding_records(count, config)
    stream = sum(record << 256 * n for n, record in enumerate(records))
    beats = 256 * len(records) // config.beat_bits
    taken: list[int] = []

    async def writer(ctx: Any) -> None:
        written = 0
        while written < beats:
            write = ctx.get(dut.free) > 0 and rng.random() < 0.8
            ctx.set(dut.write.valid, write)
            if write:
                beat = stream >> written * config.beat_bits & (1 << config.beat_bits) - 1
                ctx.set(dut.write.data, beat)
                written += 1
            await ctx.tick()
        ctx.set(dut.write.valid, 0)

    async def reader(ctx: Any) -> None:
        while len(taken) < len(wanted):
            assert ctx.get(dut.some) == (ctx.get(dut.level) > 0)
            take = ctx.get(dut.level) > 0 and rng.random() < (0.2 if len(taken) < 60 else 0.9)
            ctx.set(dut.take, take)
            ctx.set(dut.last, wanted[len(taken)][1])
            if take:
                taken.append(ctx.get(dut.record).as_bits())
            await ctx.tick()
        ctx.set(dut.take, 0)
        await ctx.tick()
        assert (ctx.get(dut.level), ctx.get(dut.free)) == (0, config.constant_ring_beats)

    def check() -> None:
        assert taken == [record for record, _ in wanted]

    return UnitBench(dut, [writer, reader], check=check)


def constant_ring_latency() -> UnitBench:
    """A record shows at the published latency."""
    config = small_config(memory_bytes=32)
    dut: Any = ConstantRing(config)

    async def bench(ctx: Any) -> None:
        ctx.set(dut.write, {"valid": 1, "data": 77})
        await ctx.tick()
        ctx.set(dut.write.valid, 0)
        for cycle in range(1, timing.constant_ring_latency() + 1):
            assert ctx.get(dut.level) == (cycle == timing.constant_ring_latency())
            if ctx.get(dut.level):
                assert ctx.get(dut.record).as_bits() == 77
            await ctx.tick()

    return UnitBench(dut, [bench])


def weight_ring(seed: int) -> UnitBench:
    """Every tile reads its group's words; column j reads j cycles late and still finds the word."""
    config = small_config()
    rng = random.Random(seed)
    dut: Any = WeightRing(config)
    beats, cols, width = config.weight_beats, config.cols, config.popcount_width
    total = sum(words * groups for words, groups, _ in LAYERS)
    content = [rng.getrandbits(cols * width) for _ in range(total)]
    columns: list[list[int]] = [[-1] * config.weight_words for _ in range(cols)]
    due: dict[int, list[tuple[int, int, int]]] = {}  # cycle -> (column, address, its word)
    reads: dict[int, int] = {}  # cycle of a read -> the word it must get
    now = 0

    async def writer(ctx: Any) -> None:
        mask = (1 << config.beat_bits) - 1
        for word in content:
            for beat in range(beats):
                while not ctx.get(dut.free) or rng.random() < 0.2:
                    ctx.set(dut.write.valid, 0)
                    await ctx.tick()
                ctx.set(dut.write, {"valid": 1, "data": word >> beat * config.beat_bits & mask})
                await ctx.tick()
        ctx.set(dut.write.valid, 0)

    async def cycle(ctx: Any) -> None:
        nonlocal now
        _, _, read, address, enables, target, data = await ctx.tick().sample(
            dut.read_en, dut.read_addr, dut.write_en, dut.write_addr, dut.write_data
        )
        assert bool(read) == (now in reads)
        if read:
            for column in range(cols):
                due.setdefault(now + column, []).append((column, address, reads[now]))
        for column, where, word in due.pop(now, []):
            want = word >> column * width & (1 << width) - 1
            assert columns[column][where] == want, (now, column)
        for column in range(cols):
            if enables >> column & 1:
                at = column % (config.beat_bits // width) * width
                columns[column][target] = data >> at & (1 << width) - 1
        now += 1

    async def reader(ctx: Any) -> None:
        first = 0
        for words, groups, tiles in LAYERS:
            ctx.set(dut.words, words)
            for _ in range(groups):
                while ctx.get(dut.level) < words or rng.random() < 0.5:
                    await cycle(ctx)
                ctx.set(dut.claim, 1)
                await cycle(ctx)
                ctx.set(dut.claim, 0)
                for tile in range(tiles):
                    for word in range(words):
                        while rng.random() < 0.3:
                            await cycle(ctx)
                        end = word == words - 1
                        ctx.set(dut.step, 1)
                        ctx.set(dut.tile_end, end)
                        ctx.set(dut.group_end, end and tile == tiles - 1)
                        reads[now + timing.WEIGHT_ADDRESS] = content[first + word]
                        await cycle(ctx)
                        ctx.set(dut.step, 0)
                first += words
            for _ in range(timing.WEIGHT_ADDRESS + cols + 1):
                await cycle(ctx)
        assert not due and max(reads) < now
        assert (ctx.get(dut.level), ctx.get(dut.free)) == (0, config.weight_words * beats)

    return UnitBench(dut, [writer, reader])


def mac_ring(seed: int) -> UnitBench:
    """Bytes and 4-bit values, read by slices of convolutions and by matrix-vector products in turn."""
    config = small_config()
    rng = random.Random(seed)
    dut: Any = MacRing(config)
    size, rows = config.mac_word_bytes, config.rows
    narrow: list[bool] = []
    for words, groups, _ in LAYERS:
        narrow += [False] * (words * groups)
        for _ in range(groups):
            narrow += [rng.random() < 0.5] * words
    content = [
        bytes(rng.randrange(-8, 8) & 255 if small else rng.randrange(256) for _ in range(size))
        for small in narrow
    ]
    due: dict[int, tuple[int, int | None]] = {}  # cycle -> (word, slice)
    now = 0

    async def writer(ctx: Any) -> None:
        for word, small in zip(content, narrow, strict=True):
            room = config.memory_bytes << small
            bits = 4 if small else 8
            for first in range(0, size, room):
                while ctx.get(dut.free) == 0 or rng.random() < 0.2:
                    ctx.set(dut.write.valid, 0)
                    await ctx.tick()
                part = enumerate(word[first : first + room])
                beat = sum((value & (1 << bits) - 1) << n * bits for n, value in part)
                ctx.set(dut.write, {"valid": 1, "data": beat})
                await ctx.tick()
        ctx.set(dut.write.valid, 0)

    async def cycle(ctx: Any) -> None:
        nonlocal now
        _, _, word, piece, small = await ctx.tick().sample(dut.word, dut.slice, dut.word_narrow)
        if now in due:
            number, wanted = due.pop(now)
            data = word.to_bytes(size, "little")
            assert small == narrow[number]
            values = unpack_nibbles(data[: size // 2]) if small else data
            assert values == content[number], (now, number)
            assert wanted is None or piece == wanted
        now += 1

    async def pause(ctx: Any, halves: int) -> None:
        while ctx.get(dut.level) < halves or rng.random() < 0.4:
            await cycle(ctx)

    async def convolution(ctx: Any, first: int, words: int, tiles: int) -> None:
        """One group; its last word may serve less than R steps."""
        steps = rng.randint((words - 1) * rows + 1, words * rows)
        ctx.set(dut.claim, 1)
        await cycle(ctx)
        ctx.set(dut.claim, 0)
        for tile in range(tiles):
            for step in range(steps):
                while rng.random() < 0.2:
                    await cycle(ctx)
                end = step == steps - 1
                ctx.set(dut.step, 1)
                ctx.set(dut.tile_end, end)
                ctx.set(dut.group_end, end and tile == tiles - 1)
                due[now + timing.ACTIVATIONS - 1] = (first + step // rows, step % rows)
                await cycle(ctx)
                ctx.set(dut.step, 0)

    async def product(ctx: Any, first: int, words: int) -> None:
        """One output group: its words in order, the last one releases them all."""
        for word in range(words):
            while rng.random() < 0.3:
                await cycle(ctx)
            ctx.set(dut.matvec, 1)
            ctx.set(dut.word_offset, word)
            ctx.set(dut.narrow, narrow[first])
            ctx.set(dut.release, word == words - 1)
            due[now + timing.RING_READ] = (first + word, None)
            await cycle(ctx)
            ctx.set(dut.matvec, 0)

    async def reader(ctx: Any) -> None:
        first = 0
        for words, groups, tiles in LAYERS:
            ctx.set(dut.words, words)
            for _ in range(groups):
                await pause(ctx, 2 * words)
                await convolution(ctx, first, words, tiles)
                first += words
            for _ in range(timing.ACTIVATIONS + 2):
                await cycle(ctx)
            for _ in range(groups):
                await pause(ctx, words if narrow[first] else 2 * words)
                await product(ctx, first, words)
                first += words
            for _ in range(4):
                await cycle(ctx)
        assert not due
        assert (ctx.get(dut.level), ctx.get(dut.free)) == (
            0,
            2 * config.mac_words * config.mac_half_beats,
        )

    return UnitBench(dut, [writer, reader])
