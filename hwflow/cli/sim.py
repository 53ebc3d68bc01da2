"""`hwflow sim`: real images through the whole accelerator in RTL simulation."""

from __future__ import annotations

import json as json_format
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from hwflow import interruption
from hwflow.cli.memory import SdramClock, sdram_timing
from hwflow.cli.network import Calibration, Checkpoint, SEBits, integer_network, network_input
from hwflow.cli.output import (
    Json,
    Target,
    check_staged,
    console,
    number,
    print_json,
    progress_console,
    simulation_progress,
    staged,
)
from hwflow.errors import FlowError
from hwflow.paths import BUILD, CALIBRATION, TEST_IMAGES, TRAINED

if TYPE_CHECKING:
    from hwflow.compiler.program import Program
    from hwflow.config import AcceleratorConfig
    from models.data import ImageSet
    from models.integer.params import IntegerNetwork
    from sim.network import SimResult
    from sim.sdram import SdramModel

CHUNK = 250
"""Images of one run of the compiled model; a longer job is several runs."""
PROGRAM = "program"
"""Build folder in the folder of results."""
RUNS = "runs"
"""Folder of the runs in the folder of results; the summary is of these."""
TRACED = 64
"""Most images of a job that is traced unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to simulate, with which accelerator, and where the runs are kept."""

    program: Program
    network: IntegerNetwork
    data: ImageSet
    folder: Path
    trace: bool
    jobs: int
    sdram: SdramModel | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """first: the first run, with every counter. failed: the run that differs, if one does.

    predictions, cycles: of every image simulated; seconds: of simulation, without compiling.
    """

    first: SimResult
    failed: SimResult | None
    failed_from: int
    predictions: npt.NDArray[np.int64]
    cycles: npt.NDArray[np.int64]
    seconds: float


def sim(
    images: Annotated[int, typer.Option(min=1, help="how many images to simulate")] = 16,
    target: Target = "sim-small",
    checkpoint: Checkpoint = TRAINED,
    program: Annotated[
        Path | None, typer.Option(help="build folder of `hwflow lower`; decides the target")
    ] = None,
    data: Annotated[
        Path, typer.Option(help=".npz file or folder of images; its test split")
    ] = TEST_IMAGES,
    out: Annotated[Path, typer.Option(help="folder of results and runs")] = BUILD / "sim",
    calibration: Calibration = CALIBRATION,
    se_bits: SEBits = 4,
    trace: Annotated[
        bool | None,
        typer.Option(help=f"compare every stored value; default for up to {TRACED} images"),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="simulations side by side")] = 1,
    sdram: SdramClock = None,
    json: Json = False,
) -> None:
    """Run real images through the whole accelerator in RTL simulation.

    Every layer's signature, the logits and, when traced, every stored value must equal the
    integer network's; exit status 1 when something differs.
    """
    from hwflow.compiler.program import Program, check_folder
    from hwflow.config import load_target
    from sim.simulators import find_simulator

    find_simulator()
    built = None if program is None else Program.load(program)
    config = load_target(target) if built is None else built.config
    memory = None if sdram is None else _sdram_model(config, sdram)
    chosen = chosen_images(data, images, checkpoint)
    check_folder(out / PROGRAM)
    check_staged(out)
    network = integer_network(checkpoint, calibration, se_bits, residual_bits=config.residual_bits)
    compiled = compile_network(network, config) if built is None else built
    if compiled.manifest.network_hash != network.content_hash():
        raise FlowError(
            f"{program}: was compiled from another network than the checkpoint gives; name that "
            "checkpoint or run `hwflow lower` again"
        )
    tracing = images <= TRACED if trace is None else trace
    job = Job(
        program=compiled,
        network=network,
        data=chosen,
        folder=out,
        trace=tracing,
        jobs=jobs,
        sdram=memory,
    )
    with interruption.replaces(out / RUNS) as keep:
        outcome = run(job)
        summary = _summary(outcome, chosen)
        with interruption.put_off():
            _write(outcome, summary, compiled, out)
            keep()
    if json:
        print_json(summary)
    else:
        _print(outcome, summary, out)
    if outcome.failed is not None:
        raise typer.Exit(1)


def _sdram_model(config: AcceleratorConfig, megahertz: float) -> SdramModel:
    from sim.sdram import SdramModel

    return SdramModel(config=config, timing=sdram_timing(megahertz, config.memory_bytes))


def compile_network(network: IntegerNetwork, config: AcceleratorConfig) -> Program:
    """The network's program for a target, with a note of what is being done."""
    from hwflow.compiler.lower import lower

    with progress_console().status(f"compiling {network.name} for {config.name}"):
        return lower(network, config)


def chosen_images(data: Path, wanted: int, checkpoint: Path) -> ImageSet:
    """The first `wanted` images of the test split.

    Raises:
        FlowError: they do not fit what `checkpoint` names, or are too few.
    """
    from models.data import check_images, load_images

    loaded = load_images(data, "test")
    name, shape, classes = network_input(checkpoint)
    check_images(loaded, shape, classes, name, data)
    if wanted > len(loaded):
        raise FlowError(
            f"{data}: has {len(loaded)} images, {wanted} wanted; lower --images, or name a folder "
            "that has more with --data"
        )
    return loaded.subset(wanted)


