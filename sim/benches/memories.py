"""Benches of the feature memory, its addresses and the residual memories."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from hwflow import timing
from rtl_gen.bank_division import slot_offset
from rtl_gen.feature_memory import FeatureMemory
from rtl_gen.interfaces import ROW_BITS
from rtl_gen.residual_memory import ResidualMemory
from rtl_gen.tap_address import TapAddress
from sim.benches.unit import UnitBench, small_config


def tap_address(rows: int) -> UnitBench:
    """Bank (n + st*i) mod NB gets row base + (n + st*i) // NB * words + word."""
    config = small_config(rows=rows, pixel_lanes=1, memory_bytes=8)
    dut: Any = TapAddress(config)
    banks, rng = config.banks, random.Random(rows)

    async def bench(ctx: Any) -> None:
        for _ in range(150):
            slot, stride, words = (
                rng.choice([0, 1, rng.randrange(60000)]),
                rng.randrange(2),
                rng.randrange(1, 9),
            )
            base, word = rng.randrange(1000), rng.randrange(words)
            ctx.set(dut.slot, slot + slot_offset(banks))
            ctx.set(dut.base, base)
            ctx.set(dut.words, words)
            ctx.set(dut.word, word)
            ctx.set(dut.stride2, stride)
            await ctx.tick().repeat(timing.TAP_ADDRESS)
            assert ctx.get(dut.rem) == slot % banks
            addresses = ctx.get(dut.addresses)
            for row in range(rows):
                q, bank = divmod(slot + (1 + stride) * row, banks)
                got = addresses >> bank * ROW_BITS & (1 << ROW_BITS) - 1
                assert got == (base + q * words + word) % (1 << ROW_BITS)

    return UnitBench(dut, [bench])


def feature_memory(
    lanes: int, chunks: int, memory: type[FeatureMemory] = FeatureMemory
) -> UnitBench:
    """Stores with random masks and gaps, then every slot read with both strides."""
    config = small_config(pixel_lanes=lanes)
    chunk, pixels, base = 8, 21, 3
    dut: Any = memory("test", config, depth=64, chunk=chunk, chunks=chunks)
    banks, rng = config.banks, random.Random(lanes)
    content = [[0] * chunks for _ in range(pixels)]

    async def bench(ctx: Any) -> None:
        ctx.set(dut.base, base)
        ctx.set(dut.words, 1)
        everything = [(slot, cg, 1) for slot in range(pixels) for cg in range(chunks)]
        anything = [
            (rng.randrange(pixels), rng.randrange(chunks), rng.getrandbits(lanes))
            for _ in range(120)
        ]
        for slot, cg, mask in everything + anything:
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
                wanted = {
                    row: slot + stride * row
                    for row in range(config.rows)
                    if slot + stride * row < pixels
                }
                for target in wanted.values():
                    addresses |= base + target // banks << target % banks * ROW_BITS
                fill = rng.randrange(2)
                ctx.set(dut.fill_mask, 0xF0)
                ctx.set(dut.fill, fill)
                ctx.set(dut.read_addr, addresses)
                ctx.set(dut.rem, slot % banks)
                ctx.set(dut.read_en, 1)
                await ctx.tick().repeat(timing.FEATURE_READ)
                width = chunk * chunks
                for row, target in wanted.items():
                    got = ctx.get(dut.rows.word_select(row, width))
                    assert got == words[target] | (0xF0 * fill)

    return UnitBench(dut, [bench])


def residual_memory(lanes: int, partial: bool, paired: bool = False, bits: int = 16) -> UnitBench:
    """Random reads and writes: lanes rotated over banks, rows of wrapped lanes, partial words, the next row's words."""
    cols, depth, base, groups, slots = 8, 64, 5, 3, 13 * lanes
    config = small_config(pixel_lanes=lanes, residual_bits=bits)
    unit: Any = ResidualMemory(config, depth, partial=partial, paired=paired)
    rng = np.random.default_rng(lanes)
    model = np.zeros((lanes, depth, cols), np.int64)

    def place(slot: int, cg: int) -> tuple[int, int]:
        return slot % lanes, base + slot // lanes * groups + cg

    def word(values: Any) -> int:
        return sum(int(v) << (bits * i) for i, v in enumerate(np.reshape(values, -1)))

    async def bench(ctx: Any) -> None:
        want, want_next = 0, 0
        written = [(slot, cg) for slot in range(0, slots, lanes) for cg in range(groups)]
        for step in range(len(written) + 150):
            if step < len(written):
                slot, cg = written[step]
                mask, enabled = np.ones(lanes, int), np.ones(cols, int)
            else:
                slot, cg = int(rng.integers(0, slots - lanes)), int(rng.integers(0, groups))
                mask = rng.integers(0, 2, lanes)
                enabled = rng.integers(0, 2, cols) if partial else np.ones(cols, int)
            values = rng.integers(0, 1 << bits, (lanes, cols))
            ctx.set(unit.write_mask, sum(int(b) << i for i, b in enumerate(mask)))
            ctx.set(unit.write_row, place(slot - slot % lanes, cg)[1])
            ctx.set(unit.write_step, groups)
            ctx.set(unit.write_data, word(values))
            # The last row's next one was never written.
            last = slots - lanes * (1 + paired)
            # Nor is a word read that is being written: what that gives is not defined.
            while True:
                source, source_cg = int(rng.integers(0, last)), int(rng.integers(0, groups))
                read = [place(source + lane, source_cg) for lane in range(lanes)]
                read += [(bank, row + 1) for bank, row in read] if paired else []
                if not any(mask[i] and place(slot + i, cg) in read for i in range(lanes)):
                    break
            ctx.set(unit.read_enable, 1)
            ctx.set(unit.read_row, place(source - source % lanes, source_cg)[1])
            ctx.set(unit.read_step, groups)
            if lanes > 1:
                ctx.set(unit.write_bank, slot % lanes)
                ctx.set(unit.read_bank, source % lanes)
            if partial:
                ctx.set(unit.write_lanes, sum(int(b) << i for i, b in enumerate(enabled)))
            if step > len(written):
                assert ctx.get(unit.read_data) == want
                if paired:
                    assert ctx.get(unit.read_next) == want_next
            bank_rows = [place(source + lane, source_cg) for lane in range(lanes)]
            want_next = word([model[bank, row + 1] for bank, row in bank_rows])
            want = word([model[place(source + lane, source_cg)] for lane in range(lanes)])
            await ctx.tick()
            for lane in range(lanes):
                if mask[lane]:
                    old = model[place(slot + lane, cg)]
                    model[place(slot + lane, cg)] = np.where(enabled, values[lane], old)

    return UnitBench(unit, [bench])
