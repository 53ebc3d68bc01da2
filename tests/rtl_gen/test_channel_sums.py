"""Channel sums in Amaranth's simulator (sim/benches/tensors.py)."""

import pytest

from sim.benches import tensors
from tests.rtl_gen.control_bench import simulate_unit


@pytest.mark.parametrize(("lanes", "gap"), [(1, 0.0), (2, 0.0), (4, 0.3)])
def test_sums(lanes: int, gap: float) -> None:
    simulate_unit(tensors.channel_sums(lanes, gap))
