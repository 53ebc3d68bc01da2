"""Cells from the plain form that a Liberty file is kept in, and which of them can be simulated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwflow.energy.cells import (
    FLIP_FLOP,
    LATCH,
    MOST_VARIABLES,
    Cell,
    Leakage,
    Pin,
    Power,
    Sequential,
    Timing,
)
from hwflow.energy.tables import Table, truth
from hwflow.errors import FlowError


def cells_of(plain: Mapping[str, Any]) -> dict[str, Cell]:
    """Cells by name, as hwflow/energy/liberty.py keeps them."""
    return {name: _cell(name, each) for name, each in plain.items()}


def _cell(name: str, plain: Mapping[str, Any]) -> Cell:
    signals = {n: p for n, p in plain["pins"].items() if p["direction"] in ("input", "output")}
    pins = {n: _pin(n, p) for n, p in signals.items()}
    found = plain["sequential"]
    sequential = None
    if found:
        state, inverse = (*found["state"], "")[:2]
        kind = FLIP_FLOP if found["kind"] == "ff" else LATCH
        rest = {each: found[each] for each in ("clock", "data", "clear", "preset")}
        sequential = Sequential(kind=kind, state=(state, inverse), **rest)
    leakage = tuple(Leakage(**each) for each in plain["leakage"])
    others = sorted(n for n, p in plain["pins"].items() if n not in signals and p["function"])
    cell = Cell(name, plain["area"], pins, leakage, sequential, "")
    reason = ", ".join(plain["odd"]) or _shortcoming(cell) or _unreadable(cell)
    if others and not reason:
        reason = f"pin {others[0]} is neither input nor output"
    return Cell(name, plain["area"], pins, leakage, sequential, reason)


def _shortcoming(cell: Cell) -> str:
    """Why a cell cannot be simulated and counted; empty when it can."""
    if not cell.outputs:
        return "no output pin"
    if len(cell.variables) > MOST_VARIABLES:
        return f"{len(cell.variables)} inputs and states, at most {MOST_VARIABLES} are handled"
    for pin in cell.outputs:
        if pin.three_state:
            return f"pin {pin.name} is three-state"
        if not pin.function:
            return f"pin {pin.name} has no function"
        if not cell.leakage:
            return "no leakage power"
        if not cell.inputs:
            continue
        if not any(timing.tables for timing in pin.timing):
            return f"pin {pin.name} has no timing tables"
        if not pin.power:
            return f"pin {pin.name} has no power tables"
    return ""


def _unreadable(cell: Cell) -> str:
    """Which of its functions is malformed or names what the cell has not; empty when none is."""
    names, found = cell.variables, {pin.function for pin in cell.outputs}
    if cell.sequential:
        each = cell.sequential
        names = (*names, each.state[1]) if each.state[1] else names
        found |= {each.clock, each.data} | {part for part in (each.clear, each.preset) if part}
    try:
        for function in sorted(found):
            truth(function, names)
    except FlowError as error:
        return str(error)
    return ""


def _pin(name: str, plain: Mapping[str, Any]) -> Pin:
    return Pin(
        name=name,
        is_input=plain["direction"] == "input",
        capacitance=plain["capacitance"],
        function=plain["function"],
        is_clock=plain["clock"],
        three_state=plain["three_state"],
        timing=tuple(
            Timing(
                related=tuple(each["related"]),
                type=each["type"],
                sense=each["sense"],
                when=each["when"],
                tables={n: _table(t) for n, t in each["tables"].items()},
            )
            for each in plain["timing"]
        ),
        power=tuple(
            Power(
                related=tuple(each["related"]),
                when=each["when"],
                rail=each["rail"],
                rise=_table(each["rise"]) if each["rise"] else None,
                fall=_table(each["fall"]) if each["fall"] else None,
            )
            for each in plain["power"]
        ),
    )


def _table(plain: Mapping[str, Any]) -> Table:
    return Table(tuple(plain["x"]), tuple(plain["y"]), tuple(tuple(row) for row in plain["values"]))
