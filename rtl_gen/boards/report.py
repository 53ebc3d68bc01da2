"""What a bitstream takes and how fast it is: cells by unit, clock, critical path by unit."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from typing import Any

from rtl_gen.boards.board import Part
from rtl_gen.synthesis.resources import Resources

DEPTH = 4
"""Levels of the hierarchy that a report tells apart, e.g. core.accelerator.front_end.binary_array."""


def unit_of(cell: str, units: Mapping[str, object]) -> str:
    """The unit whose path a cell's name begins with: the longest of `units`; "" if there is none."""
    dots = [at for at, letter in enumerate(cell) if letter == "."]
    return next((cell[:dot] for dot in reversed(dots) if cell[:dot] in units), "")


def shortened(unit: str) -> str:
    """A unit's path to `DEPTH` levels, or `top`."""
    return ".".join(unit.split(".")[:DEPTH]) or "top"


def resources_by_unit(cells: Mapping[str, Counter[str]]) -> dict[str, Resources]:
    """Counts of `rtl_gen.synthesis.resources.cells_by_unit`, to `DEPTH` levels, largest first."""
    found: dict[str, Resources] = {}
    for unit, counts in cells.items():
        name = shortened(unit)
        found[name] = found.get(name, Resources()) + Resources.of(counts)
    return dict(sorted(found.items(), key=lambda item: (-item[1].luts, item[0])))


def array_luts(cells: Mapping[str, Counter[str]], binary_macs: int) -> tuple[Resources, float]:
    """The binary array with its accumulators, weights and deskew memories, and its LUT4 per binary MAC a cycle."""
    total = Resources()
    for unit, counts in cells.items():
        if "binary_array" in unit.split("."):
            total += Resources.of(counts)
    return total, total.luts / binary_macs


def slowest_clock(report: Mapping[str, Any]) -> tuple[str, float]:
    """Net of the slowest clock and its MHz, as nextpnr found after routing."""
    clocks = {name: float(clock["achieved"]) for name, clock in report["fmax"].items()}
    name = min(clocks, key=lambda clock: (clocks[clock], clock))
    return name, clocks[name]


def critical_path(report: Mapping[str, Any], units: Mapping[str, object]) -> list[dict[str, Any]]:
    """The slowest path from register to register, one entry a unit it goes through.

    Entries: unit, from and to (cells), logic_ns, routing_ns; clock-to-output and set-up count as logic.
    """
    name, _ = slowest_clock(report)
    paths = [
        path
        for path in report["critical_paths"]
        if path["from"].endswith(f" {name}") and path["to"].endswith(f" {name}")
    ]
    if not paths:
        return []
    found: list[dict[str, Any]] = []
    steps = paths[0]["path"]
    for unit, group in itertools.groupby(
        steps, key=lambda step: shortened(unit_of(step["to"]["cell"], units))
    ):
        parts = list(group)
        sums = {
            kind: sum(part["delay"] for part in parts if (part["type"] == "routing") == routing)
            for kind, routing in (("logic_ns", False), ("routing_ns", True))
        }
        found.append(
            {
                "unit": unit,
                "from": parts[0]["from"]["cell"],
                "to": parts[-1]["to"]["cell"],
                **{kind: round(value, 2) for kind, value in sums.items()},
            }
        )
    return found


def utilisation(total: Resources, part: Part) -> dict[str, dict[str, int]]:
    """What is taken of what the part has, after synthesis."""
    taken = {
        "LUT4": (total.luts, part.lut4),
        "FF": (total.ff, part.ff),
        "EBR": (total.ebr, part.ebr),
        "MULT18X18D": (total.mult, part.mult),
    }
    return {name: {"used": used, "available": there} for name, (used, there) in taken.items()}
