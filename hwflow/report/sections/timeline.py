"""The frame over time: what each unit does, and what the sequencer waits for."""

from __future__ import annotations

from typing import Any

from hwflow.report.blocks import Cell, Figure, Section, Table, absent, percent
from hwflow.report.charts import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    THIN,
    chart,
    window,
    windowed,
)
from hwflow.report.document import Document, present

LAYERS = "layer"
"""The first row."""
FILL = 0.86
"""Height of a bin in which a unit is busy in every cycle, in rows."""


def section(document: Document) -> Section:
    """The timeline, busy and waiting cycles of the frame, and the same by layer."""
    part = present(document, "timeline")
    if part is None:
        return absent("timeline", "Schedule over time", document["parts"]["timeline"])
    cycles = part["cycles"]
    rows: list[list[Cell]] = []
    for group, kind in (("units", "unit at work"), ("waits", "sequencer")):
        for name, bins in part[group].items():
            rows.append([name, kind, sum(bins), percent(sum(bins) / cycles)])
    return Section(
        id="timeline",
        title="Schedule over time",
        intro="Each row shows the share of the cycles of a bin in which a unit is at work, or the "
        "sequencer waits for a cause; its height is that share. The scalar engine is at work while it "
        "has an instruction. Waits are for weights or the image, for scales of channels, for the rate "
        "of the vector lanes, and for activations in external memory.",
        command=part["command"],
        figures=[_figure(part)],
        tables=[
            Table(
                id="busy",
                caption=f"Cycles of the frame's {cycles:,}, start to done",
                columns=["row", "what", "cycles", "share"],
                rows=rows,
                evidence=part["evidence"],
                left=2,
            ),
            Table(
                id="spans",
                caption="First and last cycle of each layer, from the end of the one before",
                columns=["layer", "name", "start", "end"],
                rows=[[e["layer"], e["name"], e["start"], e["end"]] for e in part["layers"]],
                evidence=part["evidence"],
                left=2,
            ),
        ],
    )


def _figure(part: dict[str, Any]) -> Figure:
    width = part["bin_cycles"]
    names = [LAYERS, *part["units"], *part["waits"]]
    colours = [GREY, BLUE, PURPLE, GREEN, ORANGE, RED]
    waits = [RED, ORANGE, GREEN, PURPLE, SKY, GREY]
    colour = dict(zip(names, colours + waits, strict=True))
    data: list[dict[str, Any]] = []
    for name, bins in (part["units"] | part["waits"]).items():
        row = names.index(name)
        shares = [count / width for count in bins]
        shown = [
            (at, share)
            for at, share in enumerate([*shares, 0.0])
            # Only where the height changes: a step lasts until the next.
            if at in (0, len(shares)) or share != shares[at - 1]
        ]
        data += [
            {
                "row": name,
                "x": min(at * width, part["cycles"]),
                "base": row + 0.95,
                "top": round(row + 0.95 - FILL * share, 3),
            }
            for at, share in shown
        ]
    spans = [
        {
            "layer": str(each["layer"]),
            "name": each["name"],
            "x": each["start"],
            "x2": each["end"],
            "middle": (each["start"] + each["end"]) / 2,
            "top": 0.12,
            "bottom": 0.95,
        }
        for each in part["layers"]
    ]
    x = windowed("x", "cycle of the frame")
    label = " : ".join(f"datum.value == {at + 0.5} ? '{name}'" for at, name in enumerate(names))
    y: dict[str, Any] = {
        "type": "quantitative",
        "title": None,
        "scale": {"domain": [0, len(names)], "reverse": True, "nice": False},
        "axis": {
            "values": [at + 0.5 for at in range(len(names))],
            "labelExpr": f"{label} : ''",
            "grid": False,
            "ticks": False,
            "labelLimit": {"expr": "width < 500 ? 118 : 200"},
        },
    }
    wide = "(datum.x2 - datum.x) / (high - low) * width > 8 + 6 * length(datum.layer)"
    spec = chart(
        data,
        34 * len(names),
        params=window(part["cycles"]),
        layer=[
            {
                "mark": {"type": "area", "interpolate": "step-after", "clip": True, **THIN},
                "encoding": {
                    "x": x,
                    "y": {"field": "base", **y},
                    "y2": {"field": "top"},
                    "color": {
                        "field": "row",
                        "type": "nominal",
                        "scale": {"domain": list(colour), "range": list(colour.values())},
                        "legend": None,
                    },
                    "detail": {"field": "row"},
                },
            },
            {
                "data": {"values": spans},
                "mark": {"type": "rect", "clip": True, "color": GREY, "fillOpacity": 0.3, **THIN},
                "encoding": {
                    "x": x,
                    "x2": {"field": "x2"},
                    "y": {"field": "top", **y},
                    "y2": {"field": "bottom"},
                    "tooltip": [
                        {"field": "layer", "title": "layer"},
                        {"field": "name", "title": "name"},
                        {"field": "x", "title": "from cycle", "format": ","},
                        {"field": "x2", "title": "to cycle", "format": ","},
                    ],
                },
            },
            {
                "data": {"values": spans},
                "mark": {"type": "text", "clip": True},
                "encoding": {
                    "x": {**x, "field": "middle"},
                    "y": {"datum": 0.55, **y},
                    "text": {"condition": {"test": wide, "field": "layer"}, "value": ""},
                },
            },
        ],
    )
    return Figure(
        id="timeline-plot",
        title=f"Units at work and waits by cause, bins of {width} cycles",
        about=f"A timeline of {part['cycles']:,} cycles with a row for the layers, a row for "
        "each of "
        f"{len(part['units'])} units and a row for each of {len(part['waits'])} causes of "
        "waiting. The table has the sums.",
        spec=spec,
        evidence=part["evidence"],
        zoom=True,
    )
