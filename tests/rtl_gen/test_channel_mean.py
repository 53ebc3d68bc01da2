"""Channel means in Amaranth's simulator (sim/benches/tensors.py)."""

import pytest

from sim.benches import tensors
from tests.rtl_gen.control_bench import simulate_unit


@pytest.mark.parametrize("cols", [8, 16])
@pytest.mark.parametrize("shift", [1, 2, 3])
def test_means(cols: int, shift: int) -> None:
    simulate_unit(tensors.channel_mean(cols, shift))
