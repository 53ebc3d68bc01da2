"""What the plots share: palette, axes, and plots as still pictures (Vega-Lite, through vl-convert).

Lines and text are drawn in `currentColor`, so that a plot follows the page from light to dark.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import vl_convert

VEGA_LITE = "6.4"
"""Version of Vega-Lite for the still pictures and in the page."""
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
WIDTH = 880
"""Of a still picture, in pixels; what moves takes the page's width."""

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY = (
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8c8c8c",
)  # fmt: skip
"""Colours that people with colour blindness tell apart (Okabe and Ito, "Color Universal Design", 2008), and a grey."""
CAUSES = {
    "array": BLUE,
    "lanes": GREEN,
    "MACs": PURPLE,
    "memory": RED,
    "scalar": ORANGE,
    "setup": SKY,
    "drain": GREY,
}
"""Cause of a cycle -> colour."""

_INK = "currentColor"
_FAINT = "#88888855"
CONFIG: dict[str, Any] = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": _FAINT},
    "axis": {
        "labelColor": _INK,
        "titleColor": _INK,
        "tickColor": _FAINT,
        "domainColor": _FAINT,
        "gridColor": _FAINT,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
    "legend": {
        "labelColor": _INK,
        "titleColor": _INK,
        "orient": "bottom",
        "direction": "horizontal",
        "columns": {"expr": "width < 500 ? 3 : 8"},
        "labelFontSize": 12,
        "symbolStrokeColor": _INK,
        "symbolStrokeWidth": 0.5,
        "title": None,
    },
    "text": {"color": _INK, "fontSize": 11},
    "rule": {"color": _INK},
}
THIN = {"stroke": _INK, "strokeWidth": 0.4}
"""Outline of areas and bars: their edges are seen whatever their colour."""
LAYERS = {
    "field": "layer",
    "type": "ordinal",
    "title": "layer",
    "axis": {"labelAngle": 0, "labelOverlap": True},
}
"""The x axis of charts that have a place for every layer."""


def chart(data: Sequence[Mapping[str, Any]], height: int, **rest: Any) -> dict[str, Any]:
    """A Vega-Lite view as wide as its container."""
    return {
        "$schema": SCHEMA,
        "data": {"values": list(data)},
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "config": CONFIG,
        **rest,
    }


def palette(colours: Mapping[str, str], **rest: Any) -> dict[str, Any]:
    """A colour channel over the names of `colours`, in that order."""
    scale = {"domain": list(colours), "range": list(colours.values())}
    return {"type": "nominal", "scale": scale, **rest}


def window(last: int) -> list[dict[str, Any]]:
    """Parameters that bound a plot's x axis; the page's buttons set them."""
    return [{"name": "low", "value": 0}, {"name": "high", "value": last}]


def windowed(field: str, title: str) -> dict[str, Any]:
    """The x channel of a plot with `window`."""
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": {"domainMin": {"expr": "low"}, "domainMax": {"expr": "high"}, "nice": False},
        "axis": {"format": "~s", "tickCount": {"expr": "max(3, round(width / 90))"}},
    }


def still(spec: Mapping[str, Any], name: str) -> str:
    """The plot as SVG text; its identifiers are `name` and a number, so that plots do not share them.

    Vega numbers them on through a process: here they count from 0, whatever was drawn before.
    """
    made = vl_convert.vegalite_to_svg({**spec, "width": WIDTH}, vl_version=VEGA_LITE)
    found = dict.fromkeys(re.findall(r'\bid="([^"]*)"', made))
    for index, each in enumerate(found):
        for before in ('id="', "url(#", 'href="#'):
            after = ")" if before == "url(#" else '"'
            made = made.replace(f"{before}{each}{after}", f"{before}{name}-{index}{after}")
    return re.sub(r'(<svg[^>]*?) width="\d+" height="\d+"', r"\1", made, count=1)


def library() -> str:
    """JavaScript of Vega, Vega-Lite and vega-embed, which it leaves in `window.vegaEmbed`."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)
