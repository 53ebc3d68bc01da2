"""What a board took."""

from __future__ import annotations

from typing import Any

from hwflow.report.blocks import Cell, Section, Table, absent
from hwflow.report.document import Document, present

TITLE = "Energy measured on a board"


def section(document: Document) -> Section:
    """Energies of runs and of layers with their intervals, and the power of each phase of the log."""
    part = present(document, "measurement")
    if part is None:
        return absent("measurement", TITLE, document["parts"].get("measurement", GONE))
    energies: list[list[Cell]] = []
    phases: list[list[Cell]] = []
    notes: list[str] = []
    for at, record in enumerate(part["records"], 1):
        for each in record["energies"]:
            names = ("active", "configured", "total")
            cells = [_interval(each[name]) for name in names]
            of = each["layer"] or each["scope"]
            energies.append([at, of, each["runs"], f"{each['cycles']:,.1f}", *cells])
        for each in record["phases"]:
            numbers = [each[name] for name in ("mean_w", "std_w", "min_w", "max_w")]
            shown = [f"{number:.4f}" for number in numbers]
            phases.append([at, each["kind"], each["name"], each["samples"], *shown])
        meter, aligned = record["meter"], record["alignment"]
        notes.append(
            f"Log {at}: {meter['name']} {meter['channel']}, {record['samples']:,} samples at "
            f"{record['sample_rate_hz']:g} a second, {record['missing']:,} missing; gain within "
            f"{100 * meter['gain_limit']:g}%, offset within {1e3 * meter['offset_limit_w']:g} mW; aligned by "
            f"{aligned['method']} to {1e3 * aligned['standard_error_s']:.3g} ms; clock {record['clock_hz'] / 1e6:g} MHz; "
            f"SHA-256 of the log {record['log_hash'][:12]}."
        )
    columns = ("above waiting", "configured, waiting", "everything on the rail")
    return Section(
        id="measurement",
        title=TITLE,
        intro="Microjoules of one run, or of one more pass of a layer, with 95% intervals (evidence: board).",
        command=part["command"],
        tables=[
            Table(
                id="measured-energy",
                caption="Microjoules on the measured rail",
                columns=["log", "of", "runs", "cycles", *columns],
                rows=energies,
                evidence=part["evidence"],
                left=2,
            ),
            Table(
                id="measured-phases",
                caption="Watts in each phase of the log",
                columns=["log", "phase", "markers", "samples", "mean", "std", "least", "most"],
                rows=phases,
                evidence=part["evidence"],
                left=3,
            ),
        ],
        notes=notes,
    )


GONE = {"missing": "not known to the report", "command": "hwflow report --measurement FILE"}
"""Of a document that was written before there was such a part."""


def _interval(found: dict[str, Any] | None) -> str:
    if found is None:
        return "not measured"
    return f"{1e6 * found['mean']:,.4f} ± {5e5 * (found['high'] - found['low']):,.4f}"
