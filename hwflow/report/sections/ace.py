"""ACE, and its reconciliation with what the schedule and the hardware execute."""

from __future__ import annotations

from typing import Any

from hwflow.report.blocks import Cell, Figure, Section, Table, absent
from hwflow.report.charts import BLUE, GREY, LAYERS, ORANGE, RED, SKY, THIN, chart, palette
from hwflow.report.document import Document, present

SLOTS = {
    "useful": BLUE,
    "masked": SKY,
    "k_padding": ORANGE,
    "channel_padding": RED,
    "pixel_padding": GREY,
}
"""Kinds of MAC slots; ACE counts the first two."""
TITLES = {
    "useful": "useful",
    "masked": "masked taps",
    "k_padding": "beyond the last input channel",
    "channel_padding": "beyond the last output channel",
    "pixel_padding": "beyond the last pixel",
}


COLUMNS = ("layer", "operation", "bits", "ACE MACs", "useful", "masked", "unexplained", "ACE",
           "slots", "slots unexplained")  # fmt: skip


def section(document: Document) -> Section:
    """ACE by operation and by width, slots by kind, bytes moved, and whether all is explained."""
    ace, part = present(document, "ace"), present(document, "reconciliation")
    if ace is None or part is None:
        return absent("ace", "ACE reconciliation", document["parts"]["ace"])
    evidence = part["evidence"]
    operations: list[list[Cell]] = [
        [
            r["layer"],
            r["operation"],
            r["bits"],
            r["ace_macs"],
            r["useful"],
            r["masked"],
            r["unexplained_macs"],
            r["ace"],
            r["slots"],
            r["unexplained_slots"],
        ]
        for r in part["operations"]
    ]
    classes: list[list[Cell]] = [
        [
            f"{r['bits']}-bit weights",
            r["macs"],
            r["useful"],
            r["masked"],
            r["elided"],
            r["unexplained"],
            r["ace"],
        ]
        for r in part["classes"]
    ]
    moved: list[list[Cell]] = [
        [r["kind"], r["scheduled"], "not simulated" if r["measured"] is None else r["measured"]]
        for r in part["bytes"]
    ]
    beside: list[list[Cell]] = [
        [name.replace("_", " "), count] for name, count in ace["elementwise"].items()
    ]
    counters = (
        f"the counters of {part['images']} images agree" if part["images"] else "not simulated"
    )
    notes = [f"Unexplained: {problem}" for problem in part["problems"]] or [
        "Everything is explained: ACE's MACs are useful or masked ones of the schedule; "
        f"{counters}."
    ]
    return Section(
        id="ace",
        title="ACE reconciliation",
        intro=f"{ace['total_ace']:,} ACE (MACs x bits of weights x bits of activations), CPU64 "
        f"{ace['cpu64']:,.0f}, "
        f"size {ace['size_bytes']:,.0f} bytes (evidence: float).",
        command=part["command"],
        figures=[_figure(part)],
        tables=[
            Table(
                id="classes",
                caption="By width of the weights: MACs = useful + masked + elided",
                columns=["class", "MACs", "useful", "masked", "elided", "unexplained", "ACE"],
                rows=classes,
                evidence=evidence,
            ),
            Table(
                id="operations",
                caption="By operation: MACs of ACE, slots that the schedule issues, what is "
                "left over",
                columns=COLUMNS,
                rows=operations,
                evidence=evidence,
                left=3,
            ),
            Table(
                id="bytes",
                caption="Bytes moved an image: scheduled (cycle-model), measured (rtl-sim)",
                columns=["kind", "scheduled", "measured"],
                rows=moved,
                evidence=[level for level in evidence if level != "float"],
            ),
            Table(
                id="elementwise",
                caption="What ACE does not count: elementwise operations an image",
                columns=["class", "operations"],
                rows=beside,
                evidence=ace["evidence"],
            ),
        ],
        notes=notes,
    )


def _figure(part: dict[str, Any]) -> Figure:
    layers: dict[int, dict[str, int]] = {}
    for row in part["operations"]:
        sums = layers.setdefault(row["layer"], dict.fromkeys(SLOTS, 0))
        for kind in SLOTS:
            sums[kind] += row[kind]
    data = [
        {"layer": layer, "kind": TITLES[kind], "slots": count, "at": at}
        for layer, sums in layers.items()
        for at, (kind, count) in enumerate(sums.items())
        if count
    ]
    colours = {TITLES[kind]: colour for kind, colour in SLOTS.items()}
    legend = {"columns": {"expr": "width < 500 ? 1 : 3"}, "labelLimit": 260}
    spec = chart(
        data,
        260,
        mark={"type": "bar", **THIN},
        encoding={
            "x": LAYERS,
            "y": {
                "field": "slots",
                "type": "quantitative",
                "title": "MAC slots",
                "axis": {"format": "~s"},
            },
            "color": palette(colours, field="kind", legend=legend),
            "order": {"field": "at"},
            "tooltip": [
                {"field": "layer", "title": "layer"},
                {"field": "kind", "title": "slots"},
                {"field": "slots", "title": "count", "format": ","},
            ],
        },
    )
    return Figure(
        id="slots-plot",
        title="MAC slots issued in each layer, by what they hold",
        about="Stacked bars, one a layer: useful products, masked taps, and three kinds of "
        "padding. ACE counts the first two.",
        spec=spec,
        evidence=part["evidence"],
    )
