"""The scalar engine in Amaranth's simulator (sim/benches/scalar_engine.py)."""

from __future__ import annotations

import pytest

from sim.benches import scalar_engine
from tests.rtl_gen.control_bench import simulate_unit


@pytest.mark.parametrize("pace", [1.0, 0.6, 0.15])
@pytest.mark.parametrize("mac_depth", [1, 2])
def test_random_programs(pace: float, mac_depth: int) -> None:
    simulate_unit(scalar_engine.random_program(pace, mac_depth))


def test_rate_is_one_output_a_cycle() -> None:
    simulate_unit(scalar_engine.full_rate())
