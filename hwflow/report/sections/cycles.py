"""Where the cycles go by layer and cause, how the units are used, and the roofline."""

from __future__ import annotations

from typing import Any

from hwflow.report.blocks import Cell, Figure, Section, Table, absent, percent
from hwflow.report.charts import BLUE, CAUSES, GREY, LAYERS, PURPLE, RED, THIN, chart, palette
from hwflow.report.document import Document, present
from hwflow.report.labels import point_labels


def section(document: Document) -> Section:
    """Cycles by cause."""
    part = present(document, "cycles")
    if part is None:
        return absent("cycles", "Cycles by cause", document["parts"]["cycles"])
    data = [
        {"layer": layer["layer"], "name": layer["name"], "cause": cause, "cycles": count, "at": at}
        for layer in part["layers"]
        for at, cause in enumerate(CAUSES)
        if (count := layer["causes"].get(cause))
    ]
    spec = chart(
        data,
        300,
        mark={"type": "bar", **THIN},
        encoding={
            "x": LAYERS,
            "y": {
                "field": "cycles",
                "type": "quantitative",
                "title": "cycles",
                "axis": {"format": "~s"},
            },
            "color": palette(CAUSES, field="cause"),
            "order": {"field": "at"},
            "tooltip": [
                {"field": "name", "title": "layer"},
                {"field": "cause", "title": "cause"},
                {"field": "cycles", "title": "cycles", "format": ","},
            ],
        },
    )
    rows: list[list[Cell]] = [
        [
            layer["layer"],
            layer["name"],
            layer["cycles"],
            *(layer["causes"].get(cause) for cause in CAUSES),
            layer["binds"],
        ]
        for layer in part["layers"]
    ]
    rows.append(["", "frame", part["cycles"], *(part["causes"][c] for c in CAUSES), ""])
    evidence = part["evidence"]
    return Section(
        id="cycles",
        title="Cycles by cause",
        intro="Array, lanes and MACs: the unit that bounds the layer works. Memory, scalar: the "
        "layer waits for data from memory, "
        "or for channel scales. Setup and drain: the layer begins and ends.",
        command=part["command"],
        figures=[
            Figure(
                id="causes-plot",
                title="Cycles of each layer, stacked by cause",
                about="Stacked bars, one a layer; each cause is a part of the bar. The table "
                "has the same numbers.",
                spec=spec,
                evidence=evidence,
            )
        ],
        tables=[
            Table(
                id="causes",
                caption="Cycles of each layer by cause, and the cause that binds",
                columns=["layer", "name", "cycles", *CAUSES, "binds"],
                rows=rows,
                evidence=evidence,
                left=2,
            )
        ],
    )


def _rates(part: dict[str, Any]) -> list[dict[str, Any]]:
    """Per layer: MACs a cycle and MACs a byte."""
    rows: list[dict[str, Any]] = []
    for each in part["layers"]:
        macs = each["binary_macs"] + each["wide_macs"]
        if not macs or not each["cycles"]:
            continue
        rows.append(
            {
                "layer": str(each["layer"]),
                "name": each["name"],
                "unit": "binary array" if each["binary_macs"] else "MAC array",
                "rate": macs / each["cycles"],
                "intensity": macs / max(each["bytes"], 1),
                "used": each["useful"] / each["slots"] if each["slots"] else 0.0,
                "reached": min(each["bound"] / each["cycles"], 1),
                "bytes": each["bytes"],
                "macs": macs,
            }
        )
    return rows


