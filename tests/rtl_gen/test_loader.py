"""The loader in Amaranth's simulator (sim/benches/loader.py)."""

from __future__ import annotations

import pytest

from sim.benches import loader
from tests.rtl_gen.control_bench import simulate_unit


@pytest.mark.parametrize("memory_bytes", [8, 16, 32, 64])
@pytest.mark.parametrize("drain", [0.05, 0.6])
def test_frames(memory_bytes: int, drain: float) -> None:
    simulate_unit(loader.frames(memory_bytes, drain))


@pytest.mark.parametrize("memory_bytes", [8, 16, 32, 64])
def test_image_is_written_while_its_slots_are_counted(memory_bytes: int) -> None:
    simulate_unit(loader.image(memory_bytes))


def test_a_load_larger_than_the_free_room_fills_its_ring() -> None:
    simulate_unit(loader.small_ring())


def test_a_load_waits_for_the_layers_before_it() -> None:
    simulate_unit(loader.after())
