"""Processing elements of both arrays in Amaranth's simulator (sim/benches/arrays.py)."""

from __future__ import annotations

import pytest

from sim.benches import arrays
from tests.rtl_gen.control_bench import simulate_unit


@pytest.mark.parametrize("stages", [1, 2])
@pytest.mark.parametrize("seed", [3, 4])
def test_binary(seed: int, stages: int) -> None:
    simulate_unit(arrays.binary_pe(seed, stages))


@pytest.mark.parametrize("seed", [3, 4])
def test_mac(seed: int) -> None:
    simulate_unit(arrays.mac_pe(seed))
