"""Registers moved into multipliers: which are, and that the netlist still does what it did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rtl_gen.synthesis.ecp5 import Options, Synthesis, synthesise
from rtl_gen.synthesis.yosys import run_yosys
from sim import runner
from sim.netlists import cell_models
from sim.simulators import netlist_simulator

DESIGN = """module products(
  input clk, input load, input step, input other, input [7:0] a, input [7:0] b, input [7:0] c,
  output [15:0] p, output [15:0] q, output reg [7:0] seen
);
  reg signed [7:0] ra, rb, rc; reg signed [15:0] rp, rq;
  always @(posedge clk) begin
    if (load) begin ra <= a; rb <= b; rc <= c; end
    if (step) begin rp <= ra * rb; rq <= ra * rc; end
    seen <= rc;
  end
  assign p = rp; assign q = rq;
endmodule
"""


def made(text: str = DESIGN) -> Synthesis:
    return synthesise(text, "products", Options(dsp_registers=True))


def multipliers(synthesis: Synthesis) -> list[dict[str, str]]:
    cells = json.loads(synthesis.json)["modules"]["products"]["cells"].values()
    return [cell["parameters"] for cell in cells if cell["type"] == "MULT18X18D"]


def test_registers_move() -> None:
    plain, packed = synthesise(DESIGN, "products"), made()
    assert [p["REG_OUTPUT_CLK"] for p in multipliers(packed)] == ["CLK0", "CLK0"]
    assert plain.total["TRELLIS_FF"] == 3 * 8 + 2 * 16 + 8
    assert packed.total["TRELLIS_FF"] == 3 * 8 + 8


def test_without_enable() -> None:
    """A register that always takes its product is enabled by a constant."""
    text = DESIGN.replace("if (step) begin rp", "begin rp")
    assert text != DESIGN
    synthesis = made(text)
    cells = json.loads(synthesis.json)["modules"]["products"]["cells"].values()
    found = [cell for cell in cells if cell["type"] == "MULT18X18D"]
    assert [cell["parameters"]["REG_OUTPUT_CE"] for cell in found] == ["CE0", "CE0"]
    assert [cell["connections"]["CE0"] for cell in found] == [["1"], ["1"]]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rp <= ra * rb;", "rp <= other ? ra * rb : 0;"),
        ("rp <= ra * rb;", "rp[15:8] <= (ra * rb) >>> 8; if (other) rp[7:0] <= ra * rb;"),
        ("assign p = rp;", "wire signed [15:0] now = ra * rb; assign p = rp ^ now;"),
    ],
)
def test_what_stays(old: str, new: str) -> None:
    """A reset, two enables, a product that is read unregistered."""
    text = DESIGN.replace(old, new)
    assert text != DESIGN
    assert any("REG_OUTPUT_CLK" not in p for p in multipliers(made(text)))


@pytest.mark.parametrize("fault", [False, True])
def test_does_what_it_did(tmp_path: Path, fault: bool) -> None:
    netlist = (
        made().json.replace(b'"REG_OUTPUT_CLK":"CLK0"', b'"REG_OUTPUT_CLK":"NONE"')
        if fault
        else made().json
    )
    run_yosys(
        ["read_json packed.json", "write_verilog -noattr packed.v"],
        tmp_path,
        inputs={"packed.json": netlist.decode()},
    )
    sources = {"packed.v": (tmp_path / "packed.v").read_text(), **cell_models()}
    model = runner.build("products", sources, "products", simulator=netlist_simulator())
    result = runner.run(model, "tests.sim.bench_dsp_registers", folder=tmp_path / "run")
    assert result.passed != fault
