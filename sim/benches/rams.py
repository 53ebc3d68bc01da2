"""A bench of the memory under all others: random reads and writes, most of them at the same few addresses."""

from __future__ import annotations

import random
from typing import Any

from rtl_gen.ram import Ram
from sim.benches.unit import UnitBench


def ram(width: int, depth: int, granule: int, seed: int = 1) -> UnitBench:
    """Every word read stays until the next read; what is read of a word in the cycle of its write is not looked at."""
    dut: Any = Ram(width, depth, granule=granule)
    rng = random.Random(seed)
    used = rng.sample(range(depth), 12)
    parts = width // granule

    async def bench(ctx: Any) -> None:
        words = dict.fromkeys(used, 0)
        for address in used:
            words[address] = rng.getrandbits(width)
            ctx.set(dut.write_enable, (1 << parts) - 1)
            ctx.set(dut.write_address, address)
            ctx.set(dut.write_data, words[address])
            await ctx.tick()
        shown: int | None = None
        for _ in range(400):
            read, write = rng.choice(used), rng.choice(used)
            if rng.random() < 0.3:
                write = read
            reading, enables = rng.randrange(2), rng.getrandbits(parts)
            data = rng.getrandbits(width)
            ctx.set(dut.read_enable, reading)
            ctx.set(dut.read_address, read)
            ctx.set(dut.write_enable, enables)
            ctx.set(dut.write_address, write)
            ctx.set(dut.write_data, data)
            await ctx.tick()
            if reading:
                shown = None if enables and read == write else words[read]
            mask = sum(
                ((1 << granule) - 1) << part * granule
                for part in range(parts)
                if enables >> part & 1
            )
            words[write] = words[write] & ~mask | data & mask
            assert shown is None or ctx.get(dut.read_data) == shown

    return UnitBench(dut, [bench])
