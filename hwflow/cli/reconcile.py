"""`hwflow reconcile`: ACE, the schedule and the hardware's counters, to the last operation."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwflow.cli import complete
from hwflow.cli.network import (
    INTEGER_SUFFIX,
    QUANTISED_BY,
    Calibration,
    Checkpoint,
    SEBits,
    integer_network,
)
from hwflow.cli.output import (
    Json,
    Target,
    console,
    number,
    print_json,
    progress_console,
    refuse_beside,
    table,
)
from hwflow.errors import FlowError
from hwflow.paths import CALIBRATION, TRAINED

if TYPE_CHECKING:
    from hwflow.compiler.program import Program
    from hwflow.reconcile import FrameCounters, Reconciliation
    from models.config import PokeBNNConfig

SIMULATION = "simulation.json"


def reconcile(
    context: typer.Context,
    checkpoint: Checkpoint = TRAINED,
    preset: Annotated[
        str | None,
        typer.Option(
            help="network preset to count ACE of, for a .network file or a --run",
            autocompletion=complete.presets,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="config.json to count ACE of instead, or the checkpoint folder it is in"),
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="folder of `hwflow sim`: its schedule and counters")
    ] = None,
    target: Target = "sim-small",
    calibration: Calibration = CALIBRATION,
    se_bits: SEBits = 4,
    json: Json = False,
) -> None:
    """Explain every MAC of ACE, every MAC slot and every cycle of the hardware.

    Without --run the network is compiled for the target and the schedule alone is compared. What
    a .network file or a --run was made of is the float network that --preset or --config names.
    Exit status 1 when anything is left unexplained.
    """
    from hwflow.ace import count
    from hwflow.reconcile import reconcile as compare

    if run is not None:
        refuse_beside(context, "run", ("target", *QUANTISED_BY))
    counted = counted_network(checkpoint, preset, config, run)
    if run is None:
        program, frames = lowered(checkpoint, target, calibration, se_bits), []
    else:
        program, frames = measured(run)
    with progress_console().status(f"tracing {counted.name}"):
        report = count(counted)
    result = compare(report, program.counts(), frames)
    if json:
        print_json(result.to_dict())
    else:
        _print(result)
    if not result.ok:
        raise typer.Exit(1)


def counted_network(
    checkpoint: Path, preset: str | None, config: Path | None, run: Path | None
) -> PokeBNNConfig:
    """The float network to count.

    Raises:
        FlowError: none or two are named, or the one that is named cannot be what is lowered.
    """
    from models.checkpoint import CONFIG
    from models.config import PokeBNNConfig
    from models.config import preset as named

    if preset is not None and config is not None:
        raise FlowError("--preset and --config exclude each other; give one of them")
    whole = checkpoint.suffix == INTEGER_SUFFIX
    if preset is not None or config is not None:
        if run is None and not whole:
            given = "--config" if preset is None else "--preset"
            raise FlowError(
                f"{given} says what to count, {checkpoint} would be lowered, which has its own "
                f"{CONFIG}; name a {INTEGER_SUFFIX} file with --checkpoint, or a --run"
            )
        if preset is not None:
            return named(preset)
        path = config or checkpoint
        return PokeBNNConfig.load(path / CONFIG if path.is_dir() else path)
    path = (checkpoint.parent if checkpoint.is_file() else checkpoint) / CONFIG
    if whole and checkpoint.is_file() and not path.is_file():
        raise FlowError(
            f"{checkpoint}: no {CONFIG} beside it; name the float network it was made of with "
            "--preset NAME or --config FOLDER"
        )
    return PokeBNNConfig.load(path)


def lowered(checkpoint: Path, target: str, calibration: Path, se_bits: int) -> Program:
    """The network of `checkpoint`, compiled for `target`."""
    from hwflow.compiler.lower import lower
    from hwflow.config import load_target

    config = load_target(target)
    network = integer_network(checkpoint, calibration, se_bits, residual_bits=config.residual_bits)
    with progress_console().status(f"compiling {network.name} for {config.name}"):
        return lower(network, config)


def measured(run: Path) -> tuple[Program, list[FrameCounters]]:
    """The program and the counters that `hwflow sim` left in `run`."""
    from hwflow.compiler.program import Program

    path = run / SIMULATION
    if not path.is_file():
        raise FlowError(f"{path}: not found; run `hwflow sim --out {run}` first")
    program = Program.load(run / "program")
    try:
        values = json_format.loads(path.read_text())
        frames = [_counters(frame) for frame in values["frames"]]
        if not frames:
            raise ValueError("it holds no frames")
        same = values["schedule_hash"] == program.manifest.schedule_hash
    except (ValueError, KeyError, TypeError) as error:
        raise FlowError(f"{path}: not a simulation's result ({error}); simulate again") from error
    if not same:
        raise FlowError(f"{path}: is of another schedule than {run / 'program'}; simulate again")
    return program, frames


def _counters(frame: dict[str, Any]) -> FrameCounters:
    from hwflow.isa import END_COUNTERS, LAYER_COUNTERS, SCALAR_COUNTERS
    from hwflow.reconcile import FrameCounters

    scalars: dict[int, list[dict[str, int]]] = {}
    for record in frame["scalars"]:
        values = {name: int(record[name]) for name in SCALAR_COUNTERS}
        scalars.setdefault(int(record["layer"]), []).append(values)
    return FrameCounters(
        layers={
            int(record["layer"]): {name: int(record[name]) for name in LAYER_COUNTERS}
            for record in frame["layers"]
        },
        scalars=scalars,
        frame={name: int(frame["end"][name]) for name in END_COUNTERS},
    )


def _print(result: Reconciliation) -> None:
    screen = console()
    source = f"schedule and {result.images} simulated images" if result.images else "schedule"
    shown = table(
        f"{result.network}: ACE MACs = useful + masked ({source})",
        ("layer", "operation", "bits", "ACE MACs", "useful", "masked", "unexplained",
         "ACE", "slots", "k pad", "channel pad", "pixel pad", "unexplained"),
        left=3,
    )  # fmt: skip
    for row in result.operations:
        executed = "" if row.bits == row.executed_bits else f" as {row.executed_bits}"
        numbers = (
            row.ace_macs, row.useful, row.masked, row.unexplained_macs, row.ace,
            row.slots, row.k_padding, row.channel_padding, row.pixel_padding,
            row.unexplained_slots,
        )  # fmt: skip
        cells = [number(value) for value in numbers]
        shown.add_row(str(row.layer), row.operation, row.bits + executed, *cells)
    screen.print(shown)
    if result.cycles:
        _print_cycles(result)
    _print_classes(result)
    _print_beside(result)
    total = sum(row.ace for row in result.operations)
    useful, masked = (
        sum(getattr(row, name) for row in result.operations) for name in ("useful", "masked")
    )
    screen.print(
        f"total {number(total)} ACE; MACs: {number(useful)} useful, {number(masked)} masked"
    )
    if result.ok:
        screen.print("everything is explained")
    for problem in result.problems:
        screen.print(f"UNEXPLAINED {problem}")


def _print_classes(result: Reconciliation) -> None:
    shown = table(
        "By width of the weights: MACs = useful + masked + elided",
        ("bits", "MACs", "useful", "masked", "elided", "unexplained", "ACE", "ACE executed"),
    )
    for row in result.classes:
        values = (
            row.macs, row.useful, row.masked, row.elided, row.unexplained, row.ace,
            row.executed_ace,
        )  # fmt: skip
        shown.add_row(str(row.bits), *map(number, values))
    console().print(shown)


def _print_beside(result: Reconciliation) -> None:
    """What ACE does not count."""
    shown = table(
        "Elementwise operations an image: the definition's, and what the schedule executes for them",
        ("", "definition", "executed", "definition's", "executed"),
        left=3,
    )
    for index, row in enumerate(result.elementwise, 1):
        shown.add_section()
        reference, executed = list(row.reference.items()), list(row.executed.items())
        for at in range(max(len(reference), len(executed))):
            old = reference[at] if at < len(reference) else ("", None)
            new = executed[at] if at < len(executed) else ("", None)
            mark = "" if at else str(index)
            shown.add_row(mark, old[0], new[0], number(old[1]), number(new[1]))
    console().print(shown)
    for index, row in enumerate(result.elementwise, 1):
        console().print(f"{index}: {row.how}")
    moved = table("Bytes moved an image", ("kind", "schedule", "hardware"))
    for each in result.traffic:
        moved.add_row(each.kind, number(each.scheduled), number(each.measured))
    console().print(moved)


def _print_cycles(result: Reconciliation) -> None:
    causes = tuple(result.cycles[0].counters)
    shown = table(
        "Cycles of the first image: before a layer, and in it by cause (rtl-sim)",
        ("layer", "name", "before", "cycles", *causes, "unexplained"),
        left=2,
    )
    for row in result.cycles:
        values = (row.before, row.cycles, *row.counters.values(), row.unexplained)
        shown.add_row(str(row.layer), row.name, *(number(value) for value in values))
    shown.add_row("", "after the last layer", "", number(result.after))
    console().print(shown)
