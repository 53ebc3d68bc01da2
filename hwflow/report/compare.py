"""Two builds beside each other: headline figures, hashes, target and layers, and what changed."""

from __future__ import annotations

from typing import Any

from hwflow.report.blocks import Cell, Figure, Section, Table, percent
from hwflow.report.charts import BLUE, ORANGE, THIN, chart, palette
from hwflow.report.document import Document, present
from hwflow.report.headline import Headline, headlines

FORMAT = "hwflow-comparison"
VERSION = 1
_VERDICTS = {1: "better", -1: "worse", 0: "changed"}


def compare(first: Document, second: Document) -> dict[str, Any]:
    """What changed from `first` to `second`, JSON-ready.

    figures: every headline, with change = b - a and ratio = b / a (None where either is missing, or a is 0); verdict:
    better, worse, same, changed (neither is better) or missing. layers: cycles of the cycle model, by name.
    """
    before = {each.key: each for each in headlines(first)}
    after = {each.key: each for each in headlines(second)}
    keys = [*before, *(key for key in after if key not in before)]
    return {
        "format": FORMAT,
        "version": VERSION,
        "a": {"network": first["network"], "target": first["target"]["name"]},
        "b": {"network": second["network"], "target": second["target"]["name"]},
        "figures": [_figure(before.get(key), after.get(key)) for key in keys],
        "hashes": _pairs(_hashes(first), _hashes(second)),
        "target": _pairs(first["target"], second["target"]),
        "tools": _pairs(first["parts"]["build"]["tools"], second["parts"]["build"]["tools"]),
        "layers": _layers(first, second),
        "layers_evidence": list(
            dict.fromkeys(
                level for each in (first, second) for level in each["parts"]["cycles"]["evidence"]
            )
        ),
    }


def _figure(a: Headline | None, b: Headline | None) -> dict[str, Any]:
    either = a or b
    assert either is not None
    old, new = a and a.value, b and b.value
    values: dict[str, Any] = {
        "key": either.key,
        "label": either.label,
        "unit": either.unit,
        "digits": either.digits,
        "evidence": either.evidence,
        "a": old,
        "b": new,
        "change": None,
        "ratio": None,
        "verdict": "missing",
    }
    if old is not None and new is not None:
        sign = (new > old) - (new < old)
        values["change"] = new - old
        values["ratio"] = new / old if old else None
        values["verdict"] = _VERDICTS[sign * either.better] if sign else "same"
    return values


def _hashes(document: Document) -> dict[str, str]:
    found = dict(document["parts"]["build"]["hashes"])
    board = present(document, "board")
    return found | ({f"board: {k}": v for k, v in board["sha256"].items()} if board else {})


def _pairs(a: dict[str, Any], b: dict[str, Any]) -> list[dict[str, Any]]:
    names = [*a, *(name for name in b if name not in a)]
    return [
        {"name": name, "a": a.get(name), "b": b.get(name), "same": a.get(name) == b.get(name)}
        for name in names
    ]


def _layers(first: Document, second: Document) -> list[dict[str, Any]]:
    old, new = (
        {layer["name"]: layer for layer in document["parts"]["cycles"]["layers"]}
        for document in (first, second)
    )
    rows: list[dict[str, Any]] = []
    for name in [*old, *(name for name in new if name not in old)]:
        a, b = old.get(name), new.get(name)
        rows.append(
            {
                "name": name,
                "a": a and a["cycles"],
                "b": b and b["cycles"],
                "change": b["cycles"] - a["cycles"] if a and b else None,
                "binds_a": a and a["binds"],
                "binds_b": b and b["binds"],
            }
        )
    return rows


