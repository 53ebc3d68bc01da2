"""Synthesis for ECP5: netlists, their cells by unit, and what Yosys complains about."""

import json
import sys
import tempfile

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.errors import FlowError
from rtl_gen import instances
from rtl_gen.ram import Ram
from rtl_gen.synthesis.ecp5 import Options, synthesise
from rtl_gen.synthesis.resources import Resources, by_unit


class Adder(wiring.Component):
    a: In(8)
    b: Out(8)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += self.b.eq(self.a + self.b)
        return m


class Design(wiring.Component):
    """An adder behind a block RAM, and a multiplier."""

    read: In(10)
    write: In(10)
    enable: In(1)
    a: In(8)
    b: Out(8)
    product: Out(16)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.ram = ram = Ram(8, 1024)
        m.submodules.adder = adder = Adder()
        doubled = Signal(8)
        m.d.comb += [
            ram.read_enable.eq(1),
            ram.read_address.eq(self.read),
            ram.write_address.eq(self.write),
            ram.write_enable.eq(self.enable),
            ram.write_data.eq(self.a),
            adder.a.eq(ram.read_data),
            self.b.eq(adder.b),
            doubled.eq(self.a ^ 0x55),
        ]
        m.d.sync += self.product.eq(doubled * self.a)
        return m


def test_cells_by_unit_and_the_same_bytes() -> None:
    text = instances.emit(Design(), "example")
    steps: list[str] = []
    first = synthesise(text, "example", progress=steps.append)
    assert first == synthesise(text, "example")
    assert steps
    assert first.top == "example"
    assert first.resources.ebr == 1
    assert first.resources.mult == 1
    units = by_unit(first.cells, 1)
    assert set(units) == {"", "adder", "ram"}
    assert sum(units.values(), Resources()) == first.resources
    adder = units["adder"]
    assert (adder.ff, adder.carry, adder.ebr) == (8, 4, 0)
    assert adder.luts == adder.lut4 + 2 * adder.carry
    assert units["ram"].ebr == 1
    netlist = json.loads(first.json)
    assert list(netlist["modules"]) == ["example"]
    assert "module example(" in first.verilog
    assert sum(first.total.values()) == sum(
        cell["type"] != "$scopeinfo" for cell in netlist["modules"]["example"]["cells"].values()
    )
    for place in (sys.prefix, tempfile.gettempdir()):
        assert place.encode() not in first.json
        assert place not in first.verilog


MEMORY = """
module memory(input clk, input [9:0] read, input [9:0] write, input enable, input [7:0] a, output reg [7:0] b);
  reg [7:0] words [0:1023];
  always @(posedge clk) begin
    b <= words[read];
    if (enable) words[write] <= a;
  end
endmodule
"""


def test_options() -> None:
    old_word = synthesise(MEMORY, "memory")
    free = synthesise(MEMORY, "memory", Options(no_rw_check=True))
    assert free.resources == Resources(ebr=1)
    assert old_word.resources.ff > 8
    prepared = synthesise(MEMORY, "memory", Options(prepare=("setattr -set no_rw_check 1 */m:*",)))
    assert prepared.resources == free.resources
    text = instances.emit(Design(), "example")
    kept = synthesise(text, "example", Options(keep=("*adder*",)))
    assert len(json.loads(kept.json)["modules"]) == 2
    adder = by_unit(kept.cells, 1)["adder"]
    assert (adder.ff, adder.carry) == (8, 4)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("module example(input a, output b); assign b = foo(a); endmodule", "foo"),
        ("module other(input a, output b); assign b = a; endmodule", "example.*not found"),
        ("module example(input a, output b); absent u(a, b); endmodule", "absent"),
    ],
)
def test_complaints_are_one_line(text: str, complaint: str) -> None:
    with pytest.raises(FlowError, match=f"Yosys failed: .*{complaint}") as caught:
        synthesise(text, "example")
    assert "\n" not in str(caught.value)


def test_missing_yosys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyosys", None)
    with pytest.raises(FlowError, match=r"pip install -e .\.\[board\]. in the clone"):
        synthesise("module example; endmodule", "example")
