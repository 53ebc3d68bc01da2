"""Bank addressing; the feature memory in Amaranth's simulator (sim/benches/memories.py)."""

from __future__ import annotations

import pytest

from rtl_gen.bank_division import READ_SLOT_BITS, reciprocal, slot_offset
from sim.benches import memories
from tests.rtl_gen.control_bench import simulate_unit


@pytest.mark.parametrize("banks", [3, 5, 7, 9, 17, 33])
def test_reciprocal_is_exact_for_every_slot(banks: int) -> None:
    """The numbers that `quotient` multiplies and shifts by, over its whole domain."""
    for bits in (16, READ_SLOT_BITS):
        multiplier, shift, width = reciprocal(bits, banks)
        mask = (1 << width) - 1
        assert all(n * multiplier >> shift & mask == n // banks for n in range(1 << bits))
    assert slot_offset(banks) % banks == 0 and slot_offset(banks) >= 3 * 511 + 3


@pytest.mark.parametrize("rows", [2, 3, 4, 8])
def test_addresses(rows: int) -> None:
    simulate_unit(memories.tap_address(rows))


@pytest.mark.parametrize(("lanes", "chunks"), [(1, 2), (2, 1), (4, 4)])
def test_store_then_read(lanes: int, chunks: int) -> None:
    simulate_unit(memories.feature_memory(lanes, chunks))
