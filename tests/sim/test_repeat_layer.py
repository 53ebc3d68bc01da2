"""A layer computed many times in a frame, in RTL: every pass has the right signature, every cycle is the model's."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from hwflow.compiler.lower import lower
from hwflow.compiler.repeat import Repeat
from models.integer.random import random_images, random_network, small_config
from sim.compare import record_differences
from sim.expected import expected_images
from sim.memory import MemoryTiming
from sim.network import conv_instructions, simulate
from tests.sim.configs import CONFIGS

TIMINGS = {
    "fast": MemoryTiming(latency=2),
    "slow": MemoryTiming(latency=40, bandwidth=Fraction(1, 3)),
}


def check(folder: Path, layer: str, times: int, timing: str) -> None:
    network = random_network(1, small_config())
    images = random_images(1, 2, network.image_shape)
    config = CONFIGS["sim-small"]
    program = lower(network, config, Repeat(layer, times))
    expected = expected_images(network, conv_instructions(program), images)
    result = simulate(program, images, folder=folder, timing=TIMINGS[timing])
    assert result.mismatches == (), "cycles are not those of the cycle model"
    number = next(each.number for each in program.manifest.layers if each.name == layer)
    for frame, wanted in zip(result.frames, expected, strict=True):
        assert record_differences(frame.image, frame.records, wanted) == []
        passes = [each for each in frame.records.layers if each.layer == number]
        assert len(passes) == times
        (own,) = [each for each in wanted.layers if each.number == number]
        assert {each.signature for each in passes} == {own.signature}
        for name in ("issue", "useful", "masked"):
            assert len({each.counters[name] for each in passes}) == 1


def test_a_layer_is_repeated_exactly(tmp_path: Path) -> None:
    check(tmp_path, "resblock0-2", 5, "fast")


@pytest.mark.slow
@pytest.mark.parametrize("timing", TIMINGS)
@pytest.mark.parametrize(
    "layer",
    ["resblock0-1", "resblock0-2", "resblock0-3", "resblock1-1", "resblock1-2", "resblock1-3"],
)
def test_every_layer_is_repeated_exactly(tmp_path: Path, layer: str, timing: str) -> None:
    check(tmp_path, layer, 12, timing)
