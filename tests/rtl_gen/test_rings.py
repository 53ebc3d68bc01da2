"""The weight rings in Amaranth's simulator (sim/benches/rings.py)."""

from __future__ import annotations

import pytest

from sim.benches import rings
from tests.rtl_gen.control_bench import simulate_unit


@pytest.mark.parametrize("seed", [1, 2])
def test_weight_ring(seed: int) -> None:
    simulate_unit(rings.weight_ring(seed))


@pytest.mark.parametrize("seed", [1, 2])
def test_mac_ring(seed: int) -> None:
    simulate_unit(rings.mac_ring(seed))
