"""The products of tests/sim/test_dsp_registers.py with random operands and enables."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import Timer

CYCLES = 400


def number(bits: int) -> int:
    return bits - (bits >> 7 << 8)


@cocotb.test()
async def products(dut: Any) -> None:
    rng = random.Random(5)
    a = b = c = 0
    p = q = 0
    dut.clk.value = 0
    for cycle in range(CYCLES):
        load, step = rng.getrandbits(1), rng.getrandbits(1)
        x, y, z = (rng.getrandbits(8) for _ in range(3))
        dut.load.value, dut.step.value, dut.other.value = load, step, 0
        dut.a.value, dut.b.value, dut.c.value = x, y, z
        await Timer(1, "ns")
        dut.clk.value = 1
        await Timer(1, "ns")
        seen = c & 255
        if step:
            p, q = a * b & 0xFFFF, a * c & 0xFFFF
        if load:
            a, b, c = number(x), number(y), number(z)
        assert (int(dut.p.value), int(dut.q.value)) == (p, q), cycle
        assert int(dut.seen.value) == seen, cycle
        dut.clk.value = 0
        await Timer(1, "ns")
