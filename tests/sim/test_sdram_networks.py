"""Whole networks in front of the SDRAM controller and its timing-checked chip: every stored value equal."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwflow.compiler.lower import lower
from hwflow.config import AcceleratorConfig
from hwflow.cycle_model import simulate_cycles
from hwflow.sdram import SdramTiming
from models.integer.random import random_images, random_network
from sim.network import SimResult, simulate
from sim.sdram import SdramModel
from tests.sim.configs import CONFIGS
from tests.sim.test_spilled_networks import ARCHITECTURE, TARGETS


def run(
    config: AcceleratorConfig, folder: Path, *, cas: int = 3, board_cycles: int = 0
) -> SimResult:
    """Two images of a random network, each stored value compared; the second starts while the chip is running."""
    network = random_network(3, ARCHITECTURE)
    program = lower(network, config)
    images = random_images(3, 2, network.image_shape)
    timing = SdramTiming(
        clock_hz=100_000_000,
        memory_bytes=config.memory_bytes,
        cas=cas,
        board_cycles=board_cycles,
    )
    model = SdramModel(config=config, timing=timing)
    result = simulate(program, images, folder=folder, network=network, trace=True, sdram=model)
    assert result.difference is None, result.difference.describe()
    assert result.mismatches == ()
    assert result.passed
    assert result.predicted is None
    model_cycles = simulate_cycles(
        program.instructions,
        config,
        latency=timing.open_latency,
        bandwidth=timing.stream_bandwidth,
        steady=True,
    ).cycles
    for frame in result.frames:
        ratio = frame.records.counters["cycles"] / model_cycles
        assert 1 <= ratio < 1.06
    return result


def test_a_network_with_narrow_beats(tmp_path: Path) -> None:
    run(CONFIGS["t3x8x16"], tmp_path)


def test_spilled_activations(tmp_path: Path) -> None:
    counters = run(TARGETS["all-outside"], tmp_path, board_cycles=2).frames[0].records.counters
    assert counters["bytes_spill_written"] > 0
    assert counters["bytes_spill_read"] >= counters["bytes_spill_written"]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["two-lanes", "one-lane"])
def test_other_spilled_shapes(target: str, tmp_path: Path) -> None:
    run(TARGETS[target], tmp_path, cas=2)
