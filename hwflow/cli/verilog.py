"""`hwflow verilog`: an accelerator's Verilog and its description."""

from __future__ import annotations

import enum
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


class Top(enum.StrEnum):
    """What is generated."""

    ACCELERATOR = "accelerator"
    AXI = "axi"


def verilog(
    target: Target = "sim-small",
    top: Annotated[
        Top,
        typer.Option(
            help="accelerator: with memory port and result stream as they are; axi: AXI4 master, AXI4-Lite registers"
        ),
    ] = Top.ACCELERATOR,
    out: Annotated[
        Path | None,
        typer.Option(help="folder to write to; default build/verilog/TARGET, or TARGET-axi"),
    ] = None,
    lint: Annotated[
        bool, typer.Option("--lint", help="also run Verilator's lint; warnings give exit status 1")
    ] = False,
    json: Json = False,
) -> None:
    """Write a target's Verilog, and JSON with its ports, memories, latencies and counters.

    The folder also gets waivers.vlt, the lint warnings that are waived, each with its reason. With `--top axi` it gets the
    register map as Markdown, C header and SVD, and a FuseSoC core file, too (docs/axi.md).
    """
    config = load_target(target)
    name = config.name if top is Top.ACCELERATOR else f"{config.name}-{top}"
    folder = out or BUILD / "verilog" / name
    with progress_console().status(f"writing {config.name}"), staged(folder) as scratch:
        from rtl_gen import verilog as plain
        from rtl_gen.axi import verilog as axi
        from sim.lint import WAIVERS
        from sim.lint import lint as find_warnings

        written = axi if top is Top.AXI else plain
        source = written.write(config, scratch)[0]
        shutil.copyfile(WAIVERS, scratch / WAIVERS.name)
        warnings = find_warnings(source, written.TOP) if lint else None
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
