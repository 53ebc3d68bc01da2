"""The figures that a person asks for first; the summary shows them, a comparison lays two builds' beside each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hwflow.energy.measurement import NETWORK
from hwflow.report.document import Document, present


@dataclass(frozen=True, kw_only=True)
class Headline:
    """One figure. value: None where it is missing, `remedy` says what makes it.

    better: -1 where less is better, 1 where more is, 0 where neither.
    """

    key: str
    label: str
    unit: str
    digits: int
    better: int
    value: float | None
    evidence: str
    remedy: str = ""

    @property
    def text(self) -> str:
        """The value with its digits; nothing where it is missing."""
        return "" if self.value is None else f"{self.value:,.{self.digits}f}"


Find = Callable[[dict[str, Any]], Any]
_ROWS: tuple[tuple[str, str, str, str, int, int, str, Find], ...] = (
    ("cycles", "cycles", "Cycles an image", "cycles", 0, -1, "cycle-model", lambda p: p["total"]),
    ("utilisation", "cycles", "Share of the frame bound", "%", 1, 1, "cycle-model",
     lambda p: 100 * p["utilisation"]),
    ("rtl-cycles", "simulation", "Cycles an image in RTL", "cycles", 0, -1, "rtl-sim",
     lambda p: p["cycles"]),
    ("rtl-top1", "simulation", "Top-1 through the RTL", "%", 2, 1, "rtl-sim",
     lambda p: None if p["top1"] is None else 100 * p["top1"]),
    ("float-top1", "accuracy", "Top-1, float model", "%", 2, 1, "float",
     lambda p: 100 * p["float_top1"]),
    ("integer-top1", "accuracy", "Top-1, integer network", "%", 2, 1, "integer",
     lambda p: 100 * p["integer_top1"]),
    ("ace", "ace", "ACE", "", 0, -1, "float", lambda p: p["total_ace"]),
    ("size", "ace", "Size", "bytes", 0, -1, "float", lambda p: p["size_bytes"]),
    ("energy", "energy", "Energy an image", "µJ", 2, -1, "estimate",
     lambda p: 1e6 * p["libraries"][0]["total"]["mean"]),
    ("measured-energy", "measurement", "Energy an image above waiting", "µJ", 2, -1, "board",
     lambda p: _measured(p)),
    ("fmax", "board", "Clock reached", "MHz", 2, 1, "post-route", lambda p: p["fmax_mhz"]),
    ("slack", "board", "Slack", "ns", 2, 1, "post-route", lambda p: p["slack_ns"]),
    ("on-chip", "build", "Memory on chip", "bytes", 0, -1, "integer", lambda p: p["on_chip_bytes"]),
    ("binary-macs", "build", "Binary MACs a cycle", "", 0, 0, "integer", lambda p: p["binary_macs"]),
)  # fmt: skip
"""key, part, label, unit, digits, better, evidence, where it is in the part."""


def headlines(document: Document) -> list[Headline]:
    """Every headline, missing ones too."""
    found: list[Headline] = []
    for key, name, label, unit, digits, better, evidence, find in _ROWS:
        part = present(document, name)
        value = None if part is None else find(part)
        of = ""
        if part and key.endswith("top1"):
            of = f", {part['images']:,} images"
        elif part and key == "energy":
            of = f", {part['libraries'][0]['library']}"
        absent: dict[str, Any] = document["parts"].get(name, {}) if part is None else {}
        remedy = f"{absent['missing']}: {absent['command']}" if absent else ""
        found.append(
            Headline(
                key=key,
                label=label + of,
                unit=unit,
                digits=digits,
                better=better,
                value=None if value is None else float(value),
                evidence=part["evidence"][0] if part and name == "cycles" else evidence,
                remedy=remedy,
            )
        )
    found += _resources(document)
    return found


def _measured(part: dict[str, Any]) -> float | None:
    """Microjoules above waiting of one run of the network, of the first record that has it."""
    energies = [energy for record in part["records"] for energy in record["energies"]]
    runs = [each["active"]["mean"] for each in energies if each["scope"] == NETWORK]
    return 1e6 * runs[0] if runs else None


def frames_per_second(document: Document) -> float | None:
    """Images a second at the clock asked for; None without a board, or where that clock is missed."""
    cycles, board = present(document, "cycles"), present(document, "board")
    if cycles is None or board is None or board["slack_ns"] < 0:
        return None
    return float(board["clock_hz"] / (cycles["total"] + 1))


def _resources(document: Document) -> list[Headline]:
    board = present(document, "board")
    if board is None:
        return []
    rows = [
        Headline(
            key=f"board-{name.lower()}",
            label=f"{name} of {each['available']:,}",
            unit="",
            digits=0,
            better=-1,
            value=float(each["used"]),
            evidence="post-route",
        )
        for name, each in board["utilisation"].items()
    ]
    rate = frames_per_second(document)
    if rate is not None:
        speed = Headline(
            key="fps",
            label=f"Images a second at {board['clock_hz'] / 1e6:g} MHz",
            unit="1/s",
            digits=1,
            better=1,
            value=rate,
            evidence="estimate",
        )
        rows.insert(0, speed)
    return rows
