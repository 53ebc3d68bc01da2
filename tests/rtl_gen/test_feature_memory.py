"""Bank addressing; the feature memory in Amaranth's simulator (sim/benches/memories.py)."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Module

from rtl_gen.bank_division import READ_SLOT_BITS, reciprocal, slot_offset
from rtl_gen.feature_memory import FeatureMemory
from rtl_gen.probe import inputs, values
from rtl_gen.ram import Ram
from sim.benches import memories
from sim.benches.unit import small_config
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


class Joined(FeatureMemory):
    """The periphery with its banks beside it; reads of bank n go to `order[n]`."""

    order = (0, 1, 2, 3, 4)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = small_config(pixel_lanes=2)
        outside: Any = FeatureMemory("test", config, depth=64, chunk=8, chunks=2, outside=True)
        m.submodules.outside = outside
        for name, port in values(self).items():
            inner = values(outside)[name]
            m.d.comb += inner.eq(port) if name in inputs(self) else port.eq(inner)
        for index, read_by in enumerate(self.order):
            m.submodules[f"ram_{index}"] = ram = Ram(16, 64, granule=8)
            written = getattr(outside, f"bank_{index}")
            read = getattr(outside, f"bank_{read_by}")
            m.d.comb += [
                ram.write_enable.eq(written.write_enable),
                ram.write_address.eq(written.write_address),
                ram.write_data.eq(written.write_data),
                ram.read_enable.eq(read.read_enable),
                ram.read_address.eq(read.read_address),
                read.read_data.eq(ram.read_data),
            ]
        return m


class Exchanged(Joined):
    """Two banks in each other's place for reads."""

    order = (1, 0, 2, 3, 4)


def test_periphery_with_its_banks_is_the_memory() -> None:
    simulate_unit(memories.feature_memory(2, 2, Joined))
    with pytest.raises(AssertionError):
        simulate_unit(memories.feature_memory(2, 2, Exchanged))
