"""Boxes, arrows and text as SVG; the same calls give the same bytes."""

from __future__ import annotations

from html import escape
from itertools import pairwise

INK = "#1b1b1f"
FAINT = "#6b6b76"
FILLS = {
    "plain": "#f4f4f6",
    "blue": "#d6e8f7",
    "orange": "#fbe3c0",
    "green": "#d3ecdf",
    "rose": "#f5dbe8",
    "yellow": "#f7f1bd",
}
"""Tints of Okabe and Ito's colours; what they tell apart is also told by text."""


class Drawing:
    """A drawing of `width` x `height` user units on a white ground, legible in light and dark pages."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._size = width, height
        self._title = title
        self._parts: list[str] = []

    def box(
        self, x: float, y: float, w: float, h: float, text: str = "", fill: str = "plain",
        size: int = 13, bold: bool = True,
    ) -> None:  # fmt: skip
        """A rectangle with lines of text in its middle; the first is bold unless told otherwise."""
        self._parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="5" fill="{FILLS[fill]}" stroke="{INK}"/>'
        )
        lines = text.split("\n") if text else []
        top = y + h / 2 - (len(lines) - 1) * (size + 3) / 2 + size * 0.36
        for number, line in enumerate(lines):
            first = number == 0
            self.text(
                x + w / 2,
                top + number * (size + 3),
                line,
                size=size if first else size - 1,
                bold=first and bold,
                anchor="middle",
            )

    def text(
        self, x: float, y: float, text: str, size: int = 12, bold: bool = False,
        anchor: str = "start", faint: bool = False,
    ) -> None:  # fmt: skip
        """A line of text whose base line begins (or has its middle or end) at the point."""
        weight = ' font-weight="600"' if bold else ""
        colour = FAINT if faint else INK
        self._parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" fill="{colour}"{weight}>'
            f"{escape(text, quote=False)}</text>"
        )

    def arrow(self, *points: tuple[float, float], label: str = "", dashed: bool = False) -> None:
        """A line through the points with a head at the last; `label` above the middle of its longest part."""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{INK}" stroke-width="1.4" marker-end="url(#head)"{dash}/>'
        )
        if label:
            pairs = list(pairwise(points))
            (ax, ay), (bx, by) = max(
                pairs, key=lambda ends: abs(ends[0][0] - ends[1][0]) + abs(ends[0][1] - ends[1][1])
            )
            if ay == by:
                self.text((ax + bx) / 2, ay - 5, label, size=11, anchor="middle")
            else:
                self.text(ax + 5, (ay + by) / 2 + 4, label, size=11)

    def svg(self) -> str:
        """The file's text."""
        width, height = self._size
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            'font-family="Helvetica, Arial, sans-serif" role="img">'
        )
        marker = (
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            f'orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="{INK}"/></marker></defs>'
        )
        ground = f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>'
        title = f"<title>{escape(self._title, quote=False)}</title>"
        return "\n".join([head, title, marker, ground, *self._parts, "</svg>"]) + "\n"
