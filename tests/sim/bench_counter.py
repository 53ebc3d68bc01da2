"""cocotb bench of the runner's tests; `EXPECTED_STEP` is the step the model was built with."""

import os
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge


@cocotb.test()
async def counts(dut: Any) -> None:
    """The total grows by addend * STEP each cycle."""
    Clock(dut.clk, 2, "ns").start()
    dut.rst.value = 1
    dut.addend.value = (1 << 80) + 3
    await FallingEdge(dut.clk)
    await FallingEdge(dut.clk)
    dut.rst.value = 0
    for _ in range(5):
        await FallingEdge(dut.clk)
    assert dut.total.value.to_unsigned() == 5 * int(os.environ["EXPECTED_STEP"]) * ((1 << 80) + 3)


@cocotb.test()
async def hides(dut: Any) -> None:
    """Only ports are visible."""
    assert not hasattr(dut, "hidden")
