"""Energies worked out straight from liberty-parser's groups, for circuits that one change at a time goes through.

Shares no code with hwflow.energy: tables by scipy's interpolation, functions by sympy's substitution, events in zero time.
Only for stimuli without glitches and without two changed inputs of one cell at once.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sympy
from liberty.boolean_functions import parse_boolean_function
from liberty.parser import parse_liberty
from scipy.interpolate import RegularGridInterpolator

SCALE = {"ff": 1e-15, "pf": 1e-12, "ps": 1e-12, "ns": 1e-9}
SLEWS = ("input_net_transition", "input_transition_time")

Part = tuple[str, Mapping[str, str]]
"""Cell, pin -> net."""


def text(value: Any) -> str:
    return str(value).strip('"')


@dataclass
class Joules:
    load: float = 0.0
    internal: float = 0.0
    hidden: float = 0.0
    toggles: dict[str, int] = field(default_factory=dict[str, int])


class Hand:
    def __init__(self, paths: Iterable[Path]) -> None:
        self.cells: dict[str, Any] = {}
        self.templates: dict[str, list[str]] = {}
        for path in paths:
            data = path.read_bytes()
            root: Any = parse_liberty(
                (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
            )
            self.time = SCALE[text(root["time_unit"])[1:].lower()]
            self.farad = SCALE[text(root["capacitive_load_unit"][1]).lower()]
            conditions = root.get_groups("operating_conditions")
            self.volt = float(conditions[0]["voltage"] if conditions else root["nom_voltage"])
            for cell in root.get_groups("cell"):
                self.cells[text(cell.args[0])] = cell
            for kind in ("lu_table_template", "power_lut_template"):
                for group in root.get_groups(kind):
                    self.templates[text(group.args[0])] = [group]

    def table(self, group: Any, slew: float, load: float, unit: float) -> float:
        """In seconds or joules; slew and load in s and F."""
        (template,) = self.templates.get(text(group.args[0]), [None])
        values = np.array([[float(v) for v in text(row).split(",")] for row in group["values"]])
        if template is None:
            return values.item() * unit
        names = [text(template[f"variable_{n}"]) for n in (1, 2) if f"variable_{n}" in template]
        axes, at = [], []
        for n, name in enumerate(names, 1):
            source = group if f"index_{n}" in group else template
            axes.append([float(v) for v in text(source[f"index_{n}"][0]).split(",")])
            at.append(slew / self.time if name in SLEWS else load / self.farad)
        grid = values.reshape([len(axis) for axis in axes])
        found = RegularGridInterpolator(axes, grid, bounds_error=False, fill_value=None)(at)
        return float(found.item()) * unit

    def pin(self, cell: str, name: str) -> Any:
        return (
            self.cells[cell].get_group("pin", name)
            if self._plain(cell, name)
            else self._quoted(cell, name)
        )

    def _plain(self, cell: str, name: str) -> bool:
        return bool(self.cells[cell].get_groups("pin", name))

    def _quoted(self, cell: str, name: str) -> Any:
        return next(pin for pin in self.cells[cell].get_groups("pin") if text(pin.args[0]) == name)

    def capacitance(self, cell: str, name: str) -> float:
        return float(self.pin(cell, name).get("capacitance", 0.0)) * self.farad

    def run(
        self,
        circuit: Sequence[Part],
        start: Mapping[str, int],
        events: Sequence[tuple[str, int]],
        slew: Mapping[str, float],
    ) -> Joules:
        """circuit: in topological order. start: input net -> value. events: changes of inputs. slew: of inputs, s."""
        self.circuit, self.values, self.stored = circuit, dict(start), {}
        self.sinks: dict[str, list[tuple[int, str]]] = {}
        for index, (cell, pins) in enumerate(circuit):
            for pin, net in pins.items():
                if text(self.pin(cell, pin)["direction"]) == "input":
                    self.sinks.setdefault(net, []).append((index, pin))
        self.loads = {
            net: sum(self.capacitance(circuit[i][0], pin) for i, pin in sinks)
            for net, sinks in self.sinks.items()
        }
        self.slews = {net: (value, value) for net, value in slew.items()}
        for index, (cell, pins) in enumerate(circuit):
            for group in self.cells[cell].get_groups("ff"):  # as if it had captured 0
                zeros = {text(pin.args[0]): 0 for pin in self.cells[cell].get_groups("pin")}
                zeros |= {text(name): 0 for name in group.args}
                self.stored[index] = int(self.holds(text(group["next_state"]), zeros))
            for pin in self.outputs(index):
                self.values[pins[pin]] = self.output(index, pin)
                self.slews[pins[pin]] = self.slews_of(index, pin)
        self.joules = Joules()
        for net, value in events:
            self.change(net, value)
        return self.joules

    def outputs(self, index: int) -> list[str]:
        cell, pins = self.circuit[index]
        return [pin for pin in pins if text(self.pin(cell, pin)["direction"]) == "output"]

    def state(self, index: int) -> dict[str, int]:
        cell, pins = self.circuit[index]
        values = {pin: self.values.get(net, 0) for pin, net in pins.items()}
        for group in self.cells[cell].get_groups("ff"):
            names = [text(name) for name in group.args]
            values |= {names[0]: self.stored[index], names[1]: 1 - self.stored[index]}
        return values

    def holds(self, function: str, state: Mapping[str, int]) -> bool:
        expression = parse_boolean_function(function)
        values = {
            sympy.Symbol(name): sympy.true if value else sympy.false
            for name, value in state.items()
        }
        return bool(expression.subs(values))

    def output(self, index: int, pin: str) -> int:
        return int(
            self.holds(text(self.pin(self.circuit[index][0], pin)["function"]), self.state(index))
        )

    def slews_of(self, index: int, pin: str) -> tuple[float, float]:
        cell, pins = self.circuit[index]
        worst = [0.0, 0.0]
        for group in self.pin(cell, pin).get_groups("timing"):
            sense, kind = text(group.get("timing_sense")), text(group.get("timing_type"))
            for edge, name in enumerate(("rise_transition", "fall_transition")):
                for table in group.get_groups(name):
                    source = self.slews[pins[text(group["related_pin"])]]
                    inward = {"positive_unate": [edge], "negative_unate": [1 - edge]}.get(
                        sense, [0, 1]
                    )
                    inward = [0] if kind == "rising_edge" else inward
                    for each in inward:
                        load = self.loads.get(pins[pin], 0.0)
                        worst[edge] = max(
                            worst[edge], self.table(table, source[each], load, self.time)
                        )
        return worst[0], worst[1]

    def change(self, net: str, value: int) -> None:
        """The whole consequence of an input's change."""
        todo = [(net, value)]
        while todo:
            net, value = todo.pop(0)
            before = {index: self.state(index) for index, _ in self.sinks.get(net, [])}
            self.values[net] = value
            self.joules.toggles[net] = self.joules.toggles.get(net, 0) + 1
            for index, pin in self.sinks.get(net, []):
                cell = self.circuit[index][0]
                self.joules.load += self.capacitance(cell, pin) * self.volt**2 / 2
                slew = self.slews[net][1 - value]
                groups = self.pin(cell, pin).get_groups("internal_power")
                self.joules.hidden += self.power(groups, before[index], value, slew, 0.0)
                todo += self.follow(index, pin, before[index])

    def follow(self, index: int, pin: str, before: Mapping[str, int]) -> list[tuple[str, int]]:
        cell, pins = self.circuit[index]
        for group in self.cells[cell].get_groups("ff"):
            clocked = text(group["clocked_on"])
            if self.holds(clocked, self.state(index)) and not self.holds(clocked, before):
                self.stored[index] = int(self.holds(text(group["next_state"]), before))
        changed: list[tuple[str, int]] = []
        for out in self.outputs(index):
            value = self.output(index, out)
            if value == self.values[pins[out]]:
                continue
            changed.append((pins[out], value))
            groups = [
                group
                for group in self.pin(cell, out).get_groups("internal_power")
                if pin in text(group["related_pin"]).split()
            ]
            inward = 1 - self.values[pins[pin]]
            slew, load = self.slews[pins[pin]][inward], self.loads.get(pins[out], 0.0)
            self.joules.internal += self.power(groups, self.state(index), value, slew, load)
        return changed

    def power(
        self, groups: Sequence[Any], state: Mapping[str, int], value: int, slew: float, load: float
    ) -> float:
        """Of one edge: summed over rails, by rail the groups whose condition holds, else those without one."""
        total = 0.0
        name = "rise_power" if value else "fall_power"
        for rail in {text(group.get("related_pg_pin")) for group in groups}:
            mine = [
                g for g in groups if text(g.get("related_pg_pin")) == rail and g.get_groups(name)
            ]
            held = [g for g in mine if "when" in g and self.holds(text(g["when"]), state)]
            held = held or [g for g in mine if "when" not in g]
            unit = self.farad
            found = [self.table(g.get_groups(name)[0], slew, load, unit) for g in held]
            total += sum(found) / len(found) if found else 0.0
        return total
