"""Runs a compiled network on images through the whole accelerator in RTL simulation."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hwflow.compiler.program import Program
from hwflow.cycle_model import FrameTiming
from hwflow.errors import FlowError
from hwflow.host.results import FrameRecords, decode_results
from hwflow.isa import Op
from hwflow.timing import MEMORY_PATIENCE
from models.integer.params import IntegerNetwork
from sim import runner, taps
from sim.accelerator import accelerator_sources
from sim.compare import Difference, first_difference, record_differences
from sim.cycles import cycle_differences, predicted_frame
from sim.expected import ExpectedImage, expected_images
from sim.memory import MemoryTiming, about, for_fread
from sim.model import build_model, tap_bits
from sim.sdram import SdramModel
from sim.simulators import Simulator
from sim.stages import Stages

BENCH = "sim.benches.whole_network"
PATIENCE = 20
"""A frame may take this many times the cycles that its steps and memory beats need one after the other."""

Images = npt.NDArray[np.uint8]
Progress = Callable[[int, int], None]
"""Called with (images done, cycles simulated)."""


@dataclass(frozen=True)
class FrameResult:
    """One image: its number in `images`, cycles from start to done, and what the accelerator sent."""

    image: int
    cycles: int
    records: FrameRecords


@dataclass(frozen=True, kw_only=True, eq=False)
class SimResult:
    """A run of the accelerator on some images.

    mismatches: one line a record or count of cycles that differs. difference: the first wrong stored value (traced runs).
    compared: whether there was a network to compare with. seconds: of simulation, without building.
    predicted: the cycle model's frame, which every frame's cycles must equal; None with random stalls.
    stages: seconds by stage; the expected values and the cycle model are made while the simulation runs.
    """

    program: Program
    folder: Path
    frames: tuple[FrameResult, ...]
    seconds: float
    compared: bool
    predicted: FrameTiming | None
    mismatches: tuple[str, ...]
    difference: Difference | None
    stages: Stages = field(default_factory=Stages)

    @property
    def passed(self) -> bool:
        """True when nothing differs; a run that compared nothing does not pass."""
        return self.compared and not self.mismatches and self.difference is None

    @property
    def cycles(self) -> int:
        """Cycles of all frames."""
        return sum(frame.cycles for frame in self.frames)

    @property
    def cycles_per_second(self) -> float:
        """Simulated cycles a second of wall time."""
        return self.cycles / self.seconds

    def replay_command(self) -> str | None:
        """The command that records a waveform around the first difference."""
        if self.difference is None or self.difference.window is None:
            return None
        low, high = self.difference.window
        return f"python -m sim.replay {self.folder} --image {self.difference.image} --from {low} --to {high}"


def conv_instructions(program: Program) -> dict[int, dict[str, int]]:
    """The schedule's CONV instructions by layer number."""
    return {each["layer"]: each for each in program.instructions if each["op"] == Op.CONV}


def frame_limit(program: Program, timing: MemoryTiming) -> int:
    """Cycles after which a frame is taken for hung."""
    steps = sum(layer.issue for layer in program.counts())
    beats = len(program.memory) // program.config.memory_bytes / float(timing.bandwidth)
    awake = (256 - timing.stall) / 256
    return (
        100_000
        + MEMORY_PATIENCE
        + int(PATIENCE * (steps + beats * (1 + timing.latency / 16) / awake))
    )


