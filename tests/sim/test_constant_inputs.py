"""Constants taken off the routing: what is left of them, and that the netlist still does what it did."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from rtl_gen.synthesis import constant_inputs
from rtl_gen.synthesis.carry_popcount import differences
from rtl_gen.synthesis.ecp5 import Options, synthesise
from rtl_gen.synthesis.yosys import run_yosys
from sim import runner
from sim.netlists import cell_models
from sim.simulators import netlist_simulator

DESIGN = """module chains(
  input clk, input [11:0] a, input [11:0] b, input clear,
  input write, input [1:0] to, input [1:0] at, input [3:0] word,
  output [12:0] total, output [11:0] difference, output [11:0] next, output less, output [3:0] n,
  output reg [11:0] count, output [3:0] read
);
  reg [3:0] words [0:3];
  assign total = a + b;
  assign difference = a - b;
  assign next = a + 12'd1;
  assign less = a < b;
  assign read = words[at];
  hwflow_differences counted(.clk(clk), .a(a), .b(b), .n(n));
  always @(posedge clk) begin
    count <= clear ? 0 : count + 3;
    if (write) words[to] <= word;
  end
endmodule
"""


def made(*, free: bool) -> bytes:
    options = Options(free_constants=free)
    return synthesise(DESIGN + differences(12), "chains", options).json


def zeros(netlist: bytes) -> Counter[str]:
    """Inputs that are 0, by type of cell and port."""
    cells = json.loads(netlist)["modules"]["chains"]["cells"].values()
    return Counter(
        f"{cell['type']} {port}"
        for cell in cells
        for port, bits in cell["connections"].items()
        if cell["type"] != "LUT4" and cell["port_directions"][port] == "input"
        for bit in bits
        if bit == "0"
    )


def test_what_is_left() -> None:
    before, after = zeros(made(free=False)), zeros(made(free=True))
    assert {"CCU2C CIN", "CCU2C C0", "TRELLIS_DPR16X4 RAD"} <= set(before)
    assert not [name for name in after if name.startswith(("CCU2C", "TRELLIS_DPR16X4"))]


@pytest.mark.parametrize("fault", [False, True])
def test_does_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: bool) -> None:
    if fault:
        monkeypatch.setattr(constant_inputs, "_without", lambda table, *_: table)
    run_yosys(
        ["read_json free.json", "write_verilog -noattr free.v"],
        tmp_path,
        inputs={"free.json": made(free=True).decode()},
    )
    sources = {"free.v": (tmp_path / "free.v").read_text(), **cell_models()}
    model = runner.build("chains", sources, "chains", simulator=netlist_simulator())
    result = runner.run(model, "tests.sim.bench_constant_inputs", folder=tmp_path / "run")
    assert result.passed != fault
