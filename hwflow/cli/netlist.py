"""`hwflow netlist`: the benches of the RTL on the netlists that synthesis makes of it."""

from __future__ import annotations

import json as json_format
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwflow import interruption
from hwflow.cli.output import Json, console, number, print_json, progress_console
from hwflow.cli.output import table as new_table
from hwflow.errors import FlowError, suggestion
from hwflow.files import locked, write_atomically
from hwflow.paths import BUILD

if TYPE_CHECKING:
    from sim.netlist_benches import NetlistResult

FOLDER = BUILD / "netlists"


def netlist(
    units: Annotated[
        list[str] | None, typer.Argument(help="names of units; default all", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="folder of logs and of netlists.json")] = FOLDER,
    json: Json = False,
) -> None:
    """Synthesise each unit for ECP5 and run its bench on the netlist (docs/netlists.md); `accelerator`: a small whole one.

    Exit status 1 when a bench fails.
    """
    from rtl_gen.synthesis.yosys import yosys_version
    from sim.netlist_accelerator import NAME, run_accelerator
    from sim.netlist_benches import benches, run_bench
    from sim.simulators import netlist_simulator

    known = benches()
    names = [*known, NAME]
    unknown = [name for name in units or () if name not in names]
    if unknown:
        raise FlowError(
            f"no unit {unknown[0]!r}{suggestion(unknown[0], names)}; units are {', '.join(names)}"
        )
    chosen = units or names
    version, simulator = yosys_version(), netlist_simulator()
    results: list[NetlistResult] = []
    with locked(out), progress_console().status("") as display:
        for name in chosen:

            def show(step: str, name: str = name) -> None:
                display.update(f"{name} ({len(results)} of {len(chosen)} done): {step}")

            show("elaborating")
            if name == NAME:
                with interruption.replaces(out / name):
                    results.append(run_accelerator(out / name, progress=show))
            else:
                results.append(run_bench(known[name], out / name, progress=show))
        report = {
            "yosys": version,
            "simulator": simulator.version,
            "units": [{**asdict(each), "passed": each.passed} for each in results],
        }
        write_atomically(
            out / "netlists.json", (json_format.dumps(report, indent=2) + "\n").encode()
        )
    if json:
        print_json(report)
    else:
        _print(results, f"ECP5 netlists by Yosys {version}, in {simulator.kind}")
    if not all(each.passed for each in results):
        raise typer.Exit(1)


def _print(results: list[NetlistResult], title: str) -> None:
    columns = (
        "unit",
        "LUT4",
        "CCU2C",
        "FF",
        "DPR",
        "EBR",
        "MULT",
        "benches",
        "cycles",
        "equal",
        "s",
    )
    report = new_table(title, columns)
    for each in results:
        cells = each.resources
        counts = (cells.lut4, cells.carry, cells.ff, cells.dpr, cells.ebr, cells.mult)
        report.add_row(
            each.name,
            *(number(count) for count in counts),
            number(each.tests),
            number(each.cycles),
            "yes" if each.passed else "NO",
            number(each.seconds, 1),
        )
    console().print(report)
    for each in results:
        for line in each.failures:
            console().print(f"{each.name}: {line}")
