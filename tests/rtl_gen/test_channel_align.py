"""Alignment of repeating long shortcuts in Amaranth's simulator (sim/benches/alignment.py)."""

from __future__ import annotations

import pytest

from sim.benches import alignment
from tests.rtl_gen.control_bench import simulate_unit


@pytest.mark.parametrize("seed", [1, 2])
def test_repeat_position(seed: int) -> None:
    simulate_unit(alignment.repeat_position(seed))


@pytest.mark.parametrize("lanes", [1, 2])
def test_channel_align(lanes: int) -> None:
    simulate_unit(alignment.channel_align(1, lanes))


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_head_memory(lanes: int) -> None:
    simulate_unit(alignment.head_memory(lanes))
