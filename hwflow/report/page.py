"""One HTML file that needs nothing else: sections, still pictures, and the same plots alive where scripts run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

import jinja2

from hwflow.report.blocks import Figure, Section, cell
from hwflow.report.charts import library, still
from hwflow.report.document import EMBEDDED, EVIDENCE, embed

ASSETS = "hwflow.report"


def render(
    title: str,
    subtitle: str,
    sections: Sequence[Section],
    document: dict[str, Any],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> bytes:
    """The page as UTF-8; same input, same bytes.

    document: is embedded, so that the page can be compared with another; progress: is told (pictures drawn, of how many).
    """
    assets = files(ASSETS) / "assets"
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["cell"] = cell
    figures = [figure for section in sections for figure in section.figures]
    stills: dict[str, str] = {}
    for done, figure in enumerate(figures):
        progress(done, len(figures))
        stills[figure.id] = still(figure.spec, figure.id)
    progress(len(figures), len(figures))
    template = environment.from_string((assets / "report.html.j2").read_text("utf-8"))
    text = template.render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        levels=EVIDENCE,
        stills=stills,
        specs=embed({figure.id: _live(figure) for figure in figures}),
        embedded=EMBEDDED,
        document=embed(document),
        style=(assets / "style.css").read_text("utf-8"),
        script=(assets / "report.js").read_text("utf-8"),
        library=library() if figures else "",
    )
    return text.encode()


def _live(figure: Figure) -> dict[str, Any]:
    last = next((p["value"] for p in figure.spec.get("params", ()) if p["name"] == "high"), None)
    return {"spec": figure.spec, "last": last if figure.zoom else None}
