"""Reads Liberty files with liberty-parser and keeps what timing, power and leakage need.

Formats: Liberty User Guide, volume 2 (groups, units, `related_pin`, `when`, `related_pg_pin`). Parsing a library takes
seconds, so what is kept of it can be kept in a folder, as JSON under a hash of the file.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.metadata
import importlib.util
import json
import re
import zlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from hwflow.energy.cells import Library
from hwflow.energy.liberty_values import floats_of, list_of, name_of, number_of, text_of
from hwflow.energy.library_build import cells_of
from hwflow.errors import FlowError, get_extra
from hwflow.files import write_atomically

FORMAT = 5
"""Of the kept JSON: raise it when what is kept changes."""

UNITS = {
    "time_unit": "s",
    "voltage_unit": "V",
    "leakage_power_unit": "W",
    "capacitive_load_unit": "f",
}
"""Attribute of a library -> the letter its unit ends with (capacitance in farads, lower case)."""

TIMING, POWER = "lu_table_template", "power_lut_template"

PREFIXES = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15, "a": 1e-18}

KEPT_TIMING = ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
KEPT_CONSTRAINTS = ("rise_constraint", "fall_constraint")
X = ("input_net_transition", "input_transition_time", "related_pin_transition")
Y = ("total_output_net_capacitance", "constrained_pin_transition")


def read_libraries(paths: Sequence[Path], *, keep: Path | None = None) -> Library:
    """One library of all cells of `paths`, plain or gzip-compressed; `keep`: folder for what was parsed.

    Raises:
        FlowError: a file cannot be read or is not Liberty, lacks units or power tables, or two disagree.
    """
    if not paths:
        raise FlowError("no Liberty file given; name at least one with --liberty")
    texts = {path: _text(path) for path in paths}
    plain = [_plain(path, text, keep) for path, text in texts.items()]
    cells: dict[str, Any] = {}
    for path, each in zip(paths, plain, strict=True):
        if each["voltage"] != plain[0]["voltage"]:
            raise FlowError(
                f"{path}: supply of {each['voltage']} V, {paths[0]} has {plain[0]['voltage']} V; "
                "read together only files of one library and one corner"
            )
        twice = sorted(cells.keys() & each["cells"].keys())
        if twice:
            raise FlowError(f"{path}: cell {twice[0]!r} is in another file too; name one of them")
        cells.update(each["cells"])
    if not any(pin["power"] for cell in cells.values() for pin in cell["pins"].values()):
        raise FlowError(
            f"{paths[0]}: no power tables (internal_power) in any cell; "
            "give a library that was characterised for power"
        )
    state = hashlib.sha256("".join(_digest(text) for text in texts.values()).encode())
    return Library(
        name=str(plain[0]["name"]),
        voltage=float(plain[0]["voltage"]),
        cells=cells_of(cells),
        digest=state.hexdigest(),
        sources={path.name.removesuffix(".gz"): text for path, text in texts.items()},
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
    except OSError as error:
        reason = error.strerror or error
        raise FlowError(f"{path}: cannot be read ({reason}); give a Liberty file") from error
    except (EOFError, zlib.error, UnicodeDecodeError) as error:
        raise FlowError(f"{path}: damaged ({error}); fetch the Liberty file again") from error


def _plain(path: Path, text: str, keep: Path | None) -> dict[str, Any]:
    if importlib.util.find_spec("liberty") is None:
        raise FlowError(f"liberty-parser is not installed; {get_extra('board')}")
    recipe = f"{FORMAT} {importlib.metadata.version('liberty-parser')} {_digest(text)}"
    kept = keep / f"liberty-{_digest(recipe)[:20]}.json" if keep else None
    if kept is not None and kept.is_file():
        return json.loads(kept.read_bytes())
    made = _Reader(path, text).library()
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, json.dumps(made, separators=(",", ":")).encode())
    return made


class _UnusableError(Exception):
    """Something that its cell cannot be used with: a table over other variables than slew and load, no capacitance."""


class _Reader:
    """One Liberty file; every method gives lists, dicts, strings and numbers in SI units."""

    def __init__(self, path: Path, text: str) -> None:
        from liberty.parser import parse_liberty

        self.path = path
        try:
            self.root: Any = parse_liberty(text)
        except Exception as error:  # the parser raises what it stumbles over
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise FlowError(f"{path}: not a Liberty file ({reason}); correct the file") from error
        if self.root.group_name != "library":
            raise FlowError(f"{path}: begins with {self.root.group_name!r}, expected a library")
        self.units = {name: self._unit(name) for name in UNITS}
        self.energy = self.units["voltage_unit"] ** 2 * self.units["capacitive_load_unit"]
        self.templates = {
            (kind, name_of(template.args[0])): template
            for kind in (TIMING, POWER)
            for template in self.root.get_groups(kind)
            if template.args
        }

    def library(self) -> dict[str, Any]:
        cells = dict(self._named(cell) for cell in self.root.get_groups("cell"))
        if not cells:
            raise FlowError(f"{self.path}: no cells; give a library of standard cells")
        if not any(cell["leakage"] for cell in cells.values()):
            raise FlowError(
                f"{self.path}: no leakage power in any cell; give a library that has it, or add "
                "default_cell_leakage_power : 0 to count none"
            )
        return {
            "name": name_of(self.root.args[0]) if self.root.args else self.path.name,
            "voltage": self._voltage(),
            "cells": cells,
        }

    def _named(self, cell: Any) -> tuple[str, dict[str, Any]]:
        if not cell.args:
            raise FlowError(f"{self.path}: a cell has no name; correct the library")
        name = name_of(cell.args[0])
        try:
            return name, self._cell(cell)
        except FlowError as error:
            raise FlowError(f"{self.path}, cell {name}: {error}") from error

    def _unit(self, name: str) -> float:
        values = self.root.get_attributes(name)
        if not values:
            raise FlowError(
                f"{self.path}: no {name}; add it to the library, its tables mean nothing without"
            )
        parts = values[-1] if isinstance(values[-1], list) else [values[-1]]
        text = "".join(str(part).strip('"') for part in parts).replace(" ", "").lower()
        letter = UNITS[name].lower()
        found = re.fullmatch(rf"([0-9.]+(?:e[-+]?[0-9]+)?)([munpfa]?){letter}", text)
        if found is None or found[2] not in PREFIXES:
            raise FlowError(f"{self.path}: {name} is {text!r}; expected a number and its unit")
        return float(found[1]) * PREFIXES[found[2]]

    def _voltage(self) -> float:
        wanted = text_of(self.root, "default_operating_conditions")
        conditions = self.root.get_groups("operating_conditions")
        named = [each for each in conditions if each.args and name_of(each.args[0]) == wanted]
        try:
            found = [number_of(each, "voltage", None) for each in named]
            found.append(number_of(self.root, "nom_voltage", None))
        except FlowError as error:
            raise FlowError(f"{self.path}: {error}") from error
        volts = next((each for each in found if each is not None), None)
        if volts is None:
            raise FlowError(f"{self.path}: no supply voltage; add nom_voltage to the library")
        return volts * self.units["voltage_unit"]

    def _cell(self, cell: Any) -> dict[str, Any]:
        sequential = None
        for kind, clock, data in (
            ("ff", "clocked_on", "next_state"),
            ("latch", "enable", "data_in"),
        ):
            for group in cell.get_groups(kind):
                if not group.args:
                    raise FlowError(f"{kind} () names no state; correct it")
                sequential = {
                    "kind": kind,
                    "state": [name_of(arg) for arg in group.args],
                    "clock": text_of(group, clock),
                    "data": text_of(group, data),
                    "clear": text_of(group, "clear"),
                    "preset": text_of(group, "preset"),
                }
        pins: dict[str, Any] = {}
        odd: list[str] = []
        for pin in cell.get_groups("pin"):
            if text_of(pin, "direction") not in ("input", "output", "inout", "internal"):
                continue
            try:
                pins |= {name_of(arg): self._pin(pin) for arg in pin.args}
            except _UnusableError as error:
                odd.append(str(error))
        odd += [
            name
            for name in ("bus", "bundle", "statetable", "ff_bank", "latch_bank", "test_cell")
            if cell.get_groups(name)
        ]
        marks = [
            name
            for name in ("dont_use", "is_isolation_cell", "is_level_shifter", "always_on")
            if text_of(cell, name) == "true"
        ]
        return {
            "area": number_of(cell, "area", 0.0),
            "sequential": sequential,
            "odd": [*odd, *marks],
            "leakage": self._leakage(cell),
            "pins": pins,
        }

    def _leakage(self, cell: Any) -> list[dict[str, Any]]:
        unit = self.units["leakage_power_unit"]
        found = [
            {
                "when": text_of(group, "when"),
                "rail": text_of(group, "related_pg_pin"),
                "watts": number_of(group, "value", 0.0) * unit,
            }
            for group in cell.get_groups("leakage_power")
        ]
        total = number_of(cell, "cell_leakage_power", None)
        if total is None and not found:
            total = number_of(self.root, "default_cell_leakage_power", None)
        if total is None:
            return found
        # What the cell leaks in all: in states without a value of their own, over all rails together.
        defaults = {each["rail"]: float(each["watts"]) for each in found if not each["when"]}
        rails = dict.fromkeys(each["rail"] for each in found) or {"": None}
        lacking = [rail for rail in rails if rail not in defaults]
        share = max(total * unit - sum(defaults.values()), 0.0) / max(len(lacking), 1)
        return found + [{"when": "", "rail": rail, "watts": share} for rail in lacking]

    def _pin(self, pin: Any) -> dict[str, Any]:
        return {
            "direction": text_of(pin, "direction"),
            "capacitance": self._capacitance(pin) * self.units["capacitive_load_unit"],
            "function": text_of(pin, "function"),
            "clock": text_of(pin, "clock") == "true",
            "three_state": bool(text_of(pin, "three_state")),
            "timing": [self._timing(group) for group in pin.get_groups("timing")],
            "power": [
                each for group in pin.get_groups("internal_power") for each in self._power(group)
            ],
        }

    def _capacitance(self, pin: Any) -> float:
        """The pin's own, else the mean of those of its edges, else the library's default; an output's may be absent."""
        edges = [number_of(pin, f"{edge}_capacitance", None) for edge in ("rise", "fall")]
        given = [each for each in edges if each is not None]
        direction = text_of(pin, "direction")
        found = number_of(pin, "capacitance", None)
        if found is None and given:
            found = sum(given) / len(given)
        if found is None:
            found = number_of(self.root, f"default_{direction}_pin_cap", None)
        if found is None and direction == "input":
            raise _UnusableError(f"pin {' '.join(map(name_of, pin.args))} has no capacitance")
        return found or 0.0

    def _timing(self, group: Any) -> dict[str, Any]:
        wanted = (*KEPT_TIMING, *KEPT_CONSTRAINTS)
        kind = text_of(group, "timing_type")
        if kind.startswith(("min_pulse", "minimum_period", "skew", "three_state", "non_seq")):
            wanted = ()
        return {
            "related": text_of(group, "related_pin").split(),
            "type": kind or "combinational",
            "sense": text_of(group, "timing_sense"),
            "when": text_of(group, "when"),
            "tables": {
                name: self._table(table, TIMING, self.units["time_unit"])
                for name in wanted
                for table in group.get_groups(name)[:1]
            },
        }

    def _power(self, group: Any) -> list[dict[str, Any]]:
        common = {
            "related": text_of(group, "related_pin").split(),
            "when": text_of(group, "when"),
            "rail": text_of(group, "related_pg_pin"),
        }
        both = [self._table(each, POWER, self.energy) for each in group.get_groups("power")[:1]]
        tables = {
            edge: [
                self._table(each, POWER, self.energy)
                for each in group.get_groups(f"{edge}_power")[:1]
            ]
            or both
            for edge in ("rise", "fall")
        }
        if not any(tables.values()):
            return []
        return [common | {edge: found[0] if found else None for edge, found in tables.items()}]

    def _table(self, group: Any, kind: str, unit: float) -> dict[str, Any]:
        """Axes x and y (see Table), whatever their order in the template."""
        named = name_of(group.args[0]) if group.args else ""
        found = (self.templates.get((each, named)) for each in (kind, TIMING, POWER))
        template = next((each for each in found if each is not None), None)
        if template is None and named not in ("", "scalar"):
            raise FlowError(f"no {kind} {named!r}; add it to the library")
        rows = [floats_of(each) for each in list_of(group, "values")]
        names = [] if template is None else [text_of(template, f"variable_{n}") for n in (1, 2, 3)]
        names = [name for name in names if name]
        strange = [name for name in names if name not in (*X, *Y)]
        if strange or len(set(names)) > 2:
            raise _UnusableError(f"its {group.group_name} is over {', '.join(names)}")
        axes = [
            floats_of(list_of(group, f"index_{n + 1}") or list_of(template, f"index_{n + 1}"))
            for n in range(len(names))
        ]
        sizes = [len(axis) for axis in axes]
        flat = [value * unit for row in rows for value in row]
        expected = 1
        for size in sizes:
            expected *= size
        if len(flat) != expected:
            raise FlowError(
                f"table {group.group_name} of template {group.args} has {len(flat)} values "
                f"over {list(zip(names, sizes, strict=True))}; expected one over slew and load"
            )
        scaled = {
            "x" if name in X else "y": [value * self._axis_unit(name) for value in axis]
            for name, axis in zip(names, axes, strict=True)
        }
        if len(scaled) != len(names):
            raise FlowError(f"template {group.args} has one variable twice: {names}")
        x, y = scaled.get("x", [0.0]), scaled.get("y", [0.0])
        if any(b <= a for axis in (x, y) for a, b in pairwise(axis)):
            raise FlowError(f"table {group.group_name} has an index that does not grow")
        by_x = len(names) == 2 and names[0] in X
        step = (len(y), 1) if by_x or len(names) < 2 else (1, len(x))
        return {
            "x": x,
            "y": y,
            "values": [
                [flat[i * step[0] + j * step[1]] for j in range(len(y))] for i in range(len(x))
            ],
        }

    def _axis_unit(self, name: str) -> float:
        unit = "capacitive_load_unit" if name.endswith("capacitance") else "time_unit"
        return self.units[unit]
