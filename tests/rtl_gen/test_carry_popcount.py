"""The popcount of carry cells: its Verilog, read and evaluated by the cells' equations, against Python."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwflow.config import load_target
from rtl_gen.instances import emit
from rtl_gen.popcount import Differences
from rtl_gen.synthesis.carry_popcount import differences, with_carry_cells

CELL = re.compile(r"CCU2C #\((.*?)\) (\w+) \(\s*(.*?)\);", re.S)
PORT = re.compile(r"\.(\w+)\(([^()]*)\)")
REGISTER = re.compile(r"(r\[\d+\]) <= (\S+) \^ (\S+);")
RESULT = re.compile(r"assign n\[(\d+)\] = (\S+);")


def evaluated(verilog: str, a: int, b: int, width: int) -> int:
    """`n` for constant a and b, cell after cell in the text's order, by the CCU2C's equations."""
    nets = {"1'b0": 0, "1'b1": 1, "": 0}
    nets |= {f"a[{i}]": a >> i & 1 for i in range(width)}
    nets |= {f"b[{i}]": b >> i & 1 for i in range(width)}
    events = [(found.start(), found) for found in CELL.finditer(verilog)]
    registers = [(left, (x, y)) for left, x, y in REGISTER.findall(verilog)]

    def clock() -> None:
        for left, (x, y) in registers:
            if x in nets and y in nets:
                nets[left] = nets[x] ^ nets[y]

    for _, cell in sorted(events, key=lambda event: event[0]):
        clock()
        parameters, ports = dict(PORT.findall(cell[1])), dict(PORT.findall(cell[3]))
        carry = nets[ports["CIN"]]
        for half in "01":
            init = int(parameters[f"INIT{half}"].removeprefix("16'h"), 16)
            inputs = [nets[ports[f"{name}{half}"]] for name in "ABCD"]
            lut4 = init >> sum(bit << i for i, bit in enumerate(inputs)) & 1
            lut2 = init >> sum(bit << i for i, bit in enumerate(inputs[:2])) & 1
            nets[ports[f"S{half}"]] = lut4 ^ carry
            nets[""] = 0
            carry = carry if lut4 else lut2
        nets[ports["COUT"]] = carry
    clock()
    return sum(nets[net] << int(bit) for bit, net in RESULT.findall(verilog))


@pytest.mark.parametrize("delay", [0, 1])
@pytest.mark.parametrize("width", [2, 3, 5, 16, 19, 32, 64, 128])
def test_counts(width: int, delay: int) -> None:
    verilog = differences(width, delay=delay)

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, (1 << width) - 1), st.integers(0, (1 << width) - 1))
    def check(a: int, b: int) -> None:
        assert evaluated(verilog, a, b, width) == (a ^ b).bit_count()

    check()
    full = (1 << width) - 1
    assert evaluated(verilog, full, 0, width) == width
    assert evaluated(verilog, full, full, width) == 0


def test_a_wrong_cell_is_seen() -> None:
    verilog = differences(16).replace("16'h6996", "16'h6997", 1)
    words = [(n * 0x9E37 & 0xFFFF, n * 0x85EB & 0xFFFF) for n in range(64)]
    assert any(evaluated(verilog, a, b, 16) != (a ^ b).bit_count() for a, b in words)


def test_cells_of_a_64_bit_popcount() -> None:
    # An XOR and a full adder of two LUT4 a bit take 64 + 2*57 LUT4.
    assert 2 * len(CELL.findall(differences(64))) == 108


def test_replaces_the_module_once() -> None:
    width = load_target("ecp5-85f").popcount_width
    text = emit(Differences(width, delay=1), "count")
    replaced = with_carry_cells(text, width, delay=1)
    assert "$countones" not in replaced and "CCU2C" in replaced
    assert replaced.count("module hwflow_differences") == 1
    with pytest.raises(ValueError, match="has 0 modules"):
        with_carry_cells("module other; endmodule\n", width, delay=0)


@pytest.mark.parametrize(("width", "delay"), [(1, 0), (8, 2)])
def test_refused(width: int, delay: int) -> None:
    with pytest.raises(ValueError, match="not made"):
        differences(width, delay=delay)
