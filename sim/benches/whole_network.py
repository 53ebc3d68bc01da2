"""Waits for the harness (sim/verilog/harness.sv) to finish; everything else happens in the model."""

from typing import Any

import cocotb
from cocotb.triggers import RisingEdge


@cocotb.test()
async def whole_network(dut: Any) -> None:
    if not int(dut.finished.value):
        await RisingEdge(dut.finished)
    assert not int(dut.failed.value), "the harness complained; see the log"
