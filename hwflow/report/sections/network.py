"""The network as a graph: layers from top to bottom, local shortcuts on the left, long ones on the right."""

from __future__ import annotations

from typing import Any

from hwflow.report.blocks import Figure, Section, Table, absent, shape
from hwflow.report.charts import BLUE, GREEN, PURPLE, chart
from hwflow.report.document import Document, present

KINDS = {"local": "local shortcut", "long": "long shortcut"}
ROW = 24
"""Pixels of a layer."""


def section(document: Document) -> Section:
    """The graph, and a table of layers."""
    part = present(document, "network")
    if part is None:
        return absent("network", "Network", document["parts"]["network"])
    into: dict[int, dict[str, str]] = {}
    for each in part["shortcuts"]:
        into.setdefault(each["to"], {})[each["kind"]] = str(each["from"])
    rows = [
        [
            layer["layer"],
            layer["name"],
            layer["kind"],
            f"{layer['kernel']}x{layer['kernel']}" if layer["kernel"] else "",
            layer["stride"] or None,
            shape(layer["in"]),
            shape(layer["out"]),
            into.get(layer["layer"], {}).get("local", ""),
            into.get(layer["layer"], {}).get("long", ""),
        ]
        for layer in part["layers"]
    ]
    return Section(
        id="network",
        title="Network",
        intro="A local shortcut adds a convolution's input to its output, a long one the input "
        "of its block.",
        command=part["command"],
        figures=[_graph(part)],
        tables=[
            Table(
                id="layers",
                caption="Layers; shapes are height x width x channels; shortcuts name the layer "
                "that they come from",
                columns=[
                    "layer",
                    "name",
                    "kind",
                    "kernel",
                    "stride",
                    "input",
                    "output",
                    "local from",
                    "long from",
                ],
                rows=rows,
                evidence=part["evidence"],
                left=3,
            )
        ],
    )


def _graph(part: dict[str, Any]) -> Figure:
    order = {layer["layer"]: index for index, layer in enumerate(part["layers"])}
    boxes = [
        {
            "y": order[layer["layer"]],
            "top": order[layer["layer"]] - 0.36,
            "bottom": order[layer["layer"]] + 0.36,
            "left": -1,
            "right": 1,
            "text": f"{layer['layer']}  {layer['name']}  {shape(layer['out'])}",
        }
        for layer in part["layers"]
    ]
    lines: list[dict[str, Any]] = []
    for index, each in enumerate(part["shortcuts"]):
        begin, end = order[each["from"]] + 0.15, order[each["to"]] - 0.15
        side, reach = (-1, 0.25) if each["kind"] == "local" else (1, 0.55)
        for step, (out, at) in enumerate(
            ((0, begin), (reach, begin + 0.1), (reach, end - 0.1), (0, end))
        ):
            line = {"edge": index, "step": step, "x": side * (1 + out), "y": at}
            lines.append({**line, "kind": KINDS[each["kind"]]})
    links = [
        {"x": 0, "top": order[a["layer"]] + 0.36, "bottom": order[b["layer"]] - 0.36}
        for a, b in zip(part["layers"], part["layers"][1:], strict=False)
    ]
    heads = [line for line in lines if line["step"] == 3]
    across: dict[str, Any] = {
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": [-1.7, 1.7], "nice": False},
    }
    down: dict[str, Any] = {
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": [-0.6, len(boxes) - 0.4], "reverse": True, "nice": False},
    }
    kind = {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": list(KINDS.values()), "range": [GREEN, PURPLE]},
    }
    spec = chart(
        boxes,
        ROW * (len(boxes) + 1),
        layer=[
            {
                "data": {"values": links},
                "mark": {"type": "rule", "opacity": 0.6},
                "encoding": {
                    "x": {"field": "x", **across},
                    "y": {"field": "top", **down},
                    "y2": {"field": "bottom"},
                },
            },
            {
                "mark": {
                    "type": "rect",
                    "cornerRadius": 4,
                    "color": BLUE,
                    "fillOpacity": 0.18,
                    "stroke": BLUE,
                },
                "encoding": {
                    "x": {"field": "left", **across},
                    "x2": {"field": "right"},
                    "y": {"field": "top", **down},
                    "y2": {"field": "bottom"},
                },
            },
            {
                "data": {"values": lines},
                "mark": {"type": "line", "interpolate": "basis", "strokeWidth": 2},
                "encoding": {
                    "x": {"field": "x", **across},
                    "y": {"field": "y", **down},
                    "order": {"field": "step"},
                    "detail": {"field": "edge"},
                    "color": kind,
                    "strokeDash": {
                        "field": "kind",
                        "type": "nominal",
                        "scale": {"domain": list(KINDS.values()), "range": [[1, 0], [5, 3]]},
                    },
                },
            },
            {
                "data": {"values": heads},
                "mark": {"type": "point", "filled": True, "size": 30, "opacity": 1},
                "encoding": {
                    "x": {"field": "x", **across},
                    "y": {"field": "y", **down},
                    "color": kind,
                },
            },
            {
                "mark": {"type": "text", "limit": {"expr": "width * 0.58"}},
                "encoding": {
                    "x": {"datum": 0, **across},
                    "y": {"field": "y", **down},
                    "text": {"field": "text"},
                },
            },
        ],
    )
    local = sum(each["kind"] == "local" for each in part["shortcuts"])
    return Figure(
        id="graph",
        title="Layers and shortcuts, with the shape of each output",
        about=f"{len(boxes)} layers from top to bottom; {local} local shortcuts drawn solid on "
        "the left, "
        f"{len(part['shortcuts']) - local} long ones dashed on the right. The table lists them.",
        spec=spec,
        evidence=part["evidence"],
    )
