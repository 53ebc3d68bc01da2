"""Bank addressing and the feature memory: every slot, both strides, stores with random masks."""

from __future__ import annotations

import random

import pytest
from amaranth.sim import SimulatorContext

from hwflow import timing
from rtl_gen.bank_division import READ_SLOT_BITS, slot_offset
from rtl_gen.feature_memory import FeatureMemory
from rtl_gen.interfaces import ROW_BITS
from rtl_gen.tap_address import TapAddress
from tests.rtl_gen.control_bench import simulate, small_config


@pytest.mark.parametrize("banks", [3, 5, 7, 9, 17, 33])
def test_reciprocal_is_exact_for_every_slot(banks: int) -> None:
    """The arithmetic of `quotient`, over its whole domain."""
    for bits in (16, READ_SLOT_BITS):
        shift = bits + (banks - 1).bit_length()
        multiplier = -(-(1 << shift) // banks)
        assert all(n * multiplier >> shift == n // banks for n in range(1 << bits))
    assert slot_offset(banks) % banks == 0 and slot_offset(banks) >= 3 * 511 + 3


@pytest.mark.parametrize("rows", [2, 3, 4, 8])
def test_addresses(rows: int) -> None:
    """Bank (n + st*i) mod NB gets row base + (n + st*i) // NB * words + word."""
    config = small_config(rows=rows, pixel_lanes=1, memory_bytes=8)
    dut = TapAddress(config)
    banks, rng = config.banks, random.Random(rows)

    async def bench(ctx: SimulatorContext) -> None:
        for _ in range(150):
            slot, stride, words = rng.choice([0, 1, rng.randrange(60000)]), rng.randrange(2), rng.randrange(1, 9)
            base, word = rng.randrange(1000), rng.randrange(words)
            ctx.set(dut.slot, slot + slot_offset(banks))
            ctx.set(dut.base, base)
            ctx.set(dut.words, words)
            ctx.set(dut.word, word)
            ctx.set(dut.stride2, stride)
            await ctx.tick().repeat(dut.latency)
            assert ctx.get(dut.rem) == slot % banks
            addresses = ctx.get(dut.addresses)
            for row in range(rows):
                q, bank = divmod(slot + (1 + stride) * row, banks)
                got = addresses >> bank * ROW_BITS & (1 << ROW_BITS) - 1
                assert got == (base + q * words + word) % (1 << ROW_BITS)

    simulate(dut, bench)


@pytest.mark.parametrize(("lanes", "chunks"), [(1, 2), (2, 1), (4, 4)])
def test_store_then_read(lanes: int, chunks: int) -> None:
    config = small_config(pixel_lanes=lanes)
    chunk, pixels, base = 8, 21, 3
    dut = FeatureMemory("test", config, depth=64, chunk=chunk, chunks=chunks)
    banks, rng = config.banks, random.Random(lanes)
    content = [[0] * chunks for _ in range(pixels)]

    async def bench(ctx: SimulatorContext) -> None:
        ctx.set(dut.base, base)
        ctx.set(dut.words, 1)
        for _ in range(120):
            slot, cg, mask = rng.randrange(pixels), rng.randrange(chunks), rng.getrandbits(lanes)
            mask &= (1 << min(lanes, pixels - slot)) - 1
            data = [rng.getrandbits(chunk) for _ in range(lanes)]
            ctx.set(dut.store, {"valid": 1, "slot": slot, "mask": mask, "cg": cg, "data": data})
            for lane in range(lanes):
                if mask >> lane & 1:
                    content[slot + lane][cg] = data[lane]
            await ctx.tick()
            if rng.random() < 0.3:
                ctx.set(dut.store.valid, 0)
                await ctx.tick()
        ctx.set(dut.store.valid, 0)
        await ctx.tick().repeat(timing.STORE_WRITE)
        assert not ctx.get(dut.busy)
        words = [sum(value << chunk * n for n, value in enumerate(pixel)) for pixel in content]
        for stride in (1, 2):
            ctx.set(dut.stride2, stride - 1)
            for slot in range(pixels):
                addresses = 0
                wanted = {row: slot + stride * row for row in range(config.rows) if slot + stride * row < pixels}
                for target in wanted.values():
                    addresses |= base + target // banks << target % banks * ROW_BITS
                fill = rng.randrange(2)
                ctx.set(dut.fill_mask, 0xF0)
                ctx.set(dut.fill, fill)
                ctx.set(dut.read_addr, addresses)
                ctx.set(dut.rem, slot % banks)
                ctx.set(dut.read_en, 1)
                await ctx.tick().repeat(dut.read_latency)
                rows = ctx.get(dut.rows)
                width = chunk * chunks
                for row, target in wanted.items():
                    assert rows >> row * width & (1 << width) - 1 == words[target] | (0xF0 * fill)

    simulate(dut, bench)
