"""Registers behind multipliers moved into them: ECP5's MULT18X18D has one of its own at the product.

Yosys leaves them outside, so that in one cycle a product travels from a register to the multiplier, through it, and on to
the next register, each way a good part of the chip. With the register inside the second way has a cycle of its own. (Those
at the operands stay: the way from what chooses an operand to a register nearby is long enough.)

Source: Lattice FPGA-TN-02205 (sysDSP), and the cell's parameters in Yosys's library.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PRODUCT_BITS = 36
CLOCK_ENABLES = 4
"""Clock enables that the multipliers of a DSP block share."""
REGISTER = {"CLKMUX": "CLK", "LSRMUX": "LSR", "REGSET": "RESET", "GSR": "DISABLED"}
"""Parameters of the flip-flops that may move: they start at 0, as the multiplier's do. One that lacks is as here."""

ALWAYS = "1"
"""The clock enable of a register that has none."""

Bit = int | str
"""A net, or a constant "0", "1", "x"."""
Cells = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Packing:
    """The flip-flops that a multiplier can take in: port of the product -> name; all with one clock and clock enable."""

    clock: Bit
    enable: Bit
    registers: Mapping[str, str]


def pack_registers(module: dict[str, Any]) -> int:
    """Move flip-flops of a flat netlist (a module of Yosys's JSON) into its multipliers; how many multipliers took any.

    A multiplier takes them when nothing but they reads its product, and when they have one clock enable, or none, and no
    reset. (None is an enable, too: a constant.) Where there are more than `CLOCK_ENABLES` enables those of the most
    multipliers are taken, so that any may share a block.
    """
    cells: Cells = module["cells"]
    loads: Counter[Bit] = Counter()
    readers: dict[Bit, str] = {}
    for name, cell in cells.items():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "input":
                loads.update(bits)
        if _movable(cell):
            readers[cell["connections"]["DI"][0]] = name
    for port in module["ports"].values():
        loads.update(port["bits"])
    found = {
        name: packing
        for name, cell in cells.items()
        if cell["type"] == "MULT18X18D" and (packing := _packing(cell, cells, readers, loads))
    }
    uses = Counter(packing.enable for packing in found.values())
    enables = sorted(uses, key=lambda enable: (-uses[enable], str(enable)))[:CLOCK_ENABLES]
    packed = 0
    for name, packing in found.items():
        if packing.enable in enables:
            _move(cells, name, packing, enables.index(packing.enable))
            packed += 1
    return packed


def _movable(cell: Mapping[str, Any]) -> bool:
    parameters, connections = cell["parameters"], cell["connections"]
    return (
        cell["type"] == "TRELLIS_FF"
        and all(parameters.get(name, value) == value for name, value in REGISTER.items())
        and connections.get("LSR", ["0"]) == ["0"]
        and _enabled(cell) in ("CE", "1")
    )


def _enabled(cell: Mapping[str, Any]) -> str:
    """CE where the clock enable is a net, 1 where there is none; other values invert it."""
    # Yosys writes a string of digits with a space behind it, to tell it from a number.
    return cell["parameters"].get("CEMUX", "CE").strip()


def _enable(cell: Mapping[str, Any]) -> Bit:
    return ALWAYS if _enabled(cell) == "1" else cell["connections"].get("CE", [ALWAYS])[0]


def _packing(
    cell: Mapping[str, Any], cells: Cells, readers: Mapping[Bit, str], loads: Counter[Bit]
) -> Packing | None:
    if any(key.startswith("REG_") for key in cell["parameters"]):
        return None
    used = {
        f"P{n}": bits[0]
        for n in range(PRODUCT_BITS)
        if (bits := cell["connections"].get(f"P{n}")) and loads[bits[0]]
    }
    registers = {
        port: readers[bit] for port, bit in used.items() if loads[bit] == 1 and bit in readers
    }
    controls = {
        (cells[name]["connections"]["CLK"][0], _enable(cells[name])) for name in registers.values()
    }
    if len(registers) < len(used) or len(controls) != 1:
        return None
    return Packing(*controls.pop(), registers)


def _move(cells: Cells, name: str, packing: Packing, number: int) -> None:
    cell = cells[name]
    for port, register in packing.registers.items():
        cell["connections"][port] = cells.pop(register)["connections"]["Q"]
    cell["parameters"] |= {
        "REG_OUTPUT_CLK": "CLK0",
        "REG_OUTPUT_CE": f"CE{number}",
        "REG_OUTPUT_RST": "RST0",
    }
    controls = {"CLK0": packing.clock, f"CE{number}": packing.enable, "RST0": "0"}
    cell["connections"] |= {port: [bit] for port, bit in controls.items()}
    cell["port_directions"] |= dict.fromkeys(controls, "input")
