"""The units' generated Verilog under cocotb (sim/benches/units.py); SIM chooses the simulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtl_gen import instances
from sim import runner
from sim.benches.unit_tables import TABLES, top


@pytest.mark.parametrize("table", TABLES)
def test_units(table: str, tmp_path: Path) -> None:
    text = instances.emit(top(TABLES[table]), f"{table}_units")
    model = runner.build(f"{table}_units", {"units.sv": text}, f"{table}_units")
    environment = {"HWFLOW_BENCH_UNITS": table}
    result = runner.run(
        model, "sim.benches.units", folder=tmp_path, environment=environment, timeout=300
    )
    result.check()
    assert len(result.cases) == sum(map(len, TABLES[table].values()))
