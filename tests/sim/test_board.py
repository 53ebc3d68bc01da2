"""A board's core in RTL at a pseudo-terminal, driven by the host program; and a line that does harm."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from hwflow.compiler.lower import lower
from hwflow.compiler.program import Program
from hwflow.energy.measure.markers import Markers
from hwflow.errors import FlowError
from hwflow.host.accelerator import EVERYTHING, LOGITS, SIGNATURES, Accelerator
from hwflow.host.link import LinkError
from hwflow.host.results import Classification
from models.integer.params import IntegerNetwork
from models.integer.random import random_images, random_network, small_config
from sim.board import CLOCK_HZ, DIVISOR, build_board, simulated_board
from sim.compare import record_differences
from sim.expected import ExpectedImage, expected_images
from sim.link_faults import FaultPlan
from sim.network import conv_instructions
from sim.runner import BuiltModel
from sim.sdram import board_model
from tests.sim.configs import CONFIGS

CONFIG = CONFIGS["t4x8x32"]
BEATS = 1024
BAUD = CLOCK_HZ // DIVISOR
IMAGES = 3
MOST_BETWEEN = 64
"""Cycles from the last logit of a run to the start of the next."""
ARCHITECTURE = small_config(
    image=(8, 8, 1), init_out=8, stages=((1, 8, 2),), classes=4, name="tiny"
)


@dataclass(frozen=True)
class Case:
    """A network, its program, images and what they must give."""

    network: IntegerNetwork
    program: Program
    images: npt.NDArray[np.uint8]
    expected: list[ExpectedImage]

    def check(self, result: Classification) -> None:
        assert len(result.records) == len(self.images)
        for image, (found, wanted) in enumerate(zip(result.records, self.expected, strict=True)):
            assert record_differences(image, found, wanted) == []


def make_case(seed: int) -> Case:
    network = random_network(seed, ARCHITECTURE)
    program = lower(network, CONFIG)
    images = random_images(seed, IMAGES, network.image_shape)
    expected = expected_images(network, conv_instructions(program), images)
    return Case(network, program, images, expected)


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case(1)


@pytest.fixture(scope="module")
def model() -> BuiltModel:
    return build_board(CONFIG, BEATS)


def test_classifies_and_keeps_its_memory(model: BuiltModel, case: Case, tmp_path: Path) -> None:
    with simulated_board(model, tmp_path) as (port, report):
        with Accelerator.open(str(port), baud=BAUD) as board:
            assert board.capabilities.target == CONFIG.name
            assert board.capabilities.memory_bytes == BEATS * CONFIG.memory_bytes
            assert board.load(case.program) > 0
            result = board.classify(case.images)
            case.check(result)
            assert board.statistics.damaged == 0
            everything = board.classify(case.images, keep=EVERYTHING)
            case.check(everything)
            assert everything.cycles == result.cycles
            assert everything.records[0].layers[0].counters["issue"] > 0
            logits = board.classify(case.images, keep=LOGITS)
            assert np.array_equal(logits.logits, result.logits)
            assert logits.signatures == [{}] * IMAGES
        with Accelerator.open(str(port), baud=BAUD) as board:
            assert board.load(case.program) == 0, "it was there"
            board.reset()
            case.check(board.classify(case.images))
            other = make_case(2)
            with pytest.raises(FlowError, match="holds another network"):
                board.attach(other.program)
            board.load(other.program)
            other.check(board.classify(other.images))
    assert report["cycles"] > 0


def test_repeats_an_image(model: BuiltModel, case: Case, tmp_path: Path) -> None:
    """All runs of the RTL have equal signatures; the cycles between the markers are theirs and the pauses'."""
    runs = 5
    with (
        simulated_board(model, tmp_path / "board") as (port, _),
        Accelerator.open(str(port), baud=BAUD) as board,
    ):
        board.load(case.program)
        once = board.classify(case.images[:1]).cycles[0]
        found = board.repeat(case.images[0], runs)
        assert record_differences(0, found.record, case.expected[0]) == []
        assert found.record.counters["cycles"] == once
        pauses = found.cycles - runs * once
        assert 0 < pauses < runs * MOST_BETWEEN
        more = board.repeat(case.images[0], 2 * runs)
        # Every run takes as long: what runs share out is the same for all but the last one's end.
        between = more.cycles - found.cycles - runs * once
        assert between % runs == 0
        assert 0 < between // runs < MOST_BETWEEN
        with pytest.raises(FlowError, match="0 runs"):
            board.repeat(case.images[0], 0)


