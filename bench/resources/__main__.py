"""Synthesises the designs of bench/resources/points.py; what has a record is not done again."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.resources.points import fit_points, held_out_points
from bench.resources.synthesis import record
from hwflow.cli.main import run as run_command
from hwflow.cli.output import console, progress_console

app = typer.Typer(add_completion=False)


@app.command()
def synthesise(
    only: Annotated[list[str] | None, typer.Option(help="designs; default all")] = None,
    again: Annotated[bool, typer.Option(help="also those that have a record")] = False,
) -> None:
    """Synthesise whole boards into bench/resources/records; some minutes each, resumable."""
    held = held_out_points()
    for name, config in {**fit_points(), **held}.items():
        if only and name not in only:
            continue
        with progress_console().status(name) as status:
            made = record(
                config,
                held_out=name in held,
                again=again,
                status=lambda at, name=name: status.update(f"{name}: {at}"),
            )
        total = made.total
        console().print(f"{name}: {total.luts:,} LUT4, {total.ff:,} FF, {total.ebr} block RAMs, {total.mult} multipliers, {made.seconds} s")


if __name__ == "__main__":
    run_command(app)
