"""Long shortcuts that repeat after 36 and 76 channels, no multiple of C, bit-exact in RTL (as in PokeBNN-1.4x)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hwflow.compiler.lower import lower
from hwflow.heads import reads_heads
from models.integer.random import random_images, random_network, small_config
from sim.accelerator import accelerator_sources
from sim.memory import MemoryTiming
from sim.network import SimResult, conv_instructions, simulate
from tests.sim.configs import CONFIGS
from tests.sim.faults import plant

ARCHITECTURE = small_config(
    image=(20, 20, 1), stages=((1, 9, 1), (1, 19, 2), (1, 38, 2)), name="repeats"
)
"""Widths 36, 76 and 152: 76 = 2*36 + 4, as 716 = 2*356 + 4. The reader of the first heads writes the second."""


def run(
    folder: Path, config: str, timing: MemoryTiming, fault: str | None = None
) -> tuple[SimResult, list[int]]:
    """The result, and the layers whose long shortcut begins again inside a group; `fault` replaces the heads read."""
    network = random_network(7, ARCHITECTURE)
    target = replace(CONFIGS[config], name=f"{config}-heads", head_rows=40)
    program = lower(network, target)
    convs = conv_instructions(program)
    readers = [number for number, conv in convs.items() if reads_heads(conv, target)]
    images = random_images(7, 2, network.image_shape)
    sources = None
    if fault is not None:
        ((name, verilog),) = accelerator_sources(target).items()
        sources = {name: plant(verilog, "back_end.head_memory", "words", fault)}
    result = simulate(
        program,
        images,
        folder=folder,
        network=network,
        trace=True,
        timing=timing,
        sources=sources,
    )
    return result, readers


def check(folder: Path, config: str, timing: MemoryTiming) -> None:
    result, readers = run(folder, config, timing)
    convs = conv_instructions(result.program)
    assert len(readers) == 2
    assert {convs[number]["r1_head_base"] for number in readers} != {0}
    assert result.difference is None, f"{result.difference.describe()}\n{result.replay_command()}"
    assert result.mismatches == ()
    assert result.passed


def test_one_configuration(tmp_path: Path) -> None:
    check(tmp_path, "t4x8x32", MemoryTiming(latency=3))


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS)
def test_configurations(tmp_path: Path, config: str) -> None:
    check(tmp_path, config, MemoryTiming(latency=9, stall=60, result_stall=100, seed=2))


@pytest.mark.slow
def test_wrong_heads_are_found(tmp_path: Path) -> None:
    result, readers = run(tmp_path, "t4x8x32", MemoryTiming(latency=3), fault="~good")
    assert result.difference is not None
    assert (result.difference.layer, result.difference.unit) == (readers[0], "vector unit")
