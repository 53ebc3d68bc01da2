"""The AXI master's parts in Amaranth's simulator (sim/benches/axi_units.py, axi_frame.py)."""

from __future__ import annotations

import pytest

from sim.benches.axi_frame import frame_control
from sim.benches.axi_units import reader, writer
from tests.rtl_gen.control_bench import simulate_unit


@pytest.mark.parametrize(
    ("memory_bytes", "base"), [(8, 0), (16, 0x1_FFFF_FF50), (32, (1 << 64) - 128)]
)
def test_reader(memory_bytes: int, base: int) -> None:
    simulate_unit(reader(memory_bytes, base))


@pytest.mark.parametrize("memory_bytes", [8, 32])
@pytest.mark.parametrize("errors", [False, True])
def test_writer(memory_bytes: int, errors: bool) -> None:
    simulate_unit(writer(memory_bytes, errors=errors))


def test_frame_control() -> None:
    simulate_unit(frame_control())
