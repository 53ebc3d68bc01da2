"""Channel means in Amaranth's simulator (sim/benches/tensors.py)."""

import pytest

from sim.benches import tensors
from tests.rtl_gen.control_bench import simulate_unit


@pytest.mark.parametrize("cols", [8, 16])
@pytest.mark.parametrize(("shift", "store_shift"), [(1, 3), (2, 1), (3, 2), (2, 2)])
def test_means(cols: int, shift: int, store_shift: int) -> None:
    simulate_unit(tensors.channel_mean(cols, shift, store_shift))
