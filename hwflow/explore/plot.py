"""The plot of a search: frames per second against LUT4, the front drawn out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hwflow.explore.evaluate import Result
from hwflow.explore.summary import Found

MOST_POINTS = 2000
"""Points in a plot beside the front: more are not told apart."""
FRONT, FEASIBLE, BEYOND, BASELINE, CHOSEN = (
    "front",
    "fits",
    "does not fit",
    "hand-written target",
    "chosen",
)


def plot(found: Found, chosen: Sequence[Result], best: Sequence[Result]) -> dict[str, Any]:
    """A Vega-Lite view; best: the front, chosen: the designs that are chosen."""
    from hwflow.report.charts import BLUE, GREEN, GREY, ORANGE, RED, chart, palette

    colours = {BEYOND: GREY, FEASIBLE: BLUE, FRONT: GREEN, BASELINE: RED, CHOSEN: ORANGE}
    evaluated = [each for each in found.results if "lut4" in each]
    step = max(1, -(-len(evaluated) // MOST_POINTS))
    rows = [_row(each, FEASIBLE if each["feasible"] else BEYOND) for each in evaluated[::step]]
    rows += [_row(each, FRONT) for each in best]
    if found.baseline is not None and "lut4" in found.baseline:
        rows.append(_row(found.baseline, BASELINE))
    rows += [_row(each, CHOSEN) for each in chosen]
    limit = found.space.part.limit("lut4")
    points = {
        "mark": {"type": "point", "filled": True},
        "encoding": {
            "x": _axis("lut4", "LUT4 (estimate)"),
            "y": _axis("frames_per_second", "frames/s (cycle-model, stated clock)"),
            "color": {"field": "kind", **palette(colours)},
            "size": {
                "field": "kind",
                "type": "nominal",
                "legend": None,
                "scale": {"domain": list(colours), "range": [8, 14, 30, 120, 120]},
            },
            "tooltip": [
                {"field": name, "type": "quantitative"}
                for name in ("cycles", "lut4", "block_rams", "multipliers", "binary_macs")
            ],
        },
    }
    rule = {
        "data": {"values": [{"limit": limit}]},
        "mark": {"type": "rule", "strokeDash": [4, 4]},
        "encoding": {"x": {"field": "limit", "type": "quantitative"}},
    }
    return chart(rows, 420, layer=[points, rule])


def _axis(field: str, title: str) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "title": title, "axis": {"format": "~s"}}


def _row(each: Mapping[str, Any], kind: str) -> dict[str, Any]:
    names = ("cycles", "lut4", "block_rams", "multipliers", "binary_macs", "frames_per_second")
    return {"kind": kind, **{name: each[name] for name in names}}
