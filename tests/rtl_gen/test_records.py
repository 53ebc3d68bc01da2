"""Records and the constant ring in Amaranth's simulator (sim/benches/records.py, rings.py)."""

from __future__ import annotations

import pytest

from sim.benches import records, rings
from tests.rtl_gen.control_bench import simulate_unit


@pytest.mark.parametrize("stall", [0.0, 0.9])
def test_layer_records(stall: float) -> None:
    simulate_unit(records.layer_records(stall))


def test_arbiter_never_interrupts_a_record() -> None:
    simulate_unit(records.result_arbiter())


@pytest.mark.parametrize("memory_bytes", [8, 16, 32, 64])
def test_constant_ring(memory_bytes: int) -> None:
    simulate_unit(rings.constant_ring(memory_bytes))


def test_constant_ring_latency() -> None:
    simulate_unit(rings.constant_ring_latency())