def simulate(
    program: Program,
    images: Images,
    *,
    folder: Path,
    network: IntegerNetwork | None = None,
    trace: bool = False,
    timing: MemoryTiming | None = None,
    sources: Mapping[str, str] | None = None,
    sdram: SdramModel | None = None,
    simulator: Simulator | None = None,
    jobs: int = 1,
    predicted: FrameTiming | None = None,
    expected: Sequence[ExpectedImage] | None = None,
    progress: Progress | None = None,
) -> SimResult:
    """Run `images` (uint8 (N, H, W, c)) one after the other through the accelerator.

    Args:
        program: the compiled network; its configuration is the accelerator's.
        images: in the order of the run.
        folder: where inputs, results, logs and taps are kept; a replay needs nothing else.
        network: the integer network to compare with; without it only cycles are compared, which is not a pass.
        trace: record every stored value and name the first wrong one.
        timing: of the memory; default MemoryTiming().
        sources: Verilog instead of the generated one (file name -> text).
        sdram: the memory instead of one with `timing`; cycles are then not predicted.
        simulator: default the one that `find_simulator` finds.
        jobs: processes to share the images.
        predicted: the cycle model's frame of this program and timing, where it is known; else it is computed.
        expected: what the images must give, where it is known; else `network` is evaluated.
        progress: called a few times a second.

    Raises:
        FlowError: images of a wrong shape, Verilog that does not compile, a run that hangs or dies.
    """
    if sdram is not None:
        timing = about(sdram.timing)
    timing = timing or MemoryTiming()
    config = program.config
    if not len(images):
        raise FlowError("no images to simulate; give at least one")
    stages = Stages()
    with stages.stage("inputs"):
        prepare(program, images, folder, timing, sources, sdram)
    with stages.stage("Verilog"):
        verilog = sources or accelerator_sources(config)
    beats = len(program.memory) // config.memory_bytes
    with stages.stage("model", children=True):
        model = build_model(
            config.name,
            verilog,
            memory_bytes=config.memory_bytes,
            memory_beats=beats,
            sdram=sdram,
            simulator=simulator,
        )
    chunks = [chunk for chunk in np.array_split(np.arange(len(images)), jobs) if len(chunk)]
    folders = [folder / f"run{i}" for i in range(len(chunks))]

    def one(index: int) -> tuple[list[FrameResult], runner.RunResult]:
        first, count = int(chunks[index][0]), len(chunks[index])
        options = plusargs(program, folder, timing, first=first, count=count)
        if trace:
            options["trace"] = "tap_"

        def poll() -> None:
            if progress is not None and index == 0:
                progress(*_progress(folders))

        result = runner.run(model, BENCH, folder=folders[index], plusargs=options, poll=poll)
        if not result.passed:
            raise FlowError(f"simulation of {program.manifest.network} failed: {complaint(result)}")
        return _frames(folders[index], count, program), result

    with ThreadPoolExecutor(len(chunks)) as pool:
        running = [pool.submit(one, index) for index in range(len(chunks))]
        # The simulations are processes of their own; what they are held against is made meanwhile.
        with stages.stage("integer network"):
            if expected is None and network is not None:
                expected = expected_images(network, conv_instructions(program), images)
        with stages.stage("cycle model"):
            if sdram is None:
                predicted = predicted or predicted_frame(program, timing)
        finished = [each.result() for each in running]
    frames = [frame for part, _ in finished for frame in part]
    seconds = max(each.seconds for _, each in finished)
    stages.add("simulation", seconds, max(each.cpu_seconds for _, each in finished))
    mismatches, difference = _compare(program, expected, frames, folders, verilog, trace, stages)
    if predicted is not None:
        for frame in frames:
            mismatches += cycle_differences(frame.image, frame.cycles, frame.records, predicted)
    return SimResult(
        program=program,
        folder=folder,
        frames=tuple(frames),
        seconds=seconds,
        compared=expected is not None,
        predicted=predicted,
        mismatches=tuple(mismatches),
        difference=difference,
        stages=stages,
    )


