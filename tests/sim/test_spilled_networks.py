"""Networks whose block inputs are partly in external memory: every stored value and every cycle as predicted."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import pytest

from hwflow.compiler.lower import lower
from hwflow.config import AcceleratorConfig
from models.integer.random import random_images, random_network, small_config
from sim.memory import MemoryTiming
from sim.network import simulate
from tests.sim.configs import CONFIGS

ARCHITECTURE = small_config(
    image=(14, 10, 3), init_kernel=2, stages=((3, 8, 1), (1, 16, 2)), classes=5
)
"""Tiles end inside rows and beyond the last pixel; three blocks, so that a spilled tensor replaces another one."""
TARGETS: dict[str, AcceleratorConfig] = {
    name: dataclasses.replace(
        CONFIGS[base], name=f"{name}-spill", main_rows=rows, long_words=8, store_words=8
    )
    for name, base, rows in (
        ("two-lanes", "t4x8x32", 36),
        ("one-lane", "sim-small", 36),
        ("all-outside", "t3x8x16", 16),
    )
}
"""Two of four groups in main memory, one of two, none."""
TIMINGS = {
    "full": MemoryTiming(latency=8),
    "third": MemoryTiming(latency=40, bandwidth=Fraction(1, 3)),
    "stalls": MemoryTiming(latency=7, stall=120, result_stall=150, seed=5),
}


def check(folder: Path, target: str, timings: tuple[str, ...]) -> None:
    network = random_network(3, ARCHITECTURE)
    program = lower(network, TARGETS[target])
    assert program.manifest.spill_beats
    images = random_images(3, 2, network.image_shape)
    for name in timings:
        result = simulate(
            program,
            images,
            folder=folder / name,
            network=network,
            trace=True,
            timing=TIMINGS[name],
        )
        assert result.difference is None, result.difference.describe()
        assert result.mismatches == ()
        assert result.passed
        counters = result.frames[0].records.counters
        assert counters["bytes_spill_written"] > 0
        assert counters["bytes_spill_read"] >= counters["bytes_spill_written"]
        stalls = sum(r.counters["stall_stream"] for r in result.frames[0].records.layers)
        assert stalls > 0


def test_half_of_the_groups_outside(tmp_path: Path) -> None:
    check(tmp_path, "two-lanes", ("full", "third", "stalls"))


@pytest.mark.slow
@pytest.mark.parametrize("target", ["one-lane", "all-outside"])
def test_other_shapes(tmp_path: Path, target: str) -> None:
    check(tmp_path, target, tuple(TIMINGS))
