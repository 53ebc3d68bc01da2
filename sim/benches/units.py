"""The benches of units as cocotb tests, one per unit and stimulus.

Environment: HWFLOW_BENCH_UNITS, a key of `unit_tables.TABLES`; HWFLOW_BENCH_UNIT, one unit of it (default: all).
"""

from __future__ import annotations

import os
from typing import Any

import cocotb

from sim.benches.unit import run
from sim.benches.unit_tables import TABLES

TABLE = TABLES[os.environ["HWFLOW_BENCH_UNITS"]]
ONLY = os.environ.get("HWFLOW_BENCH_UNIT")
CASES = [
    f"{name}:{number}"
    for name, benches in TABLE.items()
    if ONLY in (None, name)
    for number in range(len(benches))
]


@cocotb.test(timeout_time=40, timeout_unit="us")
@cocotb.parametrize(case=CASES)
async def unit(dut: Any, case: str) -> None:
    name, number = case.split(":")
    await run(dut, TABLE[name][int(number)](), name)
