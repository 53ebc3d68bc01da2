"""`hwflow lower`: a network as schedule, memory image and manifest."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwflow.cli.network import Calibration, Checkpoint, SEBits, integer_network, network_input
from hwflow.cli.output import Json, Target, console, number, print_json, progress_console, table
from hwflow.errors import FlowError
from hwflow.paths import BUILD, CALIBRATION, TRAINED

if TYPE_CHECKING:
    from hwflow.compiler.program import Program


def lower(
    checkpoint: Checkpoint = TRAINED,
    target: Target = "sim-small",
    out: Annotated[
        Path | None, typer.Option(help="build folder; default build/NETWORK-TARGET")
    ] = None,
    repeat_layer: Annotated[
        str | None, typer.Option(help="compute this layer --times times, to measure its energy")
    ] = None,
    times: Annotated[int | None, typer.Option(help="with --repeat-layer: how often")] = None,
    calibration: Calibration = CALIBRATION,
    se_bits: SEBits = 4,
    json: Json = False,
) -> None:
    """Compile a network for a target: schedule (binary and JSON), memory image, manifest."""
    from hwflow.compiler.program import check_folder
    from hwflow.compiler.repeat import Repeat
    from hwflow.config import load_target

    if (repeat_layer is None) != (times is None):
        raise FlowError("--repeat-layer and --times go together; give both")
    repeat = None if repeat_layer is None else Repeat(repeat_layer, times or 0)
    config = load_target(target)
    name = f"{network_input(checkpoint)[0]}-{config.name}"
    folder = out or BUILD / (name if repeat is None else f"{name}-{repeat.layer}-x{repeat.times}")
    check_folder(folder)
    network = integer_network(checkpoint, calibration, se_bits, residual_bits=config.residual_bits)
    with progress_console().status(f"compiling {network.name} for {config.name}"):
        from hwflow.compiler.lower import lower as compile_network

        program = compile_network(network, config, repeat)
    program.save(folder)
    summary = describe(program, folder)
    if json:
        print_json(summary)
    else:
        report = table(f"{network.name} for {config.name}", ("", "value"))
        for name, value in summary.items():
            report.add_row(name, number(value) if isinstance(value, int) else str(value))
        console().print(report)


def describe(program: Program, folder: Path) -> dict[str, Any]:
    """What a build folder holds, in numbers."""
    traffic: Counter[str] = Counter()
    for entry in program.counts():
        traffic.update(entry.bytes)
    manifest = program.manifest
    return {
        "folder": str(folder),
        "instructions": manifest.instructions,
        "memory bytes": len(program.memory),
        **{f"{kind} bytes a frame": total for kind, total in traffic.items()},
        "network sha256": manifest.network_hash,
        "target sha256": manifest.config_hash,
        "schedule sha256": manifest.schedule_hash,
        "memory sha256": manifest.memory_hash,
    }
