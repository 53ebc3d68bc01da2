"""The option of commands that can have an SDRAM behind the accelerator."""

from __future__ import annotations

from typing import Annotated

import typer

from hwflow.sdram import SdramTiming

SdramClock = Annotated[
    float | None,
    typer.Option(
        "--sdram",
        min=1.0,
        help="MHz of accelerator and 16-bit SDRAM: that is the memory (docs/sdram.md)",
    ),
]


def sdram_timing(megahertz: float, memory_bytes: int) -> SdramTiming:
    """The controller's timing at a clock in front of any chip of the ULX3S.

    Raises:
        FlowError: a clock that a chip does not take.
    """
    return SdramTiming(clock_hz=round(megahertz * 1e6), memory_bytes=memory_bytes)