def sections(found: dict[str, Any]) -> list[Section]:
    """The comparison's page."""
    names = [f"{key.upper()}: {found[key]['network']} on {found[key]['target']}" for key in "ab"]
    figures: list[list[Cell]] = []
    for each in found["figures"]:
        figures.append(
            [
                f"{each['label']}{', ' + each['unit'] if each['unit'] else ''}",
                each["verdict"],
                each["evidence"],
                _number(each["a"], each["digits"]),
                _number(each["b"], each["digits"]),
                _number(each["change"], each["digits"], sign=True),
                "" if each["ratio"] is None else percent(each["ratio"] - 1, 1),
            ]
        )
    better = [each["label"] for each in found["figures"] if each["verdict"] == "better"]
    worse = [each["label"] for each in found["figures"] if each["verdict"] == "worse"]
    notes = [
        f"Better in B: {', '.join(better) or 'nothing'}.",
        f"Worse in B: {', '.join(worse) or 'nothing'}.",
    ]
    changed = [each for each in found["target"] if not each["same"]]
    differ = [each["name"] for each in found["hashes"] if not each["same"]]
    notes.append(f"Hashes that differ: {', '.join(differ) or 'none, the builds are equal'}.")
    return [
        Section(
            id="changes",
            title="What changed",
            intro=f"{names[0]}; {names[1]}.",
            tables=[
                Table(
                    id="figures",
                    caption="Headline figures; change is B less A; a missing figure is empty",
                    columns=["figure", "B is", "evidence", "A", "B", "change", "change, %"],
                    rows=figures,
                    evidence=[],
                    left=3,
                )
            ],
            notes=notes,
        ),
        _layer_section(found, names),
        Section(
            id="made-of",
            title="What they are made of",
            tables=[
                _pair_table("target", "Parameters of the target that differ", changed),
                _pair_table("hashes", "SHA-256", found["hashes"]),
                _pair_table("tools", "Versions of tools that differ", _differing(found["tools"])),
            ],
        ),
    ]


def _differing(pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in pairs if not each["same"]]


def _pair_table(name: str, caption: str, pairs: list[dict[str, Any]]) -> Table:
    rows: list[list[Cell]] = [
        [
            each["name"],
            "same" if each["same"] else "differs",
            "" if each["a"] is None else str(each["a"]),
            "" if each["b"] is None else str(each["b"]),
        ]
        for each in pairs
    ]
    return Table(
        id=f"{name}-pairs",
        caption=caption if rows else f"{caption}: none",
        columns=["name", "", "A", "B"],
        rows=rows,
        evidence=[],
        left=4,
    )


def _layer_section(found: dict[str, Any], names: list[str]) -> Section:
    colours = dict(zip(names, (BLUE, ORANGE), strict=True))
    evidence: list[str] = found["layers_evidence"]
    data = [
        {"name": row["name"], "build": name, "cycles": row[key]}
        for row in found["layers"]
        for key, name in zip("ab", names, strict=True)
        if row[key] is not None
    ]
    order = [row["name"] for row in found["layers"]]
    spec = chart(
        data,
        24 * len(order),
        mark={"type": "bar", **THIN},
        encoding={
            "y": {"field": "name", "type": "nominal", "sort": order, "title": None},
            "yOffset": {"field": "build", "sort": names},
            "x": {
                "field": "cycles",
                "type": "quantitative",
                "title": "cycles",
                "axis": {"format": "~s"},
            },
            "color": palette(colours, field="build", legend={"columns": 1, "labelLimit": 400}),
            "tooltip": [
                {"field": "name", "title": "layer"},
                {"field": "build", "title": "build"},
                {"field": "cycles", "title": "cycles", "format": ","},
            ],
        },
    )
    rows: list[list[Cell]] = [
        [
            row["name"],
            row["binds_a"],
            row["binds_b"],
            row["a"],
            row["b"],
            _number(row["change"], 0, sign=True),
        ]
        for row in found["layers"]
    ]
    return Section(
        id="layer-changes",
        title="Cycles by layer",
        figures=[
            Figure(
                id="layer-changes-plot",
                title="Cycles of each layer: A above, B below",
                about="Two bars a layer, the first of A, the second of B. The table has the "
                "same numbers.",
                spec=spec,
                evidence=evidence,
            )
        ],
        tables=[
            Table(
                id="layer-table",
                caption="Cycles of each layer and what binds it",
                columns=["layer", "binds A", "binds B", "A", "B", "change"],
                rows=rows,
                evidence=evidence,
                left=3,
            )
        ],
    )


def _number(value: float | None, digits: int, *, sign: bool = False) -> str:
    return "" if value is None else f"{value:{'+' if sign else ''},.{digits}f}"
