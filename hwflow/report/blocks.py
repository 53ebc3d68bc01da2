"""What a page is made of: sections with tables and figures. A figure always stands beside a table of its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Cell = str | int | float | None
"""Text as it is; an integer with thousands separated; a float with three significant digits; None: empty."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """rows: cells in the order of `columns`; left: how many first columns are text; evidence: of the others."""

    id: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    evidence: Sequence[str]
    left: int = 1


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A plot. spec: Vega-Lite; about: what it shows, in words, for who does not see it; zoom: its x axis can be moved."""

    id: str
    title: str
    about: str
    spec: dict[str, Any]
    evidence: Sequence[str]
    zoom: bool = False


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One headline figure."""

    label: str
    value: str
    unit: str
    evidence: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Section:
    """missing: why there are no figures, in place of tables and figures; command: what prints or makes them."""

    id: str
    title: str
    intro: str = ""
    command: str = ""
    missing: str = ""
    tiles: Sequence[Tile] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()


def cell(value: Cell) -> str:
    """A cell's text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    return significant(value)


def significant(value: float, digits: int = 3) -> str:
    """A number with `digits` significant digits, without an exponent between 1e-4 and 1e7."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e7 or size < 1e-4:
        return f"{value:.{digits - 1}e}"
    if size >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def percent(share: float | None, digits: int = 2) -> str:
    """A share as percent; nothing for None."""
    return "" if share is None else f"{100 * share:.{digits}f}%"


def shape(sizes: Iterable[int]) -> str:
    """Height, width and channels as text."""
    return "x".join(str(size) for size in sizes)


def absent(name: str, title: str, part: dict[str, Any]) -> Section:
    """The section of a part without figures."""
    return Section(id=name, title=title, missing=part["missing"], command=part["command"])
