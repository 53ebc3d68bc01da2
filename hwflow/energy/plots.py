"""Plots of the comparison, for a paper: readable in grey and by colour-blind readers; same figures, same bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hwflow.ace.plot import STYLES
from hwflow.energy.beside import BoardRow
from hwflow.energy.comparison import (
    ACCOUNTINGS,
    PRECISIONS,
    SHARES,
    Comparison,
    PrecisionRow,
    ShareRow,
)
from hwflow.energy.layers import SCOPES, ScopeFit
from hwflow.energy.measurement import LAYER
from hwflow.energy.network import MAC_KINDS

SUFFIXES = (".svg", ".pdf")
METADATA: dict[str, dict[str, Any]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
HATCHES = ("", "///", "+++", "xxx", "...", "\\\\\\", "|||", "ooo", "---")
GREYS = (
    "#1a1a1a", "#d9d9d9", "#a6a6a6", "#f2f2f2", "#8c8c8c", "#bfbfbf", "#ffffff", "#a6a6a6", "#737373",
)  # fmt: skip
"""Fill of each share; neighbours differ in grey and in hatching."""
PANEL = 2.3
"""Inches a panel is high."""


def plot_comparison(folder: Path, found: Comparison) -> list[Path]:
    """Writes the plots of every table that has rows into an existing folder; returns their files."""
    written: list[Path] = []
    if found.precisions:
        written += _draw(folder, "precision", lambda f: _precision(f, found.precisions), (9.0, 3.4))
    for network, target in dict.fromkeys((row.network, row.target) for row in found.fits):
        rows = [row for row in found.fits if (row.network, row.target) == (network, target)]
        libraries = list(dict.fromkeys(row.library for row in rows))
        name = f"layers-{network}-{target}"
        written += _draw(
            folder,
            name,
            lambda f, r=rows, n=libraries: _layers(f, r, n),
            (9.0, PANEL * len(libraries)),
        )
    if found.shares:
        height = 1.4 + 0.34 * len(found.shares)
        written += _draw(folder, "shares", lambda f: _shares(f, found.shares), (7.0, height))
    measured = [row for row in found.board if row.scope == LAYER and row.ace]
    if measured:
        written += _draw(folder, "board", lambda f: _board(f, measured), (3.6, 3.0))
    return written


def _draw(
    folder: Path,
    name: str,
    draw: Callable[[Any], None],
    size: tuple[float, float] = (7.0, 3.2),
) -> list[Path]:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {
        "svg.hashsalt": "hwflow",
        "svg.fonttype": "path",
        "font.size": 8.0,
        "hatch.linewidth": 0.5,
        "axes.linewidth": 0.6,
    }
    paths: list[Path] = []
    with mpl.rc_context(style):
        for suffix in SUFFIXES:
            figure = Figure(figsize=size, layout="constrained")
            draw(figure)
            path = folder / f"{name}{suffix}"
            figure.savefig(path, metadata=METADATA[suffix])
            paths.append(path)
    return paths


def _short(library: str) -> str:
    """A library's name up to its first separator."""
    return library.split("_")[0]


def _precision(figure: Any, rows: Sequence[PrecisionRow]) -> None:
    """Energy of a MAC relative to one bit against its ACE; filled: recorded operands, open: random ones."""
    libraries = list(dict.fromkeys(row.library for row in rows))
    panels = figure.subplots(1, len(ACCOUNTINGS), sharey=True, squeeze=False)[0]
    dearest = max(ace for _, ace in PRECISIONS.values())
    for axes, accounting in zip(panels, ACCOUNTINGS, strict=True):
        axes.plot([1, dearest], [1, dearest], color="black", linewidth=0.8, label="ACE")
        for number, library in enumerate(libraries):
            colour, marker, line = STYLES[number % len(STYLES)]
            for operands, fill in (("recorded", colour), ("random", "white")):
                those = [
                    row
                    for row in rows
                    if (row.library, row.accounting, row.operands)
                    == (library, accounting, operands)
                ]
                if not those:
                    continue
                axes.errorbar(
                    [row.ace for row in those],
                    [row.ratio.value for row in those],
                    yerr=[
                        [row.ratio.value - (row.ratio.low or row.ratio.value) for row in those],
                        [(row.ratio.high or row.ratio.value) - row.ratio.value for row in those],
                    ],
                    color=colour, marker=marker, markerfacecolor=fill, markersize=4.5, capsize=2,
                    linewidth=0.9, linestyle=line if operands == "recorded" else "none",
                    label=f"{_short(library)}, {operands} operands",
                )  # fmt: skip
        axes.set_title(f"{accounting} of a MAC (gate-level)")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks([ace for _, ace in PRECISIONS.values()])
        axes.set_xticklabels([f"{name}\n{ace}" for name, ace in PRECISIONS.values()])
        axes.set_xlabel("precision and ACE of a MAC")
        axes.grid(True, which="major", linewidth=0.3, color="#cccccc")
    panels[0].set_ylabel("energy of a MAC / of a binary MAC")
    panels[0].legend(loc="lower right", frameon=False, fontsize=6.5)