@pytest.mark.slow
def test_classifies_from_sdram(case: Case, tmp_path: Path) -> None:
    """80 MHz: the clock at which the pins take a cycle more."""
    memory = board_model(CONFIG, 80_000_000)
    assert memory.registers_in == 2
    with (
        simulated_board(build_board(CONFIG, memory), tmp_path) as (port, report),
        Accelerator.open(str(port), baud=BAUD) as board,
    ):
        assert board.capabilities.memory_bytes == 32 << 20
        assert board.load(case.program) > 0
        case.check(board.classify(case.images))
        board.reset()
        assert board.load(case.program) == 0, "the chip kept it"
        case.check(board.classify(case.images))
    assert report["cycles"] > 0


PLANS = {
    "corrupt": FaultPlan(corrupt=2e-3),
    "drop": FaultPlan(drop=1e-3),
    "duplicate": FaultPlan(duplicate=2e-3),
    "delay": FaultPlan(delay=2e-3, delay_polls=40),
    "resets": FaultPlan(resets=(300, 4000, 8300)),
    "everything": FaultPlan(
        corrupt=5e-4, drop=3e-4, duplicate=5e-4, delay=5e-4, delay_polls=40, resets=(5000,)
    ),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name == "corrupt" else pytest.mark.slow) for name in PLANS],
)
def test_a_line_that_does_harm(name: str, model: BuiltModel, case: Case, tmp_path: Path) -> None:
    with (
        simulated_board(model, tmp_path, faults=PLANS[name]) as (port, report),
        Accelerator.open(str(port), baud=BAUD, attempts=40) as board,
    ):
        board.load(case.program)
        case.check(board.classify(case.images, keep=SIGNATURES))
        statistics = board.statistics
    happened = sum(sum(counts.values()) for counts in report["faults"].values())
    assert happened or report["resets"], report
    if name != "delay":
        assert statistics.retries or statistics.sessions > 1


def test_a_cut_link_is_an_error(model: BuiltModel, case: Case, tmp_path: Path) -> None:
    with (
        simulated_board(model, tmp_path, faults=FaultPlan(cut=3000)) as (port, report),
        pytest.raises(LinkError, match="the link was cut"),
        Accelerator.open(str(port), baud=BAUD) as board,
    ):
        board.load(case.program)
    assert report["cut"]


def test_programs_that_the_board_cannot_take(model: BuiltModel, case: Case, tmp_path: Path) -> None:
    with (
        simulated_board(model, tmp_path) as (port, _),
        Accelerator.open(str(port), baud=BAUD) as board,
    ):
        with pytest.raises(FlowError, match=f"was built for target {CONFIG.name}"):
            board.load(lower(case.network, CONFIGS["t3x8x16"]))
        with pytest.raises(FlowError, match="no program is loaded"):
            board.classify(case.images)
        board.capabilities = replace(board.capabilities, memory_bytes=100)
        with pytest.raises(FlowError, match="the board's memory 100"):
            board.load(case.program)


def run_command(port: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hwflow.cli.entry", "run", "--port", str(port)]
    command += ["--baud", str(BAUD), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_the_command(model: BuiltModel, case: Case, tmp_path: Path) -> None:
    case.network.save(tmp_path / "tiny.network")
    case.program.save(tmp_path / "program")
    data = tmp_path / "images.npz"
    np.savez(data, images=case.images, labels=np.zeros(IMAGES, np.uint8))
    chosen = ["--program", str(tmp_path / "program"), "--data", str(data)]
    chosen += ["--checkpoint", str(tmp_path / "tiny.network"), "--images", str(IMAGES)]
    with simulated_board(model, tmp_path / "board") as (port, _):
        refused = run_command(port, *chosen, "--no-load")
        assert refused.returncode == 2, refused.stderr
        assert "holds another network" in refused.stderr
        done = run_command(port, *chosen, "--json")
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        assert result["passed"]
        assert result["logits"] == [one.logits.tolist() for one in case.expected]
        marks = tmp_path / "markers.json"
        between = ["--repeat", "3", "--pause", "0.05", "--markers", str(marks)]
        done = run_command(port, *chosen, *between, "--json")
        assert done.returncode == 0, done.stderr
        repeated = json.loads(done.stdout)
        assert repeated["passed"]
        assert repeated["logits"] == result["logits"]
        found = Markers.load(marks)
        assert [m.cycles for m in found.markers] == repeated["cycles_repeated"]
        assert [(m.runs, m.layer, m.times) for m in found.markers] == [(3, "", 1)] * IMAGES
        assert found.clock_hz == CLOCK_HZ
        with Accelerator.open(str(port), baud=BAUD):
            busy = run_command(port, *chosen)
        assert busy.returncode == 2
        assert "another program uses the port" in busy.stderr
    gone = run_command(port, *chosen)
    assert gone.returncode == 2
    assert "no such port" in gone.stderr
