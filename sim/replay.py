"""Records a waveform of a window of one image of an earlier run: `python -m sim.replay FOLDER ...`."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from hwflow.compiler.program import Program
from hwflow.errors import FlowError
from sim import runner
from sim.accelerator import accelerator_sources
from sim.memory import MemoryTiming
from sim.model import build_model
from sim.network import BENCH, complaint, plusargs


def replay(folder: Path, *, image: int, window: tuple[int, int]) -> Path:
    """Run `image` of the run in `folder` again, alone, and keep frame cycles window[0]..window[1].

    Returns: the waveform (FST, or VCD where lz4's headers are missing), inside `folder`.

    Raises:
        FlowError: no such run or image, a damaged run, an empty window, or a frame that fails or ends before it.
    """
    if not (folder / "run.json").is_file():
        raise FlowError(f"{folder} holds no run (run.json); give the folder of a simulation")
    if not 0 <= window[0] < window[1]:
        raise FlowError(
            f"the window {window[0]}..{window[1]} is empty; --from must be 0 or more, --to above it"
        )
    timing, given, images = _settings(folder)
    if not 0 <= image < images:
        raise FlowError(f"{folder} has no image {image}; give --image 0..{images - 1}")
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
    wave.unlink(missing_ok=True)
    result = runner.run(model, BENCH, folder=folder / "replay", plusargs=options)
    if not result.passed:
        raise FlowError(f"the replay of image {image} failed: {complaint(result)}")
    if not wave.is_file():
        raise FlowError(
            f"image {image} ended before cycle {window[0]}; see {folder / 'replay' / 'simulation.log'}"
        )
    return wave


def _settings(folder: Path) -> tuple[MemoryTiming, dict[str, str] | None, int]:
    """Timing, Verilog (None: the generated one) and number of images of the run in `folder`."""
    try:
        settings: dict[str, Any] = json.loads((folder / "run.json").read_text())
        sources = settings.pop("sources")
        sdram = settings.pop("sdram", None)
        bandwidth = Fraction(settings.pop("bandwidth"))
        timing = MemoryTiming(bandwidth=bandwidth, **settings)
        images = len(np.load(folder / "images.npy", mmap_mode="r"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise FlowError(
            f"{folder}: run.json or images.npy is damaged ({error}); run the simulation again"
        ) from error
    if sdram is not None:
        raise FlowError(f"{folder}: a run with SDRAM cannot be replayed; run it without --sdram")
    return timing, sources, images


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of an earlier simulation.")],
    image: Annotated[int, typer.Option(help="Number of the image.")] = 0,
    first: Annotated[int, typer.Option("--from", help="First cycle of the frame to record.")] = 0,
    last: Annotated[int, typer.Option("--to", help="Last cycle of the frame to record.")] = 1000,
) -> None:
    """Record a waveform of a window of an earlier simulation."""
    try:
        with Console(stderr=True).status(
            f"replaying image {image}; the first time compiles a model"
        ):
            wave = replay(folder, image=image, window=(first, last))
        typer.echo(str(wave))
    except FlowError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error


if __name__ == "__main__":
    typer.run(main)
