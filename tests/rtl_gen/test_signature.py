"""CRC units and the signature in Amaranth's simulator (sim/benches/tensors.py)."""

import pytest

from sim.benches import tensors
from tests.rtl_gen.control_bench import simulate_unit


def test_crc_unit() -> None:
    simulate_unit(tensors.crc_unit())


@pytest.mark.parametrize(("lanes", "channels"), [(1, 8), (2, 21), (4, 14)])
def test_sum_over_a_tensor(lanes: int, channels: int) -> None:
    simulate_unit(tensors.tensor_signature(lanes, channels))
