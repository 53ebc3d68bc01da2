"""The resource model of the search, calibrated: `python -m bench.resources`.

Fits hwflow/explore/resources.json to the records in bench/resources/records, in a second, and shows how far the model is
from every board; `synthesise` makes the records.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from bench.resources.points import points
from bench.resources.synthesis import RECORDS, record
from hwflow.cli.main import run as run_command
from hwflow.cli.output import Json, console, number, print_json, progress_console, table
from hwflow.errors import FlowError
from hwflow.explore.calibration import KINDS, calibrate, compare, save_coefficients
from hwflow.explore.records import load_records
from hwflow.explore.resources import COEFFICIENTS, EVIDENCE

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def calibration(context: typer.Context, json: Json = False) -> None:
    """Fit the model to the records, write its coefficients, and compare it with every board."""
    if context.invoked_subcommand is not None:
        return
    made = calibrate(RECORDS)
    save_coefficients(COEFFICIENTS, made)
    boards = [each for each in load_records(RECORDS).values() if each.part == "board"]
    found = [compare(each, made) for each in boards]
    found.sort(key=lambda each: (each.held_out, each.name))
    held_out = [each for each in found if each.held_out]
    worst = {
        kind: max((abs(each.errors[kind]) for each in held_out), default=0.0) for kind in KINDS
    }
    values: dict[str, Any] = {
        "coefficients": str(COEFFICIENTS),
        "evidence": EVIDENCE,
        "designs": {
            each.name: {
                "held_out": each.held_out,
                "synthesised": each.synthesised,
                "estimated": each.estimated,
                "errors": {kind: round(error, 4) for kind, error in each.errors.items()},
            }
            for each in found
        },
        "worst_held_out": {kind: round(error, 4) for kind, error in worst.items()},
    }
    if json:
        print_json(values)
        return
    headings = [heading for kind in KINDS for heading in (kind.replace("_", " "), "error")]
    shown = table(f"synthesis and {EVIDENCE}", ("design", *headings))
    for each in found:
        cells = [
            cell
            for kind in KINDS
            for cell in (number(each.synthesised[kind]), f"{each.errors[kind]:+.1%}")
        ]
        shown.add_row(f"{each.name}{' (held out)' if each.held_out else ''}", *cells)
    console().print(shown)
    console().print(
        "worst of the held-out designs: "
        + ", ".join(f"{kind.replace('_', ' ')} {error:.1%}" for kind, error in worst.items())
    )


@app.command()
def synthesise(
    only: Annotated[
        list[str] | None, typer.Option(help="a design; may be repeated; default all")
    ] = None,
    again: Annotated[bool, typer.Option(help="also those that have a record")] = False,
) -> None:
    """Synthesise designs into bench/resources/records: halves in seconds, boards in minutes; no record again."""
    known = points()
    for name in only or known:
        if name not in known:
            raise FlowError(f"unknown design {name!r}; known: {', '.join(known)}")
        point = known[name]
        with progress_console().status(name) as status:
            made = record(
                point.config,
                part=point.part,
                held_out=point.held_out,
                again=again,
                status=lambda at, name=name: status.update(f"{name}: {at}"),
            )
        total = made.total
        console().print(
            f"{name}: {total.luts:,} LUT4, {total.ff:,} flip-flops, {total.ebr} block RAMs, {total.mult} multipliers"
        )


if __name__ == "__main__":
    run_command(app)
