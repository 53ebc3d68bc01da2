"""`hwflow estimate`: what an accelerator takes of a Xilinx part, by Yosys."""

from __future__ import annotations

import time
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwflow.cli.output import Json, Target, console, number, print_json, progress_console, table
from hwflow.config import load_target
from hwflow.files import check_file, write_atomically

if TYPE_CHECKING:
    from rtl_gen.synthesis.xilinx import Estimate, Part

LOWER = {
    "luts": "rows, cols or popcount_width (the binary array), or pixel_lanes (the vector lanes)",
    "ff": "rows, cols or popcount_width (the binary array), or pixel_lanes (the vector lanes)",
    "bram": "the largest of main_rows, bit_rows, byte_rows, side_rows, pool_rows and weight_words",
    "uram": "the largest of main_rows, bit_rows, byte_rows, side_rows, pool_rows and weight_words",
    "dsp": "mac_depth, rows or cols (the MAC array), or pixel_lanes (the vector lanes)",
}
"""Which field of a target to lower when there is too little of something."""


def estimate(
    target: Target = "zu7ev",
    depth: Annotated[int, typer.Option(min=1, max=4, help="levels of units in the report")] = 2,
    out: Annotated[
        Path | None, typer.Option(help="file for the same as --json, beside the report")
    ] = None,
    json: Json = False,
) -> None:
    """Estimate LUTs, flip-flops, block RAM, UltraRAM and DSPs of a target's AXI top on a Zynq UltraScale+ ZU7EV.

    Every unit by itself, by Yosys: nothing is placed or routed. Exit status 1 where it does not fit. Takes minutes.
    """
    from rtl_gen.axi.verilog import TOP, generate
    from rtl_gen.synthesis import xilinx

    config = load_target(target)
    if out is not None:
        check_file(out)
    began = time.monotonic()
    with progress_console().status(f"writing {config.name}") as status:
        text = generate(config).text
        found = xilinx.estimate(
            text, TOP, progress=lambda step: status.update(f"{config.name}: {step}")
        )
    part = xilinx.ZU7EV
    values: dict[str, Any] = {
        "target": config.name,
        "top": TOP,
        "part": part.name,
        "evidence": xilinx.EVIDENCE,
        "yosys": found.yosys,
        "seconds": round(time.monotonic() - began, 1),
        "capacity": _counts(part.capacity),
        "total": _counts(found.total),
        "units": {name: _counts(each) for name, each in _units(found, depth).items()},
        "cells": dict(sorted(found.all_cells.items())),
        "over": shortages(found, part),
    }
    if out is not None:
        import json as json_format

        write_atomically(out, (json_format.dumps(values, indent=2) + "\n").encode())
    if json:
        print_json(values)
    else:
        _report(values)
    if values["over"]:
        raise typer.Exit(1)


def shortages(found: Estimate, part: Part) -> list[str]:
    """One line for each kind of cell of which the part has too few: how many, and what to lower."""
    needed, there = _counts(found.total), _counts(part.capacity)
    return [
        f"{name}: {needed[name]:,.0f} of {there[name]:,.0f}, {needed[name] / there[name] - 1:.0%} too many; lower {field}"
        for name, field in LOWER.items()
        if needed[name] > there[name]
    ]


def _counts(resources: Any) -> dict[str, float]:
    """Whole numbers as such; all LUTs first."""
    values = {"luts": resources.luts, **asdict(resources)}
    return {name: int(value) if value == int(value) else value for name, value in values.items()}


def _units(found: Estimate, depth: int) -> dict[str, Any]:
    """Units by name: those of the accelerator as docs/architecture.md calls them, those around it with `axi` before."""
    inner = "inner.accelerator_0"
    names: dict[str, Any] = {}
    for path, resources in found.units(depth + 2).items():
        if path.startswith(inner):
            name = ".".join(path.removeprefix(inner).strip(".").split(".")[:depth])
        else:
            name = ".".join(["axi", *path.split(".")][:depth]).rstrip(".")
        name = name or "accelerator"
        names[name] = names[name] + resources if name in names else resources
    return dict(sorted(names.items(), key=lambda item: -item[1].luts))


def _report(values: dict[str, Any]) -> None:
    from rtl_gen.synthesis.xilinx import Resources

    columns = ["luts", *(field.name for field in fields(Resources))]
    title = f"{values['target']} on {values['part']}: {values['evidence']}"
    report = table(title, ("unit", *columns))
    rows = [*values["units"].items(), ("total", values["total"]), ("capacity", values["capacity"])]
    for name, counts in rows:
        digits = {column: int(counts[column] != int(counts[column])) for column in columns}
        report.add_row(name, *(number(counts[column], digits[column]) for column in columns))
    share = {
        column: values["total"][column] / values["capacity"][column]
        for column in columns
        if values["capacity"][column]
    }
    report.add_row("share", *(f"{share[c]:.0%}" if c in share else "" for c in columns))
    console().print(report)
    for line in values["over"]:
        console().print(line)
