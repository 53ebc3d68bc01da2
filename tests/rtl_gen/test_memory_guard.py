"""The memory guard in Amaranth's simulator (sim/benches/guard.py)."""

from __future__ import annotations

import pytest

from hwflow import isa
from sim.benches.guard import memory_guard, silent_writes
from tests.rtl_gen.control_bench import simulate_unit


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("fault", [None, *isa.Fault])
def test_memory_guard(fault: isa.Fault | None, seed: int) -> None:
    simulate_unit(memory_guard(fault, seed))


def test_a_write_without_an_answer() -> None:
    simulate_unit(silent_writes())
