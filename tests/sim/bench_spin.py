"""A bench that never ends, for the runner's timeout."""

from typing import Any

import cocotb
from cocotb.triggers import Event


@cocotb.test()
async def forever(dut: Any) -> None:
    """Waits for an event nobody sets while the model's clock goes on."""
    await Event().wait()
