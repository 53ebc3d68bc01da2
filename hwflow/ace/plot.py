"""Top-1 against ACE: published accuracies over counted costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hwflow.ace.price import PricedNetwork
from hwflow.ace.published import PublishedNetwork
from hwflow.errors import FlowError
from hwflow.files import check_file

SUFFIXES = (".svg", ".pdf", ".png")
STYLES = (
    ("#0072b2", "o", "-"),
    ("#d55e00", "s", "--"),
    ("#009e73", "^", ":"),
    ("#555555", "D", "-."),
)
"""Colour (Okabe and Ito's, told apart by colour-blind readers), marker and line of a family, which also tell in grey."""


def check_plot(path: Path) -> None:
    """Raises FlowError unless a plot can be written there."""
    if path.suffix not in SUFFIXES:
        raise FlowError(f"--plot {path}: unknown kind of file; end it in {', '.join(SUFFIXES)}")
    check_file(path)


def plot_accuracy(path: Path, rows: Sequence[tuple[PublishedNetwork, PricedNetwork]]) -> None:
    """Writes the plot of the rows that have an accuracy; same rows, same bytes.

    Raises:
        FlowError: `check_plot` refuses the path, or no row has an accuracy.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    check_plot(path)
    shown = [(row, priced) for row, priced in rows if row.top1 is not None]
    if not shown:
        raise FlowError("no network of the plot has a published accuracy; name one that has")
    dearest = max(priced.total_ace for _, priced in shown)
    families = tuple(dict.fromkeys(row.family for row, _ in shown))
    with mpl.rc_context({"svg.hashsalt": "hwflow", "svg.fonttype": "path", "font.size": 9.0}):
        figure = Figure(figsize=(6.4, 4.2), layout="constrained")
        axes = figure.add_subplot()
        for number, family in enumerate(families):
            colour, marker, line = STYLES[number % len(STYLES)]
            points = sorted(
                (priced.total_ace, row.top1 or 0.0, row.name)
                for row, priced in shown
                if row.family == family
            )
            # Only the widths of one network make a curve.
            line = line if family == "PokeBNN" else "none"
            axes.plot(
                [ace for ace, _, _ in points],
                [top1 for _, top1, _ in points],
                color=colour, marker=marker, linestyle=line, label=family, markersize=5,
            )  # fmt: skip
            for ace, top1, name in points:
                # Left of a curve's points and of the last one, where there is room.
                left = line != "none" or ace == dearest
                axes.annotate(
                    name,
                    (ace, top1),
                    xytext=(-6, 3) if left else (6, -9),
                    ha="right" if left else "left",
                    textcoords="offset points",
                    fontsize=7,
                )
        axes.set_xscale("log")
        axes.margins(x=0.22, y=0.08)
        axes.set_xlabel("ACE of an image (counted here)")
        axes.set_ylabel("top-1 on ImageNet in % (published)")
        axes.grid(True, which="major", linewidth=0.4, color="#cccccc")
        axes.legend(loc="lower right", frameon=False)
        dates = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}
        figure.savefig(path, metadata=dates[path.suffix], dpi=200)
