"""Records a waveform of a window of one image of an earlier run: `python -m sim.replay FOLDER ...`."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer

from hwflow.compiler.program import Program
from hwflow.errors import FlowError
from sim import runner
from sim.accelerator import accelerator_sources
from sim.memory import MemoryTiming
from sim.model import build_model
from sim.network import BENCH, plusargs


def replay(folder: Path, *, image: int, window: tuple[int, int]) -> Path:
    """Run `image` of the run in `folder` again, alone, and keep frame cycles window[0]..window[1].

    Returns: the waveform (FST, or VCD where lz4's headers are missing), inside `folder`.

    Raises:
        FlowError: no such run, an empty window, or a frame that ends before it.
    """
    if not (folder / "run.json").is_file():
        raise FlowError(f"{folder} holds no run (run.json); give the folder of a simulation")
    if window[0] >= window[1]:
        raise FlowError(f"the window {window[0]}..{window[1]} is empty; --to must be above --from")
    settings: dict[str, Any] = json.loads((folder / "run.json").read_text())
    given = settings.pop("sources")
    bandwidth = Fraction(settings.pop("bandwidth"))
    timing = MemoryTiming(bandwidth=bandwidth, **settings)
    program = Program.load(folder / "program")
    config = program.config
    model = build_model(
        f"{config.name}-waves",
        given or accelerator_sources(config),
        memory_bytes=config.memory_bytes,
        memory_beats=len(program.memory) // config.memory_bytes,
        waves=True,
    )
    wave = (
        (folder / f"image{image}-{window[0]}-{window[1]}").resolve().with_suffix(model.wave_suffix)
    )
    options = {
        **plusargs(program, folder, timing, first=image, count=1),
        "wave": str(wave),
        "wave_image": image,
        "wave_from": window[0],
        "wave_to": window[1],
    }
    runner.run(model, BENCH, folder=folder / "replay", plusargs=options)
    if not wave.is_file():
        raise FlowError(
            f"image {image} ended before cycle {window[0]}; see {folder / 'replay' / 'simulation.log'}"
        )
    return wave


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of an earlier simulation.")],
    image: Annotated[int, typer.Option(help="Number of the image.")] = 0,
    first: Annotated[int, typer.Option("--from", help="First cycle of the frame to record.")] = 0,
    last: Annotated[int, typer.Option("--to", help="Last cycle of the frame to record.")] = 1000,
) -> None:
    """Record a waveform of a window of an earlier simulation."""
    try:
        typer.echo(str(replay(folder, image=image, window=(first, last))))
    except FlowError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error


if __name__ == "__main__":
    typer.run(main)
