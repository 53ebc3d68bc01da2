"""CRC units and the signature against hwflow.signature and zlib."""

import zlib
from typing import Any

import numpy as np
import pytest

from hwflow import signature as reference
from rtl_gen import signature
from tests.rtl_gen.control_bench import simulate, small_config


def test_crc_unit() -> None:
    rng = np.random.default_rng(1)
    words = rng.integers(-(1 << 15), 1 << 15, (40, 4)).astype("<i2")
    words[0] = 0
    unit = signature.CrcUnit()

    async def bench(ctx: Any) -> None:
        for word in words:
            first, offset = int(rng.integers(0, 1 << 31)), int(rng.integers(0, 16))
            for exists in (1, 0):
                ctx.set(unit.exists, exists)
                ctx.set(unit.first, first)
                ctx.set(unit.offset, offset)
                ctx.set(unit.word, int.from_bytes(word.tobytes(), "little"))
                await ctx.tick()
                signs = sum(int(value >= 0) << i for i, value in enumerate(word))
                message = (first + offset).to_bytes(4, "little") + word.tobytes() + bytes([signs])
                assert ctx.get(unit.crc) == (zlib.crc32(message) if exists else 0)

    simulate(unit, bench)


@pytest.mark.parametrize(("lanes", "channels"), [(1, 8), (2, 21), (4, 14)])
def test_sum_over_a_tensor(lanes: int, channels: int) -> None:
    """Pixel groups in a random order, with masked pixels and gaps, as the layer's `reference` signature."""
    cols = 8
    config = small_config(pixel_lanes=lanes)
    unit = signature.Signature(config)
    rng = np.random.default_rng(channels)
    groups, pixels = -(-channels // cols), 11
    tensor = rng.integers(-(1 << 15), 1 << 15, (1, pixels, channels))
    padded = np.zeros((pixels + lanes, groups * cols), np.int64)
    padded[:pixels, :channels] = tensor[0]
    steps: list[tuple[int, int] | None] = [
        (slot, cg) for slot in range(0, pixels, lanes) for cg in range(groups)
    ]
    rng.shuffle(steps)  # pyright: ignore[reportArgumentType]
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

    simulate(unit, bench)
