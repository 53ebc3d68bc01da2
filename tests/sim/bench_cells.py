"""The cells of tests/sim/cell_instances.py with random inputs, each output compared every cycle."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import Timer

from tests.sim.cell_instances import INPUTS, instances, take

CYCLES = 500


@cocotb.test()
async def cells(dut: Any) -> None:
    rng = random.Random(3)
    made = instances()
    dut.clk.value = 0
    dut.x.value = 0
    await Timer(1, "ns")
    for cycle in range(CYCLES):
        x = rng.getrandbits(INPUTS)
        dut.x.value = x
        await Timer(1, "ns")
        dut.clk.value = 1
        for each in made:
            each.edge(x)
        await Timer(1, "ns")
        y, low = int(dut.y.value), 0
        for each in made:
            got, wanted = take(y, low, each.bits), each.value(x)
            assert got == wanted, f"cycle {cycle}: {got:#x}, not {wanted:#x}: {each.text[:200]}"
            low += each.bits
        dut.clk.value = 0
        await Timer(1, "ns")
