"""`hwflow energy widths`: ACE's law by itself, sums of products at several operand widths in a cell library."""

from __future__ import annotations

import json as json_format
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwflow.cli.energy.provenance import command_line, hashes
from hwflow.cli.output import (
    Json,
    console,
    counted_progress,
    number,
    print_json,
    progress_console,
    table,
)
from hwflow.files import check_file, write_atomically

if TYPE_CHECKING:
    from sim.gates.widths import Widths

PICO, FEMTO = 1e12, 1e15


def widths(
    context: typer.Context,
    liberty: Annotated[
        list[Path], typer.Option(help="Liberty file, .gz too; repeat it for a library of several")
    ],
    width: Annotated[
        list[int] | None, typer.Option(help="bits of an operand; repeat it; default 1, 4, 8, 16")
    ] = None,
    operand_bits: Annotated[
        int, typer.Option(min=1, help="operand bits of each side a cycle")
    ] = 64,
    wire: Annotated[
        float, typer.Option(min=0, help="fF of wire at every input pin, in place of a layout")
    ] = 0.0,
    segments: Annotated[int, typer.Option(min=10, help="segments of the stream")] = 10,
    cycles: Annotated[int, typer.Option(min=1, help="counted cycles of a segment")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="of the random operands")] = 1,
    out: Annotated[Path | None, typer.Option(help="JSON file to write")] = None,
    json: Json = False,
) -> None:
    """Energy of a product at several operand widths, on random operands at gate level, beside ACE (docs/energy.md)."""
    from hwflow.energy.liberty import read_libraries
    from sim.energy.characterise import tools
    from sim.gates.widths import WIDTHS, check_widths, measure
    from sim.runner import cache_folder

    if out is not None:
        check_file(out)
    chosen = tuple(width or WIDTHS)
    check_widths(chosen, operand_bits)
    with progress_console().status("reading the library"):
        library = read_libraries(liberty, keep=cache_folder())
    with counted_progress("mapping and simulating") as told:
        found = measure(
            library,
            widths=chosen,
            operand_bits=operand_bits,
            wire=wire / FEMTO,
            segments=segments,
            cycles=cycles,
            seed=seed,
            keep=cache_folder(),
            progress=lambda what, done, total: told(done, total),
        )
    record = {
        "command": command_line(context, "widths"),
        "operand_bits": operand_bits,
        "sources": hashes(library),
        "tools": tools(),
    } | asdict(found)
    if out is not None:
        write_atomically(out, (json_format.dumps(record, indent=1) + "\n").encode())
    if json:
        print_json(record)
    else:
        _print(found)


def _print(found: Widths) -> None:
    columns = ("width", "products a cycle", "cells", "datapath, pJ", "95%", "all, pJ", "95%")
    ratios = ("datapath over first", "all over first", "ACE", "glitches in load")
    report = table(
        f"{found.library}, {found.period * 1e9:g} ns, {found.wire * FEMTO:g} fF of wire a pin; "
        f"random operands; evidence: {found.evidence}",
        (*columns, *ratios),
    )
    for each in found.widths:
        report.add_row(
            f"{each.width}x{each.width}",
            number(each.terms),
            number(each.cells),
            f"{PICO * each.datapath.mean:.4g}",
            f"+-{100 * each.datapath.relative:.1f}%",
            f"{PICO * each.total.mean:.4g}",
            f"+-{100 * each.total.relative:.1f}%",
            f"{each.over_first.value:.1f}",
            f"{each.total_over_first.value:.1f}",
            f"{each.ace:g}",
            f"{each.glitches:.0%}",
        )
    console().print(report)
