"""Waits for the harness (sim/verilog/harness.sv) to finish; everything else happens in the model."""

from typing import Any

import cocotb
from cocotb.triggers import RisingEdge


@cocotb.test()
async def whole_network(dut: Any) -> None:
    if dut.finished.value != 1:  # it may be undefined (Icarus) at the very beginning
        await RisingEdge(dut.finished)
    assert dut.failed.value == 0, "the harness complained; see the log"
