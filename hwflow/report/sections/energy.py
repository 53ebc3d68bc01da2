"""Energy, and energy against ACE."""

from __future__ import annotations

from typing import Any

from hwflow.report.blocks import Cell, Figure, Section, Table, absent, percent, significant
from hwflow.report.charts import BLUE, GREEN, ORANGE, PURPLE, RED, THIN, chart, palette
from hwflow.report.document import Document, present

COLOURS = (BLUE, RED, GREEN, PURPLE, ORANGE)
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross")
MICRO = 1e6


def section(document: Document) -> Section:
    """Energy by kind of work and by layer, for each library, and layers' energies against their ACE."""
    part = present(document, "energy")
    if part is None:
        return absent("energy", "Energy against ACE", document["parts"]["energy"])
    libraries = part["libraries"]
    kinds = list(libraries[0]["kinds"])
    evidence = part["evidence"]
    names = [each["library"] for each in libraries]
    by_kind: list[list[Cell]] = []
    for kind in kinds:
        row: list[Cell] = [kind]
        for each in libraries:
            found = each["kinds"].get(kind, {"mean": 0.0})
            row += [_micro(found["mean"]), percent(found["mean"] / each["total"]["mean"], 1)]
        by_kind.append(row)
    whole: list[Cell] = ["all"]
    for each in libraries:
        whole += [_interval(each["total"]), "100%"]
    by_kind.append(whole)
    layers: list[list[Cell]] = []
    for at, layer in enumerate(libraries[0]["layers"]):
        ace = sum(layer["ace"].values())
        row = [layer["layer"], layer["name"], ace]
        for each in libraries:
            energy = each["layers"][at]["total"]["mean"]
            row += [_micro(energy), significant(energy / ace * 1e15) if ace else ""]
        layers.append(row)
    assumptions = [
        f"{e['library']}: {line}" for e in libraries for line in e.get("assumptions", ())
    ]
    return Section(
        id="energy",
        title="Energy against ACE",
        intro="An estimate of one image: counters times energies of units at gate level, memory "
        "accesses times published ones.",
        command=part["command"],
        figures=[_kinds(libraries, kinds, evidence), _against(libraries, evidence)],
        tables=[
            Table(
                id="energy-kinds",
                caption="Microjoules an image by kind of work",
                columns=["kind", *(text for name in names for text in (f"{name} µJ", "share"))],
                rows=by_kind,
                evidence=evidence,
            ),
            Table(
                id="energy-layers",
                caption="Microjoules of each layer, and femtojoules for each of its ACE",
                columns=[
                    "layer",
                    "name",
                    "ACE",
                    *(text for name in names for text in (f"{name} µJ", "fJ/ACE")),
                ],
                rows=layers,
                evidence=evidence,
                left=2,
            ),
        ],
        notes=assumptions,
    )


def _micro(joules: float) -> str:
    return significant(MICRO * joules)


def _interval(found: dict[str, float]) -> str:
    half = (found["high"] - found["low"]) / 2
    return f"{_micro(found['mean'])} ± {significant(MICRO * half, 2)}"


def _kinds(libraries: list[dict[str, Any]], kinds: list[str], evidence: list[str]) -> Figure:
    data = [
        {"kind": kind, "library": each["library"], "energy": MICRO * each["kinds"][kind]["mean"]}
        for each in libraries
        for kind in kinds
        if kind in each["kinds"]
    ]
    colours = _colours(libraries)
    spec = chart(
        data,
        max(12 * len(libraries), 30) * len(kinds),
        mark={"type": "bar", **THIN},
        encoding={
            "y": {"field": "kind", "type": "nominal", "sort": kinds, "title": None},
            "yOffset": {"field": "library", "sort": list(colours)},
            "x": {"field": "energy", "type": "quantitative", "title": "µJ an image"},
            "color": palette(colours, field="library"),
            "tooltip": [
                {"field": "kind", "title": "kind"},
                {"field": "library", "title": "library"},
                {"field": "energy", "title": "µJ", "format": ".3~g"},
            ],
        },
    )
    return Figure(
        id="energy-plot",
        title="Energy of an image by kind of work",
        about="Bars for each kind of work, one a cell library. The table has the same numbers.",
        spec=spec,
        evidence=evidence,
    )


def _against(libraries: list[dict[str, Any]], evidence: list[str]) -> Figure:
    data = [
        {
            "layer": str(layer["layer"]),
            "name": layer["name"],
            "library": each["library"],
            "ace": sum(layer["ace"].values()),
            "energy": MICRO * layer["total"]["mean"],
        }
        for each in libraries
        for layer in each["layers"]
        if sum(layer["ace"].values()) and layer["total"]["mean"] > 0
    ]
    colours = _colours(libraries)
    shapes = {name: SHAPES[at % len(SHAPES)] for at, name in enumerate(colours)}
    log = {
        "type": "quantitative",
        "scale": {"type": "log"},
        "axis": {"format": "~s"},
    }
    micro = {**log, "axis": {"format": "~g"}}
    x, y = (
        {"field": "ace", **log, "title": "ACE of the layer"},
        {"field": "energy", **micro, "title": "µJ"},
    )
    spec = chart(
        data,
        340,
        layer=[
            {
                "mark": {"type": "point", "filled": True, "size": 60, **THIN},
                "encoding": {
                    "x": x,
                    "y": y,
                    "color": palette(colours, field="library"),
                    "shape": {
                        "field": "library",
                        "type": "nominal",
                        "scale": {"domain": list(shapes), "range": list(shapes.values())},
                    },
                    "tooltip": [
                        {"field": "name", "title": "layer"},
                        {"field": "ace", "title": "ACE", "format": ","},
                        {"field": "energy", "title": "µJ", "format": ".3~g"},
                    ],
                },
            },
            {
                "mark": {"type": "text", "dx": 9, "dy": -7, "fontSize": 10},
                "encoding": {"x": x, "y": y, "text": {"field": "layer"}},
            },
        ],
    )
    return Figure(
        id="energy-ace-plot",
        title="Energy of each layer against its ACE",
        about="A scatter plot on logarithmic axes, a point a layer, a shape a library; where "
        "ACE predicts energy the points of "
        "one library lie on a line of slope 1. The table has the same numbers.",
        spec=spec,
        evidence=evidence,
    )


def _colours(libraries: list[dict[str, Any]]) -> dict[str, str]:
    return {each["library"]: COLOURS[at % len(COLOURS)] for at, each in enumerate(libraries)}
