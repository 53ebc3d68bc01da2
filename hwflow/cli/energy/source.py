"""Where a command gets a network's work from: a trained checkpoint, a preset, a simulation or a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from hwflow.cli.network import QUANTISED_BY
from hwflow.cli.output import progress_console, refuse_beside
from hwflow.cli.reconcile import counted_network, lowered, measured

if TYPE_CHECKING:
    from hwflow.compiler.program import Program
    from hwflow.energy.work import Work
    from hwflow.reconcile import FrameCounters
    from models.config import PokeBNNConfig


def network_work(
    context: typer.Context,
    *,
    checkpoint: Path,
    preset: str | None,
    config: Path | None,
    run: Path | None,
    work: Path | None,
    target: str,
    calibration: Path,
    se_bits: int,
) -> Work:
    """The work of the network that the options name; counts of the RTL with `run`, else of the cycle model.

    Raises:
        FlowError: options that exclude each other, or an unusable file.
    """
    from hwflow.energy.work import Work

    if work is not None:
        others = ("checkpoint", "preset", "config", "run", "target", *QUANTISED_BY)
        refuse_beside(context, "work", others)
        return Work.load(work)
    if run is not None:
        refuse_beside(context, "run", ("target", *QUANTISED_BY))
        counted = counted_network(checkpoint, preset, config, run)
        program, frames = measured(run)
        return _count(program, counted, frames)
    given = context.get_parameter_source("checkpoint")
    if preset is not None and (given is None or given.name != "COMMANDLINE"):
        refuse_beside(context, "preset", QUANTISED_BY)
        counted, program = _drawn(preset, target)
    else:
        counted = counted_network(checkpoint, preset, config, run)
        program = lowered(checkpoint, target, calibration, se_bits)
    return _count(program, counted, [])


def _drawn(preset: str, target: str) -> tuple[PokeBNNConfig, Program]:
    """A random network of a preset: counts do not depend on its parameters."""
    from hwflow.compiler.lower import lower
    from hwflow.config import load_target
    from models.config import preset as named
    from models.integer.random import random_network

    config, counted = load_target(target), named(preset)
    with progress_console().status(f"drawing {preset}") as status:
        network = random_network(0, counted, config.residual_bits)
        status.update(f"compiling {network.name} for {config.name}")
        return counted, lower(network, config)


def _count(program: Program, counted: PokeBNNConfig, frames: list[FrameCounters]) -> Work:
    from hwflow.ace import count
    from hwflow.cycle_model.shares import frame_shares
    from hwflow.energy.work import work

    with progress_console().status(f"tracing {counted.name}") as status:
        report = count(counted)
        if frames:
            return work(program, report, frames)
        status.update(f"simulating the control of {program.config.name}")
        return work(program, report, shares=frame_shares(program))
