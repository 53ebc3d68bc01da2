"""A memory that answers with an error, or not at all: the run ends with a message, the next one is right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hwflow import isa
from hwflow.compiler.lower import lower
from hwflow.compiler.program import Program
from hwflow.errors import FlowError
from hwflow.host.results import FrameRecords, PortError, decode_results
from hwflow.timing import MEMORY_PATIENCE
from models.integer.params import IntegerNetwork
from models.integer.random import random_images, random_network
from sim import runner
from sim.accelerator import accelerator_sources
from sim.compare import record_differences
from sim.expected import expected_images
from sim.memory import MemoryTiming
from sim.model import build_model
from sim.network import BENCH, conv_instructions, plusargs, prepare, simulate
from tests.sim.configs import SMALL

SEED = 3
LATENCY = 5


@pytest.fixture(scope="module")
def network() -> IntegerNetwork:
    return random_network(SEED)


@pytest.fixture(scope="module")
def program(network: IntegerNetwork) -> Program:
    return lower(network, SMALL)


def answered_beats(program: Program) -> list[tuple[int, int]]:
    """(destination, address) of every beat, in the order in which a run without errors reads them."""
    beat = SMALL.memory_bytes
    of_instruction = isa.INSTRUCTION_BYTES // beat
    loads = [each for each in program.instructions if each["op"] == isa.Op.LOAD]
    places = [
        (isa.INSTRUCTIONS, program.manifest.schedule_address + n) for n in range(of_instruction)
    ]
    for load in loads:
        places += [(load["ring"], load["address"] + n) for n in range(load["beats"])]
    return places


def two_frames(
    folder: Path, network: IntegerNetwork, program: Program, timing: MemoryTiming
) -> list[FrameRecords]:
    """The first image with the fault, the second after it on the same accelerator."""
    images = random_images(SEED, 2, network.image_shape)
    prepare(program, images, folder, timing, None)
    beats = len(program.memory) // SMALL.memory_bytes
    model = build_model(
        SMALL.name,
        accelerator_sources(SMALL),
        memory_bytes=SMALL.memory_bytes,
        memory_beats=beats,
    )
    options = {**plusargs(program, folder, timing, first=0, count=2), "keep_going": 1}
    runner.run(model, BENCH, folder=folder / "run", plusargs=options, timeout=200).check()
    numbers = np.fromfile(folder / "run" / "frames.bin", "<u4").reshape(-1, 2)
    assert numbers[:, 0].tolist() == [0, 1]
    return decode_results((folder / "run" / "result.bin").read_bytes(), network.classes)


def check_second(network: IntegerNetwork, program: Program, frame: FrameRecords) -> None:
    """It equals the integer network: nothing is left of the frame before."""
    images = random_images(SEED, 2, network.image_shape)
    wanted = expected_images(network, conv_instructions(program), images)[1]
    assert frame.error is None
    assert list(record_differences(1, frame, wanted)) == []


def layer_of(program: Program, error: PortError) -> int:
    """The layer of the LOAD that reads the beat."""
    return next(
        each["layer"]
        for each in program.instructions
        if each["op"] == isa.Op.LOAD
        and each["ring"] == error.destination
        and each["address"] <= error.address < each["address"] + each["beats"]
    )


@pytest.mark.parametrize("beat", [0, 3, 60, 333, 640, 900])
def test_error_response(
    beat: int, network: IntegerNetwork, program: Program, tmp_path: Path
) -> None:
    timing = MemoryTiming(latency=LATENCY, error_at=beat)
    failed, after = two_frames(tmp_path, network, program, timing)
    error = failed.error
    assert error is not None
    assert error.fault == isa.Fault.RESPONSE
    if beat < 4:
        assert (error.destination, error.address) == answered_beats(program)[beat]
    if error.destination == isa.INSTRUCTIONS:
        assert error.layer == 0
        begin = program.manifest.schedule_address
        assert begin <= error.address < begin + 4 * (program.manifest.instructions + 8)
    else:
        assert error.layer == layer_of(program, error)
    check_second(network, program, after)


@pytest.mark.parametrize("stalls", [0, 100])
@pytest.mark.parametrize("beat", [0, 40, 777])
def test_late_answer(
    beat: int, stalls: int, network: IntegerNetwork, program: Program, tmp_path: Path
) -> None:
    """The run ends without the answer; what was still owed comes, is dropped, and the next run is right."""
    timing = MemoryTiming(
        latency=LATENCY,
        silent_at=beat,
        silent_for=MEMORY_PATIENCE + 5000,
        stall=stalls,
        result_stall=stalls,
    )
    failed, after = two_frames(tmp_path, network, program, timing)
    assert failed.error is not None
    assert failed.error.fault == isa.Fault.SILENCE
    check_second(network, program, after)


def test_error_of_every_destination(
    network: IntegerNetwork, program: Program, tmp_path: Path
) -> None:
    """Errors are found in the beats of each ring that the target has, in the image's and in the schedule's."""
    there = {*isa.Ring, isa.INSTRUCTIONS} - {isa.Ring.LONG}
    found: set[int] = set()
    for beat in range(0, 600, 12):
        timing = MemoryTiming(latency=LATENCY, error_at=beat)
        failed, _ = two_frames(tmp_path / str(beat), network, program, timing)
        assert failed.error is not None
        found.add(failed.error.destination)
        if found == there:
            return
    pytest.fail(f"no errors for others than {found}")


def test_simulate_names_the_beat(network: IntegerNetwork, program: Program, tmp_path: Path) -> None:
    images = random_images(SEED, 2, network.image_shape)
    for timing, message in (
        (
            MemoryTiming(error_at=2),
            r"image 0 ended at cycle .* answered beat \d+, the schedule, with",
        ),
        (MemoryTiming(error_at=500), r"beat \d+, .* of layer \d+ \(.*\), with an error; check"),
        (MemoryTiming(silent_at=500, silent_for=2**31 - 1), "gave no answer for beat"),
    ):
        with pytest.raises(FlowError, match=message):
            simulate(program, images, folder=tmp_path, network=network, timing=timing)
