"""The benches of units as cocotb tests, one per unit and stimulus.

Environment: HWFLOW_BENCH_UNITS, a key of `unit_tables.TABLES`.
"""

from __future__ import annotations

import os
from typing import Any

import cocotb

from sim.benches.unit import run
from sim.benches.unit_tables import TABLES

TABLE = TABLES[os.environ["HWFLOW_BENCH_UNITS"]]


@cocotb.test(timeout_time=40, timeout_unit="us")
@cocotb.parametrize(
    (("name", "number"), [(name, n) for name, found in TABLE.items() for n in range(len(found))])
)
async def unit(dut: Any, name: str, number: int) -> None:
    await run(dut, TABLE[name][number](), name)
