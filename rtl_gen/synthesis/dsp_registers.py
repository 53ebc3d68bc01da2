"""Registers around multipliers moved into them: ECP5's MULT18X18D has its own at both operands and at the product.

Yosys leaves them outside, so that a product travels from a register to the multiplier and on to the next register in one
cycle, each way a good part of the chip. Inside it takes each way a cycle of its own, and no flip-flops.

Source: Lattice FPGA-TN-02205 (sysDSP), and the cell's parameters in Yosys's library.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

OPERAND_BITS, PRODUCT_BITS = 18, 36
CLOCK_ENABLES = 4
"""Clock enables that the multipliers of a DSP block share."""
REGISTER = {"CEMUX": "CE", "CLKMUX": "CLK", "LSRMUX": "LSR", "REGSET": "RESET", "GSR": "DISABLED"}
"""Parameters of the flip-flops that may move: they start at 0, as the multiplier's do. One that lacks is as here."""

Bit = int | str
"""A net, or a constant "0", "1", "x"."""
Cells = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Packing:
    """A multiplier and the flip-flops that it can take in: port -> name."""

    clock: Bit
    operand_enable: Bit
    product_enable: Bit
    operands: Mapping[str, str]
    products: Mapping[str, str]


def pack_registers(module: dict[str, Any]) -> int:
    """Move flip-flops of a flat netlist (a module of Yosys's JSON) into its multipliers; how many multipliers took any.

    A multiplier takes them when both operands and the product are registered, without a reset: operands with one clock
    enable, the product with one. Where there are more than `CLOCK_ENABLES` of these the ones of the most multipliers are
    taken, so that any multipliers may share a block.
    """
    cells: Cells = module["cells"]
    drivers, loads = _nets(module)
    readers = {cell["connections"]["DI"][0]: name for name, cell in cells.items() if _movable(cell)}
    found = {
        name: packing
        for name, cell in cells.items()
        if cell["type"] == "MULT18X18D"
        and (packing := _packing(cell, cells, drivers, readers, loads))
    }
    pairs = Counter((p.operand_enable, p.product_enable) for p in found.values())
    enables: list[Bit] = []
    for pair, _ in sorted(pairs.items(), key=lambda item: (-item[1], str(item[0]))):
        more = [enable for enable in dict.fromkeys(pair) if enable not in enables]
        if len(enables) + len(more) <= CLOCK_ENABLES:
            enables += more
    moved: set[str] = set()
    packed = 0
    for name, packing in found.items():
        if packing.operand_enable in enables and packing.product_enable in enables:
            _move(cells, name, packing, enables)
            moved.update(packing.products.values())
            packed += 1
    for name in moved:
        del cells[name]
    _drop_unused(module, {ff for p in found.values() for ff in p.operands.values()} - moved)
    return packed


def _nets(module: Mapping[str, Any]) -> tuple[dict[Bit, tuple[str, str]], Counter[Bit]]:
    """Driver (cell, port) of every net, and how many ports of cells and of the module read it."""
    drivers: dict[Bit, tuple[str, str]] = {}
    loads: Counter[Bit] = Counter()
    for name, cell in module["cells"].items():
        for port, bits in cell["connections"].items():
            for bit in bits:
                if cell["port_directions"][port] == "output":
                    drivers[bit] = (name, port)
                else:
                    loads[bit] += 1
    for port in module["ports"].values():
        loads.update(port["bits"])
    return drivers, loads


def _packing(
    cell: Mapping[str, Any],
    cells: Cells,
    drivers: Mapping[Bit, tuple[str, str]],
    readers: Mapping[Bit, str],
    loads: Counter[Bit],
) -> Packing | None:
    if any(key.startswith("REG_") for key in cell["parameters"]):
        return None
    connections = cell["connections"]
    operands: dict[str, str] = {}
    for port in (f"{side}{n}" for side in "AB" for n in range(OPERAND_BITS)):
        bit = connections[port][0]
        if bit == "0":
            continue
        source = drivers.get(bit)
        if source is None or not _movable(cells[source[0]]):
            return None
        operands[port] = source[0]
    used = {
        connections[f"P{n}"][0]: f"P{n}"
        for n in range(PRODUCT_BITS)
        if connections.get(f"P{n}") and loads[connections[f"P{n}"][0]]
    }
    products = {
        port: readers[bit] for bit, port in used.items() if loads[bit] == 1 and bit in readers
    }
    if not operands or not products or len(products) < len(used):
        return None
    operand_controls = _controls(cells, operands.values())
    product_controls = _controls(cells, products.values())
    if len(operand_controls) != 1 or len(product_controls) != 1:
        return None
    (clock, enable), (product_clock, product_enable) = *operand_controls, *product_controls
    if clock != product_clock:
        return None
    return Packing(clock, enable, product_enable, operands, products)


def _movable(cell: Mapping[str, Any]) -> bool:
    parameters, connections = cell["parameters"], cell["connections"]
    return (
        cell["type"] == "TRELLIS_FF"
        and all(parameters.get(name, value) == value for name, value in REGISTER.items())
        and connections.get("LSR", ["0"]) == ["0"]
        and isinstance(connections.get("CE", ["1"])[0], int)
    )


def _controls(cells: Cells, names: Iterable[str]) -> set[tuple[Bit, Bit]]:
    return {(cells[n]["connections"]["CLK"][0], cells[n]["connections"]["CE"][0]) for n in names}


def _move(cells: Cells, name: str, packing: Packing, enables: list[Bit]) -> None:
    cell = cells[name]
    connections, directions = cell["connections"], cell["port_directions"]
    for port, register in packing.operands.items():
        connections[port] = cells[register]["connections"]["DI"]
    for port, register in packing.products.items():
        connections[port] = cells[register]["connections"]["Q"]
    enable_of = {
        "INPUTA": packing.operand_enable,
        "INPUTB": packing.operand_enable,
        "OUTPUT": packing.product_enable,
    }
    for register, enable in enable_of.items():
        number = enables.index(enable)
        cell["parameters"] |= {
            f"REG_{register}_CLK": "CLK0",
            f"REG_{register}_CE": f"CE{number}",
            f"REG_{register}_RST": "RST0",
        }
        connections[f"CE{number}"] = [enable]
    connections |= {"CLK0": [packing.clock], "RST0": ["0"]}
    directions |= dict.fromkeys(connections.keys() - directions.keys(), "input")


def _drop_unused(module: dict[str, Any], registers: Iterable[str]) -> None:
    """Without those of `registers` that nothing reads any more."""
    reads: defaultdict[Bit, int] = defaultdict(int, _nets(module)[1])
    for name in registers:
        if not reads[module["cells"][name]["connections"]["Q"][0]]:
            del module["cells"][name]
