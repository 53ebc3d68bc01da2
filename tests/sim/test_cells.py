"""The simulation models of ECP5's cells: equal to references from their descriptions, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwflow.errors import FlowError
from sim import runner
from sim.netlists import cell_models
from sim.simulators import netlist_simulator
from tests.sim.cell_instances import verilog


def build(text: str, top: str) -> runner.BuiltModel:
    return runner.build(
        top, {f"{top}.v": text, **cell_models()}, top, simulator=netlist_simulator()
    )


def test_every_cell(tmp_path: Path) -> None:
    runner.run(build(verilog(), "cells"), "tests.sim.bench_cells", folder=tmp_path).check()


def test_a_wrong_cell_is_seen(tmp_path: Path) -> None:
    text = verilog().replace(".SIGNEDA(1'b1), .SIGNEDB(1'b0)", ".SIGNEDA(1'b1), .SIGNEDB(1'b1)")
    model = build(text, "cells")
    assert not runner.run(model, "tests.sim.bench_cells", folder=tmp_path).passed


@pytest.mark.parametrize(
    ("cell", "parameter", "value"),
    [
        ("TRELLIS_FF", "GSR", "ENABLED"),
        ("TRELLIS_FF", "SRMODE", "ASYNC"),
        ("TRELLIS_FF", "CLKMUX", "INV"),
        ("TRELLIS_DPR16X4", "WCKMUX", "INV"),
        ("CCU2C", "INJECT1_0", "MAYBE"),
        ("DP16KD", "REGMODE_A", "OUTREG"),
        ("DP16KD", "CSDECODE_A", "0b111"),
        ("MULT18X18D", "REG_OUTPUT_CLK", "CLK1"),
    ],
)
def test_what_is_not_modelled_is_refused(cell: str, parameter: str, value: str) -> None:
    text = f'module refused; {cell} #(.{parameter}("{value}")) cell_of_it (); endmodule\n'
    with pytest.raises(FlowError, match=f"{cell}_.*_is_not_modelled"):
        build(text, "refused")
