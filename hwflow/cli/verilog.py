"""`hwflow verilog`: an accelerator's Verilog and its description."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from hwflow.cli.output import (
    Json,
    Target,
    console,
    number,
    print_json,
    progress_console,
    staged,
    table,
)
from hwflow.config import load_target
from hwflow.paths import BUILD


def verilog(
    target: Target = "sim-small",
    out: Annotated[
        Path | None, typer.Option(help="folder to write to; default build/verilog/TARGET")
    ] = None,
    lint: Annotated[
        bool, typer.Option("--lint", help="also run Verilator's lint; warnings give exit status 1")
    ] = False,
    json: Json = False,
) -> None:
    """Write a target's Verilog, and JSON with its ports, memories, latencies and counters.

    The folder also gets waivers.vlt, the lint warnings that are waived, each with its reason.
    """
    config = load_target(target)
    folder = out or BUILD / "verilog" / config.name
    with progress_console().status(f"writing {config.name}"), staged(folder) as scratch:
        from rtl_gen.verilog import write
        from sim.lint import WAIVERS
        from sim.lint import lint as find_warnings

        source, _ = write(config, scratch)
        shutil.copyfile(WAIVERS, scratch / WAIVERS.name)
        warnings = find_warnings(source) if lint else None
        sizes = {path.name: path.stat().st_size for path in sorted(scratch.iterdir())}
    if json:
        values = {"target": config.name, "folder": str(folder), "bytes": sizes}
        print_json({**values, "warnings": warnings})
    else:
        report = table(f"{config.name} in {folder}", ("file", "bytes"))
        for name, size in sizes.items():
            report.add_row(name, number(size))
        console().print(report)
        for line in warnings or ():
            console().print(line)
        if warnings is not None:
            console().print(f"Verilator's lint: {len(warnings)} warnings")
    if warnings:
        raise typer.Exit(1)