def prepare(
    program: Program,
    images: Images,
    folder: Path,
    timing: MemoryTiming,
    sources: Mapping[str, str] | None,
    sdram: SdramModel | None = None,
) -> None:
    """Write everything a run or a replay reads into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    beat = program.config.memory_bytes
    program.save(folder / "program")
    np.save(folder / "images.npy", images)
    (folder / "memory.fread").write_bytes(for_fread(program.memory, beat))
    with (folder / "images.fread").open("wb") as file:
        for image in images:
            file.write(for_fread(program.pack_image(image), beat))
    settings = {
        **asdict(timing),
        "bandwidth": str(timing.bandwidth),
        "sources": dict(sources) if sources else None,
        "sdram": sdram and asdict(sdram),
    }
    (folder / "run.json").write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n")


def plusargs(
    program: Program, folder: Path, timing: MemoryTiming, *, first: int, count: int
) -> dict[str, str | int]:
    """The harness's options for images first..first+count-1 of a prepared folder."""
    folder = folder.resolve()
    return {
        "memory": str(folder / "memory.fread"),
        "memory_beats": len(program.memory) // program.config.memory_bytes,
        "images": str(folder / "images.fread"),
        "image_address": program.manifest.image.address,
        "image_beats": program.manifest.image.beats,
        "image_first": first,
        "image_count": count,
        "schedule": program.manifest.schedule_address,
        "result": "result.bin",
        "frames": "frames.bin",
        "progress": "progress.txt",
        "limit": frame_limit(program, timing),
        **timing.plusargs(),
    }


def _progress(folders: list[Path]) -> tuple[int, int]:
    done = cycles = 0
    for folder in folders:
        path = folder / "progress.txt"
        lines = path.read_text().splitlines() if path.is_file() else []
        if lines and len(words := lines[-1].split()) == 2:
            done, cycles = done + int(words[0]), cycles + int(words[1])
    return done, cycles


def complaint(result: runner.RunResult) -> str:
    """Why a run failed, in the harness's words, and where its log is."""
    lines = [
        line for line in result.log.read_text(errors="replace").splitlines() if "harness: " in line
    ]
    return f"{lines[0].partition('harness: ')[2] if lines else 'see the log'} ({result.log})"


def _frames(folder: Path, count: int, program: Program) -> list[FrameResult]:
    numbers = np.fromfile(folder / "frames.bin", "<u4").reshape(-1, 2).tolist()
    records = decode_results((folder / "result.bin").read_bytes(), program.manifest.classes)
    for (image, cycles), record in zip(numbers, records, strict=False):
        if record.error is not None:
            names = {layer.number: layer.name for layer in program.manifest.layers}
            raise FlowError(
                f"image {image} ended at cycle {cycles}: {record.error.describe(names)}"
            )
    if len(records) != count or len(numbers) != count:
        raise FlowError(
            f"{folder}: {len(records)} frames in the result stream, {len(numbers)} done, expected {count}"
        )
    return [
        FrameResult(image, cycles, record)
        for (image, cycles), record in zip(numbers, records, strict=True)
    ]


def _compare(
    program: Program,
    expected: Sequence[ExpectedImage] | None,
    frames: list[FrameResult],
    folders: list[Path],
    verilog: Mapping[str, str],
    trace: bool,
    stages: Stages,
) -> tuple[list[str], Difference | None]:
    if expected is None:
        return [], None
    wanted = dict(enumerate(expected))
    with stages.stage("comparison"):
        lines = [
            line
            for frame in frames
            for line in record_differences(frame.image, frame.records, wanted[frame.image])
        ]
    if not trace:
        return lines, None
    convs = conv_instructions(program)
    bits, cols = tap_bits("\n".join(verilog.values())), program.config.cols
    for folder in folders:
        numbers = set(np.fromfile(folder / "frames.bin", "<u4").reshape(-1, 2)[:, 0].tolist())
        here = {number: one for number, one in wanted.items() if number in numbers}
        with stages.stage("reading taps"):
            found = taps.Taps(
                store=taps.read_store(folder / "tap_store.bin", bits["tap_store"], cols),
                mean=taps.read_store(folder / "tap_mean.bin", bits["tap_mean"], cols),
                pool=taps.read_store(folder / "tap_pool.bin", bits["tap_pool"], cols),
                scalar=taps.read_scalar(folder / "tap_scalar.bin"),
            )
        with stages.stage("comparison"):
            difference = first_difference(found, here, convs, program.config)
        if difference is not None:
            return lines, difference
    return lines, None
