"""Stored elements of 8 and 12 bits on accelerators of that width: the RTL equals the integer network.

Two lanes, half of the channel groups outside: residual memories, means, pool, and the streams with their 16 bits.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hwflow.compiler.lower import lower
from hwflow.config import AcceleratorConfig
from models.integer.random import random_images, random_network, small_config
from rtl_gen import lane
from rtl_gen.verilog import generate
from sim.memory import MemoryTiming
from sim.network import SimResult, simulate
from tests.saturating import clipped
from tests.sim.configs import CONFIGS

ARCHITECTURE = small_config(
    image=(14, 10, 3), init_kernel=2, stages=((2, 8, 1), (1, 16, 2)), classes=5
)


def target(bits: int) -> AcceleratorConfig:
    return replace(
        CONFIGS["t4x8x32"],
        name=f"s{bits}",
        residual_bits=bits,
        main_rows=36,
        long_words=8,
        store_words=8,
    )


def run(folder: Path, bits: int, sources: dict[str, str] | None = None) -> SimResult:
    network = clipped(random_network(3, ARCHITECTURE, bits))
    program = lower(network, target(bits))
    assert program.manifest.spill_beats
    images = random_images(3, 2, network.image_shape)
    return simulate(
        program,
        images,
        folder=folder,
        network=network,
        trace=True,
        timing=MemoryTiming(latency=8),
        sources=sources,
    )


@pytest.mark.parametrize("bits", [8, pytest.param(12, marks=pytest.mark.slow)])
def test_every_value_and_cycle_is_equal(bits: int, tmp_path: Path) -> None:
    result = run(tmp_path, bits)
    assert result.difference is None, result.difference.describe()
    assert result.mismatches == ()
    assert result.passed
    records = result.frames[0].records
    assert records.counters["bytes_spill_read"] > 0
    assert sum(layer.counters["saturated_y"] for layer in records.layers) > 0


@pytest.mark.slow
def test_a_lane_that_saturates_too_early_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = lane.Lane.__init__

    def narrower(unit: lane.Lane, bits: int) -> None:
        made(unit, bits)
        unit.bits = bits - 1

    monkeypatch.setattr(lane.Lane, "__init__", narrower)
    result = run(tmp_path, 12, {"accelerator.sv": generate(target(12)).text})
    assert result.difference is not None
    assert result.difference.unit == "vector unit"
    assert abs(result.difference.expected or 0) > 1 << 10
