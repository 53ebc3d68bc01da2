"""Benches of what puts a repeating long shortcut's words together."""

from __future__ import annotations

import random
from typing import Any

from rtl_gen.channel_align import ChannelAlign, RepeatPosition
from rtl_gen.head_memory import HeadMemory
from rtl_gen.pool import windows
from sim.benches.unit import UnitBench, small_config

ELEMENT = 16


def _word(values: list[int]) -> int:
    return sum(value << ELEMENT * n for n, value in enumerate(values))


def repeat_position(seed: int) -> UnitBench:
    """Group after group begins at channel group*C mod the tensor's channels."""
    rng, config = random.Random(seed), small_config()
    dut: Any = RepeatPosition(config)
    cols = config.cols

    async def bench(ctx: Any) -> None:
        for _ in range(20):
            groups, last_columns = rng.randint(2, 9), rng.randint(1, cols)
            channels = (groups - 1) * cols + last_columns
            ctx.set(dut.groups, groups)
            ctx.set(dut.last_columns, last_columns)
            ctx.set(dut.clear, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)
            for group in range(rng.randint(1, 40)):
                while rng.random() < 0.3:
                    await ctx.tick()
                cg, offset = divmod(group * cols % channels, cols)
                _, _, *found = await ctx.tick().sample(
                    dut.cg, dut.offset, dut.last, dut.before_last
                )
                assert found == [cg, offset, cg == groups - 1, cg == groups - 2]
                ctx.set(dut.advance, 1)
                await ctx.tick()
                ctx.set(dut.advance, 0)

    return UnitBench(dut, [bench])


def channel_align(seed: int, lanes: int = 2) -> UnitBench:
    """Every beginning in tensors of random size, on random data."""
    rng, config = random.Random(seed), small_config(pixel_lanes=lanes)
    dut: Any = ChannelAlign(config)
    cols = config.cols

    def pixels(values: list[list[int]]) -> int:
        return _word([element for pixel in values for element in pixel])

    async def bench(ctx: Any) -> None:
        for _ in range(40):
            groups, last_columns = rng.randint(2, 4), rng.randint(1, cols)
            channels = (groups - 1) * cols + last_columns
            ctx.set(dut.last_columns, last_columns)
            await ctx.tick().repeat(2)
            tensor = [
                [rng.getrandbits(ELEMENT) for _ in range((groups + 1) * cols)] for _ in range(lanes)
            ]
            heads = [[p[(column - last_columns) % cols] for column in range(cols)] for p in tensor]
            for first in range(channels):
                cg, offset = divmod(first, cols)
                ctx.set(dut.here, pixels([p[cg * cols : (cg + 1) * cols] for p in tensor]))
                ctx.set(dut.after, pixels([p[(cg + 1) * cols : (cg + 2) * cols] for p in tensor]))
                ctx.set(dut.heads, pixels(heads))
                ctx.set(dut.offset, offset)
                ctx.set(dut.last, cg == groups - 1)
                ctx.set(dut.before_last, cg == groups - 2)
                _, _, found = await ctx.tick().sample(dut.words)
                wanted = [[p[(first + j) % channels] for j in range(cols)] for p in tensor]
                assert found == pixels(wanted), (channels, first)

    return UnitBench(dut, [bench])


def head_memory(lanes: int, seed: int = 1) -> UnitBench:
    """Pooled pixels in, G at a time out, turned by the last group's columns."""
    rng, config = random.Random(seed), small_config(pixel_lanes=lanes, head_rows=20)
    dut: Any = HeadMemory(config)
    pooled, cols = windows(config), config.cols

    async def bench(ctx: Any) -> None:
        for _ in range(4):
            base, pixels, columns = (
                rng.randrange(4),
                rng.randint(lanes, 12 * lanes),
                rng.randint(1, cols),
            )
            tensor = [[rng.getrandbits(ELEMENT) for _ in range(cols)] for _ in range(pixels)]
            ctx.set(dut.write_base, base)
            ctx.set(dut.columns, columns % cols)
            slot = 0
            while slot < pixels:
                count = min(rng.randint(0, pooled), pixels - slot)
                data = [rng.choice(tensor) for _ in range(pooled)]
                data[:count] = tensor[slot : slot + count]
                ctx.set(dut.write_mask, (1 << count) - 1)
                ctx.set(dut.write_slot, slot)
                ctx.set(dut.write_data, _word([element for pixel in data for element in pixel]))
                await ctx.tick()
                slot += count
            ctx.set(dut.write_mask, 0)
            await ctx.tick()
            ctx.set(dut.read_base, base)
            ctx.set(dut.read_enable, 1)
            for slot in range(pixels - lanes + 1):
                ctx.set(dut.read_slot, slot)
                await ctx.tick()
                wanted = [
                    pixel[(column - columns) % cols]
                    for pixel in tensor[slot : slot + lanes]
                    for column in range(cols)
                ]
                assert ctx.get(dut.words) == _word(wanted), slot

    return UnitBench(dut, [bench])
