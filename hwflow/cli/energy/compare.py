"""`hwflow energy compare`: ACE against energy, as tables, JSON and plots."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwflow.cli.energy.network import (
    FourBit,
    MemoryTechnology,
    OperandKind,
    constants,
    four_bit_kind,
    operand_kind,
)
from hwflow.cli.output import Json, check_staged, console, number, print_json, staged, table
from hwflow.errors import FlowError

if TYPE_CHECKING:
    from hwflow.energy.characterisation import Characterisation
    from hwflow.energy.comparison import Comparison
    from hwflow.energy.measurement import Measurement
    from hwflow.energy.statistics import Bounds
    from hwflow.energy.work import Work

DEFAULT = Path("bench") / "energy"
REPORT = "comparison.json"


def compare(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="files of `energy characterise`, of `energy network --save-work` and of `energy measure`, or folders "
            "of them; bench/energy when none is given"
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help=f"folder for plots (SVG and PDF) and {REPORT}")
    ] = None,
    memory: MemoryTechnology = None,
    operands: OperandKind = "recorded",
    four_bit: FourBit = "as-built",
    json: Json = False,
) -> None:
    """Compare ACE with energy per precision and per layer, and show what ACE does not count.

    Characterisations are gate-level; layers and shares are estimates made of them; what was measured on a board is shown
    beside them and enters none of their fits. Intervals are of 95%.
    """
    from hwflow.energy.comparison import compare as compared
    from hwflow.energy.network import network_energy
    from hwflow.energy.plots import plot_comparison

    kind, four = operand_kind(operands), four_bit_kind(four_bit)
    if out is not None:
        check_staged(out)
    libraries, works, measurements = _read(files or [DEFAULT])
    networks = [
        network_energy(work, each, constants(each, memory), operands=kind, four_bit=four)
        for work in works
        for each in libraries
    ]
    found = compared(libraries, networks, measurements)
    if out is not None:
        with staged(out) as scratch:
            plot_comparison(scratch, found)
            text = json_format.dumps(found.to_dict(), indent=1) + "\n"
            (scratch / REPORT).write_text(text, encoding="utf-8")
    if json:
        print_json(found.to_dict())
    else:
        _print(found)


def _read(files: list[Path]) -> tuple[list[Characterisation], list[Work], list[Measurement]]:
    """Characterisations, work and measurements among files and folders, in the order of their names.

    Raises:
        FlowError: nothing is there, or a file is none of the three.
    """
    from hwflow.energy import measurement, work
    from hwflow.energy.characterisation import load

    paths: list[Path] = []
    for path in files:
        paths += sorted(path.rglob("*.json")) if path.is_dir() else [path]
    libraries: list[Characterisation] = []
    works: list[Work] = []
    measurements: list[Measurement] = []
    for path in paths:
        kind = _format(path)
        if kind == work.FORMAT:
            works.append(work.Work.load(path))
        elif kind == measurement.FORMAT:
            measurements.append(measurement.Measurement.load(path))
        else:
            libraries.append(load(path))
    if not libraries:
        where = ", ".join(map(str, files))
        raise FlowError(
            f"{where}: no characterisation there; make one with `hwflow energy characterise`"
        )
    return libraries, works, measurements


def _format(path: Path) -> str:
    """The format that a file names; "" for what the reader of characterisations refuses."""
    try:
        content: Any = json_format.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FlowError(f"{path}: cannot be read ({error.strerror}); name another file") from error
    except ValueError:
        return ""
    return str(content.get("format", "")) if isinstance(content, dict) else ""


def _bounds(value: Bounds, digits: int = 2, scale: float = 1.0) -> str:
    middle = number(scale * value.value, digits)
    if value.low is None or value.high is None:
        return f"{middle} [none]"
    low, high = (number(scale * each, digits) for each in (value.low, value.high))
    return f"{middle} [{low}, {high}]"


def _print(found: Comparison) -> None:
    screen = console()
    shown = table(
        "Energy of a MAC relative to one bit, beside ACE (gate-level, 95%)",
        ("library", "operands", "accounting", "precision", "fJ a MAC", "fJ an ACE", "ratio to one bit",
         "ACE", "ratio / ACE"),
        left=4,
    )  # fmt: skip
    for row in found.precisions:
        energy = row.energy
        interval = f"[{number(1e15 * energy.low, 2)}, {number(1e15 * energy.high, 2)}]"
        shown.add_row(
            row.library, row.operands, row.accounting, row.precision,
            f"{number(1e15 * energy.mean, 2)} {interval}", number(1e15 * row.per_ace, 2),
            _bounds(row.ratio), number(row.ace), number(row.relative_to_ace, 2),
        )  # fmt: skip
    screen.print(shown)
    powers = table(
        "b of energy = a*ACE^b over the precisions, 1 where ACE holds (gate-level)",
        ("library", "operands", "accounting", "precisions", "b"),
        left=4,
    )
    for row in found.exponents:
        precisions = ", ".join(row.precisions)
        powers.add_row(row.library, row.operands, row.accounting, precisions, _bounds(row.exponent))
    screen.print(powers)
    if found.fits:
        _print_layers(found)
    if found.board:
        _print_board(found)


def _print_layers(found: Comparison) -> None:
    from hwflow.energy.comparison import SHORT_SHARES

    screen = console()
    shown = table(
        "Layers: energy against ACE, one figure for all (estimate)",
        ("network", "library", "scope", "fJ an ACE", "Spearman", "Kendall", "worst factor"),
        left=3,
    )
    classes = table(
        "Layers: fit of fJ an ACE by class (estimate; * by construction: the energy of the class's MAC)",
        ("network", "library", "scope", "binary", "4-bit", "8-bit"),
        left=3,
    )
    for row in found.fits:
        names = (f"{row.network} on {row.target}", row.library, row.scope)
        ranks = row.ranks
        shown.add_row(
            *names, _bounds(row.per_ace, 1, 1e15),
            "" if ranks is None else _bounds(ranks.spearman),
            "" if ranks is None else number(ranks.kendall, 2), number(row.worst, 1),
        )  # fmt: skip
        fitted = (row.per_class.get(bits) for bits in ("1", "4", "8"))
        mark = "" if row.by_class else "*"
        classes.add_row(*names, *("" if x is None else _bounds(x, 1, 1e15) + mark for x in fitted))
    screen.print(shown)
    screen.print(classes)
    kinds = list(found.shares[0].shares)
    shares = table(
        "Shares of an image's energy in %; of MACs their datapath, which ACE counts, and the rest of their units (estimate)",
        ("network", "library", "µJ", "±95%", *(SHORT_SHARES.get(kind, kind) for kind in kinds), "not in ACE",
         "MACs of logic"),
        left=2,
    )  # fmt: skip
    for row in found.shares:
        shares.add_row(
            row.network, row.library,
            f"{1e6 * row.joules:.4g}", f"{1e6 * (row.high - row.low) / 2:.2g}",
            *(number(100 * row.shares[kind], 1) for kind in kinds), number(100 * row.uncounted, 1),
            number(100 * row.counted_of_logic, 1),
        )  # fmt: skip
    screen.print(shares)


def _print_board(found: Comparison) -> None:
    libraries = list(dict.fromkeys(name for row in found.board for name in row.estimates))
    shown = table(
        "Measured above the waiting accelerator (board); beside it the estimate in a cell library, another technology",
        ("network", "target", "scope", "layer", "µJ (board)", "ACE", "fJ an ACE",
         *(f"µJ ({name}, estimate)" for name in libraries)),
        left=4,
    )  # fmt: skip
    for row in found.board:
        low, high = (number(1e6 * each, 3) for each in (row.low, row.high))
        estimates = (row.estimates.get(name) for name in libraries)
        shown.add_row(
            row.network, row.target, row.scope, row.layer, f"{number(1e6 * row.joules, 3)} [{low}, {high}]",
            number(row.ace), "" if row.per_ace is None else number(1e15 * row.per_ace, 2),
            *("" if each is None else number(1e6 * each, 3) for each in estimates),
        )  # fmt: skip
    console().print(shown)
    for line in found.missing:
        console().print(line)
    for place, ranks in found.board_ranks.items():
        console().print(
            f"{place}: measured layers against ACE, Spearman {_bounds(ranks.spearman)}, Kendall {ranks.kendall:.2f}"
        )
