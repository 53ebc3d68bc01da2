"""`hwflow random`: a random integer network of a preset, with a report of what it exercises."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwflow.cli import complete
from hwflow.cli.network import INTEGER_SUFFIX, ResidualBits
from hwflow.cli.output import Json, console, counted_progress, number, print_json, table
from hwflow.errors import FlowError
from hwflow.files import check_file
from hwflow.numerics import STORED_BITS
from hwflow.paths import BUILD

if TYPE_CHECKING:
    from models.integer.random_report import NetworkReport


def random(
    preset: Annotated[
        str, typer.Option(help="name of a network preset", autocompletion=complete.presets)
    ] = "pokebnn-1.0x",
    seed: Annotated[int, typer.Option(min=0, help="of every choice")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="file of the network; default build/PRESET-SEED.network")
    ] = None,
    residual_bits: ResidualBits = STORED_BITS,
    json: Json = False,
) -> None:
    """Draw a random integer network and report, per layer, what it exercises.

    Exit status 1 when a layer misses a limit of docs/random-networks.md; the network is written
    all the same.
    """
    from models.config import preset as named

    config = named(preset)
    path = out or BUILD / f"{config.name}-{seed}{INTEGER_SUFFIX}"
    if path.suffix != INTEGER_SUFFIX:
        raise FlowError(f"{path}: an integer network's file ends in {INTEGER_SUFFIX}; rename it")
    check_file(path, makes_folder=True)
    with counted_progress(f"drawing {config.name}") as progress:
        from models.integer.random import reported_network

        network, report = reported_network(seed, config, progress, residual_bits)
    network.save(path)
    if json:
        print_json({"file": str(path), **report.to_dict()})
    else:
        _print(report)
        console().print(f"{path}: sha256 {report.sha256}")
    if report.missed():
        raise typer.Exit(1)


def _print(report: NetworkReport) -> None:
    from models.integer.random_report import LIMITS

    def percent(value: float | None) -> str:
        return "" if value is None else number(100 * value, 2)

    names = (*LIMITS, "scale_negative", "scale_zero", "slope_negative")
    shown = table(
        f"{report.network}, seed {report.seed}: shares in % on images it was not scaled on",
        ("layer", *(name.replace("_", " ") for name in names)),
    )
    for layer in report.layers:
        shown.add_row(layer.name, *(percent(getattr(layer, name)) for name in names))
    limits = (f"{percent(low)}..{percent(high)}" for low, high in LIMITS.values())
    shown.add_row("limits", *limits)
    screen = console()
    screen.print(shown)
    missed = report.missed()
    for line in missed:
        screen.print(f"MISSED {line}")
    if not missed:
        screen.print("every layer is within its limits (evidence: integer)")
