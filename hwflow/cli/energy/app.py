"""The commands of `hwflow energy`, collected."""

from __future__ import annotations

import typer

from hwflow.cli.energy import characterise, check, compare, measure, network, widths

app = typer.Typer(
    help="Energy: of units at gate level, of networks, measured on boards; beside ACE.",
    no_args_is_help=True,
)


@app.callback()
def energy() -> None:
    """Energy: of units at gate level, of networks, measured on boards; beside ACE."""


app.command("characterise")(characterise.characterise)
app.command("widths")(widths.widths)
app.command("check")(check.check)
app.command("network")(network.network)
app.command("compare")(compare.compare)
app.command("measure")(measure.measure)
