"""Residual memories in Amaranth's simulator (sim/benches/memories.py)."""

import pytest

from sim.benches import memories
from tests.rtl_gen.control_bench import simulate_unit


@pytest.mark.parametrize("lanes", [1, 2, 4])
@pytest.mark.parametrize("partial", [False, True])
def test_random_accesses(lanes: int, partial: bool) -> None:
    simulate_unit(memories.residual_memory(lanes, partial))


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_words_of_two_rows(lanes: int) -> None:
    simulate_unit(memories.residual_memory(lanes, partial=False, paired=True))
