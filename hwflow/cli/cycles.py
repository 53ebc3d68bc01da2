"""`hwflow cycles`: where a frame's cycles go, by the cycle model."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwflow.cli import complete
from hwflow.cli.memory import SdramClock, sdram_timing
from hwflow.cli.network import (
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
    from hwflow.cycle_model.shares import FrameShares
    from hwflow.sdram import SdramTiming


def cycles(
    context: typer.Context,
    checkpoint: Checkpoint = TRAINED,
    preset: Annotated[
        str | None,
        typer.Option(
            help="a random network of this preset instead of the checkpoint",
            autocompletion=complete.presets,
        ),
    ] = None,
    program: Annotated[
        Path | None, typer.Option(help="build folder of `hwflow lower`; decides network and target")
    ] = None,
    target: Target = "sim-small",
    memory_bytes: Annotated[
        int | None, typer.Option(help="bytes of a memory beat instead of the target's")
    ] = None,
    latency: Annotated[
        int, typer.Option(min=1, max=100_000, help="cycles from a request to its first beat")
    ] = 8,
    bandwidth: Annotated[
        str, typer.Option(help="beats a cycle, at most 1, as 1, 0.5 or 3/4")
    ] = "1",
    sdram: SdramClock = None,
    calibration: Calibration = CALIBRATION,
    se_bits: SEBits = 4,
    json: Json = False,
) -> None:
    """Report a frame's cycles, its bound, and what binds every layer.

    Evidence: cycle-model, which equals the RTL in every cycle with a memory of fixed latency; with --sdram it is an
    estimate, some percent below the RTL (docs/sdram.md).
    """
    from hwflow.cycle_model.shares import frame_shares

    beats = _bandwidth(bandwidth)
    if program is not None:
        refuse_beside(context, "program", ("preset", "checkpoint", "target", *QUANTISED_BY))
    if sdram is not None:
        refuse_beside(context, "sdram", ("latency", "bandwidth"))
    if preset is not None:
        refuse_beside(context, "preset", ("checkpoint", *QUANTISED_BY))
    if program is None:
        compiled = _compile(preset, checkpoint, calibration, se_bits, target, memory_bytes)
    else:
        from hwflow.compiler.program import Program

        if memory_bytes is not None:
            raise FlowError("--memory-bytes needs another build; give it without --program")
        compiled = Program.load(program)
    memory = None if sdram is None else sdram_timing(sdram, compiled.config.memory_bytes)
    if memory is not None:
        latency, beats = memory.open_latency, memory.stream_bandwidth
    with progress_console().status(f"simulating the control of {compiled.config.name}"):
        shares = frame_shares(compiled, latency=latency, bandwidth=beats, steady=memory is not None)
    if json:
        about = {
            "network": compiled.manifest.network,
            "target": compiled.config.name,
            "memory_bytes": compiled.config.memory_bytes,
            "latency": latency,
            "bandwidth": str(beats),
            "sdram_megahertz": sdram,
        }
        if memory is not None:
            about["milliseconds"] = round(1000 * shares.total / memory.clock_hz, 3)
        print_json(about | shares.to_dict())
    else:
        _print(compiled, shares, memory)


def _bandwidth(text: str) -> Fraction:
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise FlowError(f"--bandwidth {text} is no number; give one like 1, 0.5 or 3/4") from error
    if not 0 < value <= 1:
        raise FlowError(f"--bandwidth {text} must be above 0 and at most 1; nearest valid: 1")
    return value


def _compile(
    preset: str | None,
    checkpoint: Path,
    calibration: Path,
    se_bits: int,
    target: str,
    memory_bytes: int | None,
) -> Program:
    from hwflow.compiler.lower import lower
    from hwflow.config import load_target

    config = load_target(target)
    if memory_bytes is not None:
        config = dataclasses.replace(config, memory_bytes=memory_bytes)
    if preset is None:
        network = integer_network(
            checkpoint, calibration, se_bits, residual_bits=config.residual_bits
        )
    else:
        from models.config import preset as named

        geometry = named(preset)
        with progress_console().status(f"drawing {preset}"):
            from models.integer.random import random_network

            network = random_network(0, geometry, config.residual_bits)
    with progress_console().status(f"compiling {network.name} for {config.name}"):
        return lower(network, config)


def _print(program: Program, shares: FrameShares, memory: SdramTiming | None) -> None:
    from hwflow.cycle_model.shares import CAUSES

    config = program.config
    title = f"{program.manifest.network} on {config.name}, {config.memory_bytes} bytes a beat"
    columns = ("layer", "name", "cycles", "bound", "beats", *CAUSES, "binds")
    shown = table(f"{title} (cycle-model)", columns, left=2)
    for layer in shares.layers:
        causes = (number(layer.causes.get(cause)) for cause in CAUSES)
        shown.add_row(
            str(layer.layer), layer.name, number(layer.cycles), number(layer.bound),
            number(layer.beats), *causes, layer.binds,
        )  # fmt: skip
    totals = (number(count) for count in shares.causes().values())
    beats = sum(layer.beats for layer in shares.layers)
    shown.add_row("", "frame", number(shares.cycles), number(shares.bound), number(beats), *totals)
    screen = console()
    screen.print(shown)
    screen.print(
        f"{number(shares.cycles)} cycles from start to the last logit, {number(shares.total)} to done: utilisation "
        f"{shares.utilisation:.3f} of a frame bound of {number(shares.bound)}, array occupancy "
        f"{shares.occupancy:.3f}, memory port busy {shares.port_beats / shares.cycles:.3f} (evidence: cycle-model)"
    )
    if memory is not None:
        seconds = shares.total / memory.clock_hz
        screen.print(
            f"{1000 * seconds:.2f} ms and {sum(shares.bytes.values()) / 1e6:.2f} MB a frame, {1 / seconds:.1f} frames/s "
            f"at {memory.clock_hz / 1e6:g} MHz in front of SDRAM (estimate)"
        )
