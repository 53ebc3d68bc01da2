"""Frames per second and latency of a network on a board: cycles of a simulation times the clock of a bitstream.

`python -m bench.throughput --run build/sim --clock REPORT` with the report of `hwflow bitstream`, or `--clock 80` in MHz.
"""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated, Any

import typer

from hwflow.cli.output import Json, console, number, print_json
from hwflow.errors import FlowError


def clock_of(given: str) -> tuple[float, str]:
    """MHz and their evidence: a number is `stated`, a bitstream's report (JSON) `post-route`.

    Of a bitstream the clock that it was made for, or the one that was reached where timing is not met.

    Raises:
        FlowError: neither.
    """
    try:
        return _positive(float(given), given), "stated"
    except ValueError:
        report = _load(Path(given))
    wanted, reached = report.get("clock_hz"), report.get("fmax_mhz")
    if not isinstance(wanted, int | float) or not isinstance(reached, int | float):
        raise FlowError(
            f"{given} has no clock_hz and fmax_mhz; give the report of `hwflow bitstream`, or MHz"
        )
    return _positive(min(wanted / 1e6, float(reached)), given), "post-route"


def throughput(summary: dict[str, Any], clock: str) -> dict[str, Any]:
    """Frames follow one another without overlap: a frame takes the cycles from start to done."""
    megahertz, evidence = clock_of(clock)
    cycles = summary["cycles_per_image"]
    return {
        "network": summary["network"],
        "target": summary["target"],
        "cycles": cycles,
        "megahertz": megahertz,
        "evidence": f"{summary['evidence']} x {evidence}",
        "latency_us": round(cycles / megahertz, 2),
        "frames_per_second": round(1e6 * megahertz / cycles, 1),
    }


def _positive(value: float, given: str) -> float:
    if not 0 < value < 10_000:
        raise FlowError(f"clock {given} must be MHz above 0; give one like 80")
    return value


def _load(path: Path) -> dict[str, Any]:
    try:
        found = json_format.loads(path.read_text())
    except OSError as error:
        raise FlowError(f"{path}: {error.strerror}; give a report, or a clock in MHz") from error
    except ValueError as error:
        raise FlowError(f"{path} is no JSON ({error}); make it again") from error
    if not isinstance(found, dict):
        raise FlowError(f"{path} is no report; give one that `hwflow sim` or a bitstream leaves")
    return found


def main(
    run: Annotated[Path, typer.Option(help="folder of `hwflow sim`")],
    clock: Annotated[str, typer.Option(help="report of a bitstream, or MHz")],
    json: Json = False,
) -> None:
    """Print frames per second and latency."""
    try:
        summary = _load(run / "summary.json")
        if "cycles_per_image" not in summary:
            raise FlowError(f"{run / 'summary.json'} is no summary of `hwflow sim`; run it again")
        found = throughput(summary, clock)
    except FlowError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    if json:
        print_json(found)
        return
    console().print(
        f"{found['network']} on {found['target']}: {number(found['cycles'])} cycles at {found['megahertz']:g} MHz, "
        f"{found['latency_us']:g} us, {number(found['frames_per_second'], 1)} frames/s (evidence: {found['evidence']})"
    )


if __name__ == "__main__":
    typer.run(main)
