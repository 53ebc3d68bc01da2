"""Whole networks through the AXI top, with a memory and a register master that are not ours (cocotbext-axi)."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwflow.compiler.lower import lower
from hwflow.compiler.program import Program
from models.integer.params import IntegerNetwork
from models.integer.random import random_images, random_network
from sim.axi import AxiFrames, run_frames
from sim.compare import record_differences
from sim.expected import expected_images
from sim.network import conv_instructions
from tests.sim.configs import CONFIGS
from tests.sim.test_random_networks import ARCHITECTURES
from tests.sim.test_spilled_networks import ARCHITECTURE, TARGETS

PAGE = 4096
HIGH = 0x12_3456_0000
FRAMES = 2


def check(
    folder: Path,
    network: IntegerNetwork,
    program: Program,
    *,
    memory_base: int = HIGH,
    stall: float = 0.0,
    seed: int = 1,
) -> AxiFrames:
    """Frames through the AXI top equal the integer network in all records."""
    images = random_images(seed, FRAMES, network.image_shape)
    wanted = expected_images(network, conv_instructions(program), images)
    run = run_frames(
        program,
        images,
        folder=folder,
        memory_base=memory_base,
        result_base=memory_base + 0x40_0000 + 3 * program.config.memory_bytes,
        stall=stall,
        seed=seed,
    )
    assert len(run.records) == FRAMES
    for number, (frame, expected) in enumerate(zip(run.records, wanted, strict=True)):
        assert frame.error is None
        assert list(record_differences(number, frame, expected)) == []
        assert 0 < frame.counters["cycles"] < run.cycles[number] < 2 * frame.counters["cycles"]
    return run


def boundary_bursts(run: AxiFrames, beat: int, channel: str) -> int:
    """Bursts that begin at a multiple of 4 KB because the request began before it."""
    return sum(
        1
        for before, after in zip(run.bursts, run.bursts[1:], strict=False)
        if before[0] == after[0] == channel
        and after[1] % PAGE == 0
        and before[1] + before[2] * beat == after[1]
        and before[2] < 16
    )


def test_frames(tmp_path: Path) -> None:
    network = random_network(1, ARCHITECTURES["plain"])
    program = lower(network, CONFIGS["sim-small"])
    run = check(tmp_path, network, program)
    assert run.most_outstanding > 16, "one burst at a time"


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS)
def test_bases_and_stalls(tmp_path: Path, config: str) -> None:
    """Every beat width; the memory image begins at any beat of a page; all ten channels pause at random."""
    hardware = CONFIGS[config]
    at = list(CONFIGS).index(config)
    network = random_network(20 + at, ARCHITECTURES[list(ARCHITECTURES)[at]])
    program = lower(network, hardware)
    beat = hardware.memory_bytes
    base = HIGH + PAGE - 5 * beat
    split = check(tmp_path / "aligned", network, program, memory_base=base)
    assert boundary_bursts(split, beat, "ar") > 0
    check(tmp_path / "stalls", network, program, memory_base=base, stall=0.3, seed=2 + at)


@pytest.mark.slow
@pytest.mark.parametrize("stall", [0.0, 0.3])
@pytest.mark.parametrize("target", TARGETS)
def test_spilled_activations(tmp_path: Path, target: str, stall: float) -> None:
    network = random_network(3, ARCHITECTURE)
    program = lower(network, TARGETS[target])
    beat = program.config.memory_bytes
    # The second beat of the spill area is a page's first.
    base = HIGH - beat * ((program.manifest.spill_address + 1) % (PAGE // beat))
    run = check(tmp_path, network, program, memory_base=base, stall=stall)
    for frame, written in zip(run.records, run.written, strict=True):
        assert frame.counters["bytes_spill_written"] > 0
        assert written >= frame.counters["bytes_spill_written"]
    longest = max(beats for channel, _, beats in run.bursts if channel == "aw")
    assert longest > 1, "no burst was gathered"