def run(job: Job) -> Outcome:
    """Simulates chunk after chunk on one compiled model, and stops at the first that differs.

    Raises:
        FlowError: no simulator, or a simulation that hangs or dies.
    """
    from sim.network import simulate

    count = len(job.data)
    first = failed = None
    failed_from = 0
    seconds = 0.0
    predictions: list[int] = []
    cycles: list[int] = []
    with simulation_progress(f"{job.program.config.name}: compiling the model", count) as report:
        for start in range(0, count, CHUNK):
            chunk = job.data.images[start : start + CHUNK]
            folder = _run_folder(job.folder, start, len(chunk))
            result = simulate(
                job.program,
                chunk,
                folder=folder,
                network=job.network,
                trace=job.trace,
                sdram=job.sdram,
                jobs=job.jobs,
                predicted=first and first.predicted,
                progress=report.from_image(start, sum(cycles)),
            )
            seconds += result.seconds
            frames = sorted(result.frames, key=lambda frame: frame.image)
            predictions += [int(np.argmax(frame.records.logits)) for frame in frames]
            cycles += [frame.cycles for frame in frames]
            report.reached(len(predictions), sum(cycles))
            first = first or result
            if not result.passed:
                failed, failed_from = result, start
                break
    if first is None:
        raise FlowError("no images to simulate; give at least one")
    if failed is not None and failed.difference is None:
        failed, failed_from = _locate(job, failed, failed_from)
    return Outcome(
        first=first,
        failed=failed,
        failed_from=failed_from,
        predictions=np.array(predictions),
        cycles=np.array(cycles),
        seconds=seconds,
    )


def _run_folder(out: Path, start: int, count: int) -> Path:
    return out / RUNS / f"images{start}-{start + count - 1}"


def _locate(job: Job, failed: SimResult, start: int) -> tuple[SimResult, int]:
    """Runs the first image that differs once more, traced, to say where it differs first."""
    from sim.compare import record_differences
    from sim.expected import expected_images
    from sim.network import conv_instructions, simulate

    convs = conv_instructions(job.program)
    for frame in sorted(failed.frames, key=lambda frame: frame.image):
        at = start + frame.image
        image = job.data.images[at : at + 1]
        wanted = expected_images(job.network, convs, image)[0]
        if record_differences(0, frame.records, wanted):
            folder = _run_folder(job.folder, at, 1)
            traced = simulate(
                job.program,
                image,
                folder=folder,
                network=job.network,
                trace=True,
                sdram=job.sdram,
            )
            return traced, at
    return failed, start


def _summary(outcome: Outcome, data: ImageSet) -> dict[str, Any]:
    """What the whole job did, JSON-ready. utilisation: frame bound / cycles from start to last logit."""
    from hwflow.bound import frame_bound

    done = len(outcome.predictions)
    right = outcome.predictions == data.labels[:done]
    total = int(outcome.cycles.sum())
    manifest = outcome.first.program.manifest
    bound = frame_bound(outcome.first.program)
    return {
        "evidence": "rtl-sim",
        "network": manifest.network,
        "target": outcome.first.program.config.name,
        "passed": outcome.failed is None,
        "images": done,
        "top1": float(right.mean()),
        "cycles_per_image": int(outcome.cycles[0]),
        "cycle_model": outcome.first.predicted and outcome.first.predicted.total,
        "frame_bound": bound,
        "utilisation": round(bound / outcome.first.frames[0].records.counters["cycles"], 4),
        "cycles": total,
        "seconds": round(outcome.seconds, 3),
        "cycles_per_second": round(total / outcome.seconds),
        "images_per_second": round(done / outcome.seconds, 3),
        "predictions": outcome.predictions.tolist(),
        "labels": data.labels[:done].tolist(),
        "schedule_hash": manifest.schedule_hash,
        "memory_hash": manifest.memory_hash,
        **_failure(outcome),
    }


def _failure(outcome: Outcome) -> dict[str, Any]:
    failed = outcome.failed
    if failed is None:
        return {}
    return {
        "first_image_of_failed_run": outcome.failed_from,
        "mismatches": list(failed.mismatches),
        "difference": failed.difference.describe() if failed.difference else None,
        "replay": failed.replay_command(),
    }


def _write(outcome: Outcome, summary: dict[str, Any], program: Program, out: Path) -> None:
    from sim.report import write

    with staged(out) as scratch:
        program.save(scratch / PROGRAM)
        write(outcome.failed or outcome.first, scratch)
        (scratch / "summary.json").write_text(json_format.dumps(summary, indent=1) + "\n")


def _print(outcome: Outcome, summary: dict[str, Any], out: Path) -> None:
    from sim.report import table

    screen = console()
    screen.print(table(outcome.first))
    screen.print(
        f"{summary['images']} images: top-1 {number(100 * summary['top1'], 2)}%, "
        f"{number(summary['cycles_per_image'])} cycles an image (utilisation "
        f"{number(summary['utilisation'], 3)} of a frame bound of {number(summary['frame_bound'])}), "
        f"{number(summary['cycles_per_second'])} cycles/s, "
        f"{number(summary['images_per_second'], 2)} images/s (evidence: rtl-sim)"
    )
    if outcome.failed is None:
        cycles = ", every cycle count the cycle model" if summary["cycle_model"] else ""
        screen.print(f"every image equals the integer network{cycles}; results in {out}")
        return
    screen.print(f"NOT EQUAL, in the run that starts at image {outcome.failed_from}:")
    for line in outcome.failed.mismatches[:10]:
        screen.print(f"  {line}")
    if outcome.failed.difference is not None:
        screen.print(f"first difference: {outcome.failed.difference.describe()}")
        screen.print(f"waveform: {outcome.failed.replay_command()}")
