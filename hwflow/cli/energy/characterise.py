"""`hwflow energy characterise`: joules of every unit's operation in a cell library."""

from __future__ import annotations

import json as json_format
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwflow.cli.energy.provenance import command_line, hashes
from hwflow.cli.energy.recorded import (
    RECORDED,
    RECORDED_ON,
    Liberty,
    RecordedData,
    RecordedImages,
    RecordedNetwork,
    read_library,
    record_units,
)
from hwflow.cli.network import Calibration
from hwflow.cli.output import (
    Json,
    Target,
    console,
    counted_progress,
    number,
    print_json,
    table,
)
from hwflow.errors import FlowError, suggestion
from hwflow.files import check_file
from hwflow.paths import CALIBRATION, TEST_IMAGES

if TYPE_CHECKING:
    from hwflow.energy.characterisation import Characterisation, EnergySplit, UnitName
    from sim.energy.units import Unit

PICO = 1e12


def characterise(
    context: typer.Context,
    liberty: Liberty,
    unit: Annotated[
        list[str] | None, typer.Option(help="unit to characterise; default all")
    ] = None,
    checkpoint: RecordedNetwork = RECORDED,
    target: Target = RECORDED_ON,
    images: RecordedImages = 4,
    data: RecordedData = TEST_IMAGES,
    calibration: Calibration = CALIBRATION,
    segments: Annotated[int, typer.Option(help="segments of the stream that are counted")] = 16,
    cycles: Annotated[int, typer.Option(min=16, help="cycles of a segment")] = 256,
    clock_mhz: Annotated[
        float | None, typer.Option(help="clock; default what the slowest unit asked for can do")
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(help="largest half-width of an energy's interval over its mean, as 0.1"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="of segments and random operands")] = 1,
    out: Annotated[Path | None, typer.Option(help="JSON file to write")] = None,
    json: Json = False,
) -> None:
    """Energy per operation of every unit at gate level, on recorded and on random operands (docs/energy.md)."""
    from hwflow.config import load_target
    from hwflow.energy.characterisation import Characterisation, LibraryRecord
    from rtl_gen.synthesis.yosys import yosys_version
    from sim import runner
    from sim.energy.characterise import Plan, tools
    from sim.energy.characterise import characterise as measure
    from sim.energy.units import units
    from sim.simulators import find_simulator

    find_simulator()
    yosys_version()
    if out is not None:
        check_file(out)
    if clock_mhz is not None and not clock_mhz > 0:
        raise FlowError(f"--clock-mhz {clock_mhz} is not positive; give the clock in megahertz")
    plan = Plan(
        segments=segments,
        length=cycles,
        period=None if clock_mhz is None else 1e-6 / clock_mhz,
        precision=precision,
        seed=seed,
    )
    config = load_target(target)
    every = units(config)
    chosen = _chosen(every, unit)
    library = read_library(liberty)
    network, recorded = record_units(config, every.values(), checkpoint, calibration, data, images)
    with counted_progress("characterising") as told:
        found = measure(
            chosen,
            recorded,
            library,
            plan,
            keep=runner.cache_folder(),
            progress=lambda what, done, total: told(done, total),
        )
    made = Characterisation(
        library=LibraryRecord(
            library.name,
            hashes(library),
            library.voltage,
        ),
        network=network.name,
        target=config.name,
        images=images,
        seed=seed,
        tools=tools(),
        command=command_line(context, "characterise"),
        units=tuple(found),
    )
    if out is not None:
        made.save(out)
    if json:
        print_json(json_format.loads(made.json()))
    else:
        _print(made)


def _chosen(known: Mapping[UnitName, Unit], wanted: Sequence[str] | None) -> dict[UnitName, Unit]:
    for name in wanted or ():
        if name not in known:
            raise FlowError(
                f"--unit {name}: no such unit{suggestion(name, known)}; units are {', '.join(known)}"
            )
    return {name: unit for name, unit in known.items() if not wanted or name in wanted}


def _print(made: Characterisation) -> None:
    screen = console()
    library = made.library
    first = made.units[0]
    title = (
        f"{library.name}, {library.voltage:g} V, {number(1e-6 / first.period, 1)} MHz; operands of {made.network} on "
        f"{made.target}, {made.images} images; evidence: {first.evidence}"
    )
    columns = (
        *("unit", "operation", "operands", "cells", "operations"),
        *("datapath", "registers", "clock", "leakage", "all, pJ", "95%", "at rest, pJ a cycle"),
    )
    report = table(title, columns, left=3)
    for each in made.units:
        spent: EnergySplit = each.per_operation
        report.add_row(
            each.unit,
            each.operation,
            each.operands,
            number(each.cells),
            number(each.operations),
            *(
                f"{PICO * part.mean:.4g}"
                for part in (
                    spent.datapath,
                    spent.registers,
                    spent.clock,
                    spent.leakage,
                    spent.total,
                )
            ),
            f"+-{100 * spent.total.relative:.1f}%",
            f"{PICO * each.idle_per_cycle.total.mean:.4g}",
        )
    screen.print(report)
    screen.print(
        f"pJ an operation in a busy cycle; {first.segments} segments. Leakage goes with the period."
    )