def _layers(figure: Any, rows: Sequence[ScopeFit], libraries: Sequence[str]) -> None:
    """Estimated against predicted energy of every layer: a row a library, a column a scope."""
    grid = figure.subplots(len(libraries), len(SCOPES), squeeze=False)
    for line, library in zip(grid, libraries, strict=True):
        for axes, scope in zip(line, SCOPES, strict=True):
            (row,) = (each for each in rows if (each.library, each.scope) == (library, scope))
            ends = [f(x.predicted for x in row.layers) * 1e6 for f in (min, max)]
            axes.plot(ends, ends, color="black", linewidth=0.8)
            for number, (bits, label) in enumerate(MAC_KINDS.items()):
                colour, marker, _ = STYLES[number]
                those = [x for x in row.layers if x.bits == bits]
                axes.plot(
                    [1e6 * x.predicted for x in those],
                    [1e6 * x.estimated for x in those],
                    color=colour, marker=marker, linestyle="none", markersize=3.5,
                    markerfacecolor="none", markeredgewidth=0.8, label=f"mostly {label}",
                )  # fmt: skip
            _decades(axes)
            rank = "" if row.ranks is None else f", rank {row.ranks.spearman.value:.2f}"
            axes.set_title(f"{_short(library)}, {scope}{rank}", fontsize=7)
            axes.grid(True, which="major", linewidth=0.3, color="#cccccc")
        line[0].set_ylabel("estimated µJ")
    for axes in grid[-1]:
        axes.set_xlabel("predicted µJ: ACE x µJ an ACE")
    grid[0][0].legend(loc="upper left", frameon=False, fontsize=6.5)


def _decades(axes: Any) -> None:
    """Logarithmic axes with plain numbers: at 1, 2 and 5 of a decade where there are few decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 10 * low else (1, 3)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())


def _shares(figure: Any, rows: Sequence[ShareRow]) -> None:
    """Shares of each network's energy with each library; ACE counts the black one only."""
    axes = figure.subplots()
    left = [0.0] * len(rows)
    places = list(range(len(rows)))[::-1]
    for number, kind in enumerate(SHARES):
        widths = [100 * row.shares[kind] for row in rows]
        axes.barh(
            places, widths, left=left, height=0.72, label=kind, hatch=HATCHES[number],
            color=GREYS[number], edgecolor="black", linewidth=0.4,
        )  # fmt: skip
        left = [a + b for a, b in zip(left, widths, strict=True)]
    labels = [f"{row.network} on {row.target}, {_short(row.library)}" for row in rows]
    axes.set_yticks(places)
    axes.set_yticklabels(labels)
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of the estimated energy of an image; ACE counts the black part")
    figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=6.5)


def _board(figure: Any, rows: Sequence[BoardRow]) -> None:
    """Measured energy of layers against their ACE."""
    axes = figure.subplots()
    for number, place in enumerate(dict.fromkeys(row.place() for row in rows)):
        colour, marker, _ = STYLES[number % len(STYLES)]
        those = [row for row in rows if row.place() == place]
        axes.errorbar(
            [row.ace for row in those],
            [1e6 * row.joules for row in those],
            yerr=[
                [1e6 * (row.joules - row.low) for row in those],
                [1e6 * (row.high - row.joules) for row in those],
            ],
            color=colour, marker=marker, linestyle="none", markersize=4, capsize=2, label=place,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("ACE of a layer")
    axes.set_ylabel("measured µJ (board)")
    axes.grid(True, which="major", linewidth=0.3, color="#cccccc")
    axes.legend(frameon=False, fontsize=6.5)
