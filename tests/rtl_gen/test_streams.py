"""The streams to and from external memory in Amaranth's simulator (sim/benches/streams.py)."""

from __future__ import annotations

import pytest

from sim.benches import streams
from tests.rtl_gen.control_bench import simulate_unit


@pytest.mark.parametrize("memory_bytes", [8, 16, 32])
def test_long_stream(memory_bytes: int) -> None:
    simulate_unit(streams.long_stream(memory_bytes))


@pytest.mark.parametrize("ready", [0.2, 1.0])
def test_spill_writer(ready: float) -> None:
    simulate_unit(streams.spill_writer(ready))


def test_spill_writer_with_the_least_room() -> None:
    simulate_unit(streams.spill_writer(0.6, pixel_lanes=4, long_words=2, store_words=3))


@pytest.mark.parametrize("seed", [1, 2])
def test_stream_control(seed: int) -> None:
    simulate_unit(streams.stream_control(seed))
