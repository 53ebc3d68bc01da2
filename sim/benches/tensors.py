"""Benches of what is taken from a layer's stored tensor: channel means, channel sums, its signature."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from hwflow import numerics
from hwflow import signature as reference
from rtl_gen import signature
from rtl_gen.channel_mean import LATENCY, ChannelMean
from rtl_gen.channel_sums import ChannelSums
from sim.benches.unit import UnitBench, small_config


def channel_mean(cols: int, shift: int, store_shift: int, bits: int = 16) -> UnitBench:
    """Means over 2**shift and over 2**store_shift channels, a pixel a cycle."""
    rng = np.random.default_rng(shift)
    low, high = numerics.signed_range(bits)
    words = rng.integers(low, high, (30, cols), endpoint=True)
    words[0], words[1], words[2] = low, high, rng.integers(-3, 4, cols)
    shifts = (shift, store_shift)
    want = [numerics.channel_mean(words, cols >> by) for by in shifts]
    unit: Any = ChannelMean(cols, bits)

    async def bench(ctx: Any) -> None:
        ctx.set(unit.shift, shift)
        ctx.set(unit.store_shift, store_shift)
        for cycle in range(len(words) + LATENCY):
            if cycle < len(words):
                for i in range(cols):
                    ctx.set(unit.elements[i], int(words[cycle][i]))
            if cycle >= LATENCY:
                for means, expected, by in zip(
                    (unit.means, unit.stored), want, shifts, strict=True
                ):
                    got = [ctx.get(means[i]) for i in range(cols)]
                    assert got == expected[cycle - LATENCY].tolist() * (1 << by)
            await ctx.tick()

    return UnitBench(unit, [bench])


def channel_sums(lanes: int, gap: float) -> UnitBench:
    """Exact sums: back-to-back channel groups, masked pixels, gaps; a layer without sums keeps them."""
    cols, groups, steps = 8, 4, 9
    config = small_config(pixel_lanes=lanes)
    unit: Any = ChannelSums(config)
    rng = np.random.default_rng(lanes)
    values = rng.integers(-(1 << 15), 1 << 15, (groups, steps, lanes, cols))
    values[1] = -32768
    masks = rng.integers(0, 2, (groups, steps, lanes))
    want = (values * masks[..., None]).sum((1, 2))
    tokens = 0

    async def send(ctx: Any, enable: int) -> None:
        ctx.set(unit.enable, enable)
        for cg in range(groups):
            for step in range(steps):
                while rng.random() < gap:
                    ctx.set(unit.valid, 0)
                    await ctx.tick()
                ctx.set(unit.valid, 1)
                ctx.set(unit.cg, cg)
                ctx.set(unit.last, int(step == steps - 1))
                ctx.set(unit.mask, sum(int(b) << i for i, b in enumerate(masks[cg, step])))
                flat = values[cg, step].reshape(-1)
                for i, value in enumerate(flat):
                    ctx.set(unit.elements[i], int(value))
                await ctx.tick()
        ctx.set(unit.valid, 0)

    async def bench(ctx: Any) -> None:
        await send(ctx, 1)
        await ctx.tick()
        assert ctx.get(unit.token)
        for cg in range(groups):
            for column in rng.permutation(cols):
                ctx.set(unit.address, cg * cols + int(column))
                await ctx.tick()
                assert ctx.get(unit.data) == want[cg, column]
        masks[:] = 1
        await send(ctx, 0)
        await ctx.tick().repeat(3)
        ctx.set(unit.address, 0)
        await ctx.tick()
        assert ctx.get(unit.data) == want[0, 0]

    async def watch(ctx: Any) -> None:
        nonlocal tokens
        for _ in range(groups * steps * 6):
            await ctx.tick()
            tokens += ctx.get(unit.token)

    def check() -> None:
        assert tokens == groups

    return UnitBench(unit, [bench, watch], check=check)


def crc_unit() -> UnitBench:
    """One message's CRC against zlib; a message that does not exist is 0."""
    rng = np.random.default_rng(1)
    words = rng.integers(-(1 << 15), 1 << 15, (40, 4)).astype("<i2")
    words[0] = 0
    unit: Any = signature.CrcUnit()

    async def bench(ctx: Any) -> None:
        for word in words:
            index = int(rng.integers(0, 1 << 32))
            for exists in (1, 0):
                ctx.set(unit.exists, exists)
                ctx.set(unit.index, index)
                ctx.set(unit.word, int.from_bytes(word.tobytes(), "little"))
                await ctx.tick()
                signs = sum(int(value >= 0) << i for i, value in enumerate(word))
                message = index.to_bytes(4, "little") + word.tobytes() + bytes([signs])
                assert ctx.get(unit.crc) == (zlib.crc32(message) if exists else 0)

    return UnitBench(unit, [bench])


def tensor_signature(lanes: int, channels: int) -> UnitBench:
    """Pixel groups in a random order, with masked pixels and gaps, as the tensor's `reference` signature."""
    cols = 8
    config = small_config(pixel_lanes=lanes)
    unit: Any = signature.Signature(config)
    rng = np.random.default_rng(channels)
    groups, pixels = -(-channels // cols), 11
    tensor = rng.integers(-(1 << 15), 1 << 15, (1, pixels, channels))
    padded = np.zeros((pixels + lanes, groups * cols), np.int64)
    padded[:pixels, :channels] = tensor[0]
    steps: list[tuple[int, int] | None] = [
        (slot, cg) for slot in range(0, pixels, lanes) for cg in range(groups)
    ]
    rng.shuffle(steps)  # pyright: ignore[reportArgumentType]  any list will do
    steps = [step for found in steps for step in ([None, found] if rng.random() < 0.3 else [found])]

    async def bench(ctx: Any) -> None:
        ctx.set(unit.messages, -(-channels // 4))
        for clear in (1, 0):
            ctx.set(unit.clear, clear)
            await ctx.tick()
        for cycle in range(len(steps) + unit.AHEAD):
            ahead = steps[cycle] if cycle < len(steps) else None
            if ahead:
                ctx.set(unit.slot, ahead[0])
                ctx.set(unit.cg, ahead[1])
            now = steps[cycle - unit.AHEAD] if cycle >= unit.AHEAD else None
            exist = 0
            if now:
                slot, cg = now
                for pixel in range(lanes):
                    for column in range(cols):
                        value = int(padded[slot + pixel, cg * cols + column])
                        ctx.set(unit.elements[pixel * cols + column], value)
                        if (
                            column % 4 == 0
                            and slot + pixel < pixels
                            and cg * cols + column < channels
                        ):
                            exist |= 1 << ((pixel * cols + column) // 4)
            ctx.set(unit.exist, exist)
            await ctx.tick()
        ctx.set(unit.exist, 0)
        levels = (config.vector_lanes // 4 - 1).bit_length()
        await ctx.tick().repeat(levels + 1)
        assert ctx.get(unit.value) == reference.signature(tensor)

    return UnitBench(unit, [bench])
