"""The memory map over time: which rows of which memory hold which tensor, from cycle to cycle."""

from __future__ import annotations

from typing import Any

from hwflow.report.blocks import Cell, Figure, Section, Table, absent, percent, shape
from hwflow.report.charts import BLUE, GREEN, ORANGE, PURPLE, SKY, chart, window, windowed
from hwflow.report.document import Document, present

COLOURS = {"bit": SKY, "byte": PURPLE, "main": BLUE, "side": GREEN, "pool": ORANGE}


def section(document: Document) -> Section:
    """A plot a memory in use, and a table of tensors."""
    part = present(document, "memory")
    if part is None:
        return absent("memory", "Memory map over time", document["parts"]["memory"])
    memories: list[list[Cell]] = []
    figures: list[Figure] = []
    last = max((t["end"] for t in part["tensors"]), default=0)
    for memory in part["memories"]:
        held = [t for t in part["tensors"] if t["memory"] == memory["name"] and t["rows"]]
        peak, at = _peak(held)
        share = percent(peak / memory["rows"], 1) if memory["rows"] else ""
        size = memory["rows"] * memory["row_bytes"]
        memories.append([memory["name"], at, memory["rows"], peak, share, size])
        if held:
            figures.append(_figure(memory, held, last, part["evidence"]))
    rows: list[list[Cell]] = [
        [
            t["name"],
            t["memory"],
            shape(t["shape"]),
            f"{t['base']}-{t['base'] + t['rows'] - 1}" if t["rows"] else "",
            f"{t['resident']} of {t['words']}",
            t["bytes"],
            t["begin"],
            t["end"],
        ]
        for t in part["tensors"]
    ]
    return Section(
        id="memory",
        title="Memory map over time",
        intro="A box is a tensor: its rows of every bank, from the first cycle of the layer "
        "that writes it to the last cycle of "
        "the layer that reads it last. Where boxes overlap, a layer writes over what it reads.",
        command=part["command"],
        figures=figures,
        tables=[
            Table(
                id="memories",
                caption="Memories of feature maps: rows of a bank, and most of them in use at once",
                columns=["memory", "most used by layer", "rows", "peak", "share", "bytes"],
                rows=memories,
                evidence=part["evidence"],
                left=2,
            ),
            Table(
                id="tensors",
                caption="Tensors; words of a pixel beyond those on chip are in external memory",
                columns=[
                    "tensor",
                    "memory",
                    "shape",
                    "rows",
                    "words on chip",
                    "bytes",
                    "from cycle",
                    "to cycle",
                ],
                rows=rows,
                evidence=part["evidence"],
                left=5,
            ),
        ],
    )


def _peak(held: list[dict[str, Any]]) -> tuple[int, str]:
    """Most rows in use in one layer, and its number."""
    best, where = 0, ""
    for layer in sorted({t["first"] for t in held}):
        live = {(t["base"], t["rows"]) for t in held if t["first"] <= layer <= t["last"]}
        rows = sum(rows for _, rows in live)
        if rows > best:
            best, where = rows, "host" if layer < 0 else str(layer)
    return best, where


def _alone(tensor: dict[str, Any], held: list[dict[str, Any]]) -> tuple[int, int]:
    """From when to when nothing else is in the tensor's rows; while it is written, what it replaces is still read."""
    begin, end = tensor["begin"], tensor["end"]
    for other in held:
        apart = (
            other["base"] >= tensor["base"] + tensor["rows"]
            or tensor["base"] >= other["base"] + other["rows"]
        )
        if other is tensor or apart:
            continue
        if other["begin"] <= tensor["begin"] < other["end"]:
            begin = max(begin, other["end"])
        elif tensor["begin"] < other["begin"] < tensor["end"]:
            end = min(end, other["begin"])
    return begin, max(begin, end)


def _figure(
    memory: dict[str, Any], held: list[dict[str, Any]], last: int, evidence: list[str]
) -> Figure:
    data = [
        {
            "tensor": t["name"],
            "x": t["begin"],
            "x2": t["end"],
            "free": free,
            "free2": free2,
            "middle": (free + free2) / 2,
            "y": t["base"],
            "y2": t["base"] + t["rows"],
            "centre": t["base"] + t["rows"] / 2,
        }
        for t in held
        for free, free2 in [_alone(t, held)]
    ]
    x = windowed("x", "cycle of the frame")
    y = {
        "type": "quantitative",
        "title": "row",
        "scale": {"domain": [0, memory["rows"]], "nice": False},
    }
    wide = "(datum.free2 - datum.free) / (high - low) * width > 6.2 * length(datum.tensor)"
    tall = f"(datum.y2 - datum.y) / {memory['rows']} * height > 11"
    spec = chart(
        data,
        150,
        params=window(last),
        layer=[
            {
                "mark": {
                    "type": "rect",
                    "clip": True,
                    "color": COLOURS[memory["name"]],
                    "fillOpacity": 0.35,
                    "stroke": "currentColor",
                    "strokeWidth": 0.8,
                },
                "encoding": {
                    "x": x,
                    "x2": {"field": "x2"},
                    "y": {"field": "y", **y},
                    "y2": {"field": "y2"},
                    "tooltip": [
                        {"field": "tensor", "title": "tensor"},
                        {"field": "y", "title": "first row", "format": ","},
                        {"field": "y2", "title": "end row", "format": ","},
                        {"field": "x", "title": "from cycle", "format": ","},
                        {"field": "x2", "title": "to cycle", "format": ","},
                    ],
                },
            },
            {
                "mark": {"type": "text", "fontSize": 10, "clip": True},
                "encoding": {
                    "x": {**x, "field": "middle"},
                    "y": {"field": "centre", **y},
                    "text": {
                        "condition": {"test": f"{wide} && {tall}", "field": "tensor"},
                        "value": "",
                    },
                },
            },
        ],
    )
    name = memory["name"]
    return Figure(
        id=f"memory-{name}",
        title=f"{name.capitalize()} memory: {memory['rows']:,} rows of {memory['row_bytes']} "
        "bytes over all banks",
        about=f"{len(held)} tensors as boxes, cycles across, rows of the {name} memory upwards. "
        "The table lists them.",
        spec=spec,
        evidence=evidence,
        zoom=True,
    )