def roofline(document: Document) -> Section:
    """MACs a cycle against MACs a byte, under the roofs of arrays and memory."""
    part = present(document, "operations")
    if part is None:
        return absent("roofline", "Roofline", document["parts"]["operations"])
    rows, roofs, evidence = _rates(part), part["roofs"], part["evidence"]
    shapes = {"binary array": (BLUE, "circle"), "MAC array": (PURPLE, "square")}
    texts = point_labels(rows)
    low = min([row["intensity"] for row in rows], default=1) / 2
    high = max([row["intensity"] for row in rows], default=1) * 2
    lines: list[dict[str, Any]] = []
    for unit in shapes:
        knee = roofs[unit] / roofs["memory"]
        right = max(high, 2 * knee)
        points = sorted({min(low, knee / 2), knee, right})
        lines += [
            {"unit": unit, "x": at, "y": min(roofs[unit], at * roofs["memory"])} for at in points
        ]
    log: dict[str, Any] = {
        "type": "quantitative",
        "scale": {"type": "log", "nice": False, "padding": 12},
        "axis": {"format": "~g"},
    }
    colour = palette({name: each[0] for name, each in shapes.items()}, field="unit")
    spec = chart(
        rows,
        380,
        layer=[
            {
                "data": {"values": lines},
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": {
                    "x": {"field": "x", "title": "MACs a byte from memory", **log},
                    "y": {"field": "y", "title": "MACs a cycle", **log},
                    "color": colour,
                    "strokeDash": {
                        "field": "unit",
                        "type": "nominal",
                        "scale": {"domain": list(shapes), "range": [[1, 0], [6, 3]]},
                        "legend": None,
                    },
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 0.9, **THIN},
                "encoding": {
                    "x": {"field": "intensity", **log},
                    "y": {"field": "rate", **log},
                    "color": colour,
                    "shape": {
                        "field": "unit",
                        "type": "nominal",
                        "scale": {"domain": list(shapes), "range": [s for _, s in shapes.values()]},
                    },
                    "tooltip": [
                        {"field": "name", "title": "layer"},
                        {"field": "rate", "title": "MACs a cycle", "format": ",.1f"},
                        {"field": "intensity", "title": "MACs a byte", "format": ",.1f"},
                    ],
                },
            },
            {
                "data": {"values": texts},
                "mark": {"type": "text", "dx": 7, "dy": -7, "align": "left", "fontSize": 10},
                "encoding": {
                    "x": {"field": "intensity", **log},
                    "y": {"field": "rate", **log},
                    "text": {"field": "text"},
                },
            },
        ],
    )
    table: list[list[Cell]] = [
        [
            row["layer"],
            row["name"],
            row["unit"],
            row["macs"],
            row["bytes"],
            row["intensity"],
            row["rate"],
            percent(row["rate"] / roofs[row["unit"]]),
        ]
        for row in rows
    ]
    return Section(
        id="roofline",
        title="Roofline",
        intro=f"Roofs: {roofs['binary array']:,} binary MACs, {roofs['MAC array']:,} 8-bit MACs "
        "and "
        f"{roofs['memory']:,} bytes from memory a cycle. A layer stands above the memory's roof "
        "where its weights were loaded "
        "while earlier layers ran. MACs of squeeze-and-excite count for the layer they belong to.",
        command=part["command"],
        figures=[
            Figure(
                id="roofline-plot",
                title="MACs a cycle against MACs a byte, a point a layer",
                about="A scatter plot on logarithmic axes: layers of the binary array are "
                "circles under a solid roof, layers of "
                "the MAC array squares under a dashed one. Numbers name layers; the table has "
                "the values.",
                spec=spec,
                evidence=evidence,
            )
        ],
        tables=[
            Table(
                id="roofline-table",
                caption="What each layer reaches",
                columns=[
                    "layer",
                    "name",
                    "unit",
                    "MACs",
                    "bytes",
                    "MACs a byte",
                    "MACs a cycle",
                    "of the roof",
                ],
                rows=table,
                evidence=evidence,
                left=3,
            )
        ],
    )


def utilisation(document: Document) -> Section:
    """Share of the slots with useful work, and of the bound of each layer."""
    part, frame = present(document, "operations"), present(document, "cycles")
    if part is None or frame is None:
        return absent("utilisation", "Utilisation", document["parts"]["operations"])
    rows = _rates(part)
    measures = {"slots with useful work": RED, "cycles of the layer's bound": GREY}
    data = [
        {"layer": int(row["layer"]), "name": row["name"], "what": what, "share": row[field]}
        for row in rows
        for what, field in zip(measures, ("used", "reached"), strict=True)
    ]
    spec = chart(
        data,
        260,
        mark={"type": "bar", **THIN},
        encoding={
            "x": LAYERS,
            "xOffset": {"field": "what", "scale": {"domain": list(measures)}},
            "y": {
                "field": "share",
                "type": "quantitative",
                "title": "share",
                "axis": {"format": "%"},
                "scale": {"domain": [0, 1]},
            },
            "color": palette(
                measures,
                field="what",
                legend={"labelLimit": 260, "columns": {"expr": "width < 500 ? 1 : 2"}},
            ),
            "tooltip": [
                {"field": "name", "title": "layer"},
                {"field": "what", "title": "of"},
                {"field": "share", "title": "share", "format": ".1%"},
            ],
        },
    )
    return Section(
        id="utilisation",
        title="Utilisation",
        intro=f"The frame takes {frame['cycles']:,} cycles to its last logit, "
        f"{percent(frame['utilisation'])} of them its bound "
        f"of {frame['frame_bound']:,}; useful binary MACs fill "
        f"{percent(frame['array_occupancy'])} of the array's slots over the frame.",
        command=part["command"],
        figures=[
            Figure(
                id="utilisation-plot",
                title="Left bar: issued MAC slots with useful work; right bar: the layer's "
                "bound over its cycles",
                about="Two bars a layer, both shares from 0 to 100 percent. The table has the "
                "same numbers.",
                spec=spec,
                evidence=part["evidence"],
            )
        ],
        tables=[
            Table(
                id="utilisation-table",
                caption="Shares by layer",
                columns=["layer", "name", "slots with useful work", "bound / cycles"],
                rows=[
                    [r["layer"], r["name"], percent(r["used"]), percent(r["reached"])] for r in rows
                ],
                evidence=part["evidence"],
                left=2,
            )
        ],
    )
