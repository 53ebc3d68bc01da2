"""Constants off the routing: inputs of ECP5 cells that are 0 are made 1, or the same as another input.

An input of a slice that nothing is connected to is 1: a constant 1 costs nothing. A 0 is a net with a LUT for its
driver, which place and route brings to every input, and the carry into a chain costs a slice of its own. So, in a netlist:

- an input 0 of a half of a CCU2C becomes 1, and its table is written for that;
- a constant carry into a CCU2C goes: its first half then makes its carry from A and B alone (propagate 0), a LUT4 its sum;
- an address bit 0 of a TRELLIS_DPR16X4, for reading and for writing, becomes another address bit, for both.

Source of the cells' logic: Lattice FPGA-TN-02204 (sysLOGIC), and the equations of Yosys's simulation models.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

Cell = dict[str, Any]
INPUTS = "ABCD"
TABLE = 16
"""Entries of a LUT4, input A the lowest bit of the number of an entry."""
WORD = 4
"""Bits of a word of a TRELLIS_DPR16X4, which has `TABLE` words."""
GENERATE = 4
"""A CCU2C's half generates a carry by the first entries of its table, by A and B: those for C = D = 0."""


def free_constant_inputs(module: dict[str, Any]) -> int:
    """Change the cells of a flat netlist (a module of Yosys's JSON) as above; how many inputs are free now."""
    loads = _loads(module)
    cells: dict[str, Cell] = module["cells"]
    freed = 0
    for name, cell in list(cells.items()):
        if cell["type"] == "CCU2C":
            freed += _free_halves(cell)
            made = _free_carry(cell, loads)
            if made is not None:
                freed += 1
                cells.update({f"{name}_FIRST": lut for lut in made})
        elif cell["type"] == "TRELLIS_DPR16X4":
            freed += _free_addresses(cell)
    return freed


def _loads(module: dict[str, Any]) -> Counter[int | str]:
    loads: Counter[int | str] = Counter()
    for cell in module["cells"].values():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "input":
                loads.update(bits)
    for port in module["ports"].values():
        loads.update(port["bits"])
    return loads


def _table(cell: Cell, name: str) -> str:
    """A parameter's bits, the lowest first."""
    return cell["parameters"][name][::-1]


def _without(table: str, number: int, width: int = 1) -> str:
    """A table, of entries of `width` bits, with the entries for input `number` = 1 those for 0."""
    entries = [table[i : i + width] for i in range(0, len(table), width)]
    return "".join(entries[i & ~(1 << number)] for i in range(len(entries)))


def _free_halves(cell: Cell) -> int:
    freed = 0
    for half in "01":
        table = _table(cell, f"INIT{half}")
        for number, pin in enumerate(INPUTS):
            if cell["connections"][f"{pin}{half}"] == ["0"]:
                table = _without(table, number)
                cell["connections"][f"{pin}{half}"] = ["1"]
                freed += 1
        cell["parameters"][f"INIT{half}"] = table[::-1]
    return freed


def _free_carry(cell: Cell, loads: Counter[int | str]) -> list[Cell] | None:
    """Do without a constant carry into a cell whose first half has C and D at 1; the LUT4s to add, None: it stays."""
    connections = cell["connections"]
    carry = connections.get("CIN", ["x"])
    if carry not in (["0"], ["1"]) or connections["C0"] != ["1"] or connections["D0"] != ["1"]:
        return None
    if cell["parameters"]["INJECT1_0"] != "NO":
        return None
    table = _table(cell, "INIT0")
    propagate, generate = table[-GENERATE:], table[:GENERATE]
    out = "".join(carry[0] if p == "1" else g for p, g in zip(propagate, generate, strict=True))
    total = "".join(str(int(p) ^ int(carry[0])) for p in propagate)
    cell["parameters"]["INIT0"] = (out + "0" * (TABLE - GENERATE))[::-1]
    connections["CIN"] = ["x"]
    sums = connections.pop("S0", ["x"])
    cell["port_directions"].pop("S0", None)
    if not loads[sums[0]]:
        return []
    lut = {
        "hide_name": 1,
        "type": "LUT4",
        "parameters": {"INIT": (total * (TABLE // GENERATE))[::-1]},
        "attributes": {},
        "port_directions": dict.fromkeys(INPUTS, "input") | {"Z": "output"},
        "connections": {
            "A": connections["A0"], "B": connections["B0"], "C": ["1"], "D": ["1"], "Z": sums,
        },
    }  # fmt: skip
    return [lut]


def _free_addresses(cell: Cell) -> int:
    read, write = cell["connections"]["RAD"], cell["connections"]["WAD"]
    other = next((i for i in range(len(read)) if "0" not in (read[i], write[i])), None)
    if other is None:
        return 0
    table, freed = _table(cell, "INITVAL"), 0
    for number, pair in enumerate(zip(read, write, strict=True)):
        if pair == ("0", "0"):
            table = _without(table, number, WORD)
            read[number], write[number] = read[other], write[other]
            freed += 2
    cell["parameters"]["INITVAL"] = table[::-1]
    return freed
