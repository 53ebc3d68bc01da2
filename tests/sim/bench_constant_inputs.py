"""The design of tests/sim/test_constant_inputs.py with random operands."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import Timer

CYCLES = 400
WIDTH = 12


@cocotb.test()
async def chains(dut: Any) -> None:
    rng = random.Random(3)
    kept: dict[int, int] = {}
    count = None
    dut.clk.value = 0
    for cycle in range(CYCLES):
        a, b = rng.getrandbits(WIDTH), rng.getrandbits(WIDTH)
        if rng.random() < 0.2:
            b = a
        clear, write = int(cycle == 0), rng.getrandbits(1)
        to, at, word = rng.getrandbits(2), rng.getrandbits(2), rng.getrandbits(4)
        dut.a.value, dut.b.value, dut.clear.value = a, b, clear
        dut.write.value, dut.to.value, dut.at.value, dut.word.value = write, to, at, word
        await Timer(1, "ns")
        mask = (1 << WIDTH) - 1
        assert int(dut.total.value) == a + b, cycle
        assert int(dut.difference.value) == (a - b) & mask, cycle
        assert int(dut.next.value) == (a + 1) & mask, cycle
        assert int(dut.less.value) == (a < b), cycle
        assert int(dut.n.value) == (a ^ b).bit_count(), cycle
        if at in kept:
            assert int(dut.read.value) == kept[at], cycle
        if count is not None:
            assert int(dut.count.value) == count & mask, cycle
        dut.clk.value = 1
        await Timer(1, "ns")
        count = 0 if clear else None if count is None else count + 3
        if write:
            kept[to] = word
        dut.clk.value = 0
        await Timer(1, "ns")
