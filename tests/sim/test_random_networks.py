"""Random networks on four accelerators: every stored value of the RTL equals the integer network's."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from hwflow.compiler.lower import lower
from models.config import PokeBNNConfig
from models.integer.random import random_images, random_network, small_config
from sim import report
from sim.memory import MemoryTiming
from sim.network import simulate
from tests.sim.configs import CONFIGS

ARCHITECTURES: dict[str, PokeBNNConfig] = {
    "plain": small_config(),
    "one-pixel": small_config(
        image=(4, 4, 1), init_kernel=2, stages=((1, 8, 1), (1, 16, 2), (1, 16, 2))
    ),
    "odd": small_config(
        image=(14, 10, 3), init_kernel=2, stages=((2, 8, 1), (1, 16, 2)), classes=7
    ),
    "unfilled": small_config(stages=((1, 24, 1), (1, 24, 2)), classes=3),
    "narrow": small_config(init_out=64, stages=((2, 8, 1), (1, 16, 2)), bounds="per_channel"),
}
"""The unfilled one's tensors of 24 and 96 channels fill neither groups of 16 nor words of 32; the narrow one's first
block averages its input for both shortcuts, and every channel of its means has its own scale."""
TIMINGS = {
    "fast": MemoryTiming(latency=2),
    "slow": MemoryTiming(latency=40, bandwidth=Fraction(1, 3)),
    "stalls": MemoryTiming(latency=7, stall=120, result_stall=150, seed=5),
}


def check(folder: Path, config: str, architecture: str, seed: int, timing: str) -> None:
    network = random_network(seed, ARCHITECTURES[architecture])
    program = lower(network, CONFIGS[config])
    images = random_images(seed, 2, network.image_shape)
    result = simulate(
        program, images, folder=folder, network=network, trace=True, timing=TIMINGS[timing]
    )
    assert result.difference is None, f"{result.difference.describe()}\n{result.replay_command()}"
    assert result.mismatches == ()
    assert result.passed
    for row in report.layer_rows(result):
        assert 0 < row["useful"] <= row["slots"]


def test_one_network(tmp_path: Path) -> None:
    check(tmp_path, "sim-small", "plain", 1, "fast")


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("config", CONFIGS)
def test_random_networks(tmp_path: Path, config: str, architecture: str) -> None:
    at = list(CONFIGS).index(config) + list(ARCHITECTURES).index(architecture)
    check(tmp_path, config, architecture, 10 + at, list(TIMINGS)[at % len(TIMINGS)])
