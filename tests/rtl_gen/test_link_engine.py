"""The command engine and block RAM in Amaranth's simulator (sim/benches/link_engine.py)."""

from __future__ import annotations

import pytest

from hwflow.config import load_target
from hwflow.errors import FlowError
from rtl_gen.bindings.block_ram import bank_depths
from rtl_gen.link.parameters import LinkConfig, capability_words
from sim.benches import block_ram, link_engine
from tests.rtl_gen.control_bench import simulate


@pytest.mark.parametrize("memory_bytes", [8, 16])
def test_command_engine(memory_bytes: int) -> None:
    bench = link_engine.command_engine(memory_bytes)
    simulate(bench.dut, *bench.processes, background=bench.background, limit=200_000)
    bench.check()


@pytest.mark.parametrize(("beats", "memory_bytes"), [(512, 8), (1300, 8), (700, 16)])
def test_block_ram(beats: int, memory_bytes: int) -> None:
    bench = block_ram.block_ram(beats, memory_bytes)
    simulate(bench.dut, *bench.processes, background=bench.background)
    bench.check()


def test_block_ram_answers_a_beat_a_cycle() -> None:
    bench = block_ram.block_ram_rate()
    simulate(bench.dut, *bench.processes, background=bench.background)
    bench.check()


@pytest.mark.parametrize("beats", [1, 512, 513, 1064, 16384, 33832])
def test_banks(beats: int) -> None:
    depths = bank_depths(beats)
    assert depths == sorted(depths, reverse=True)
    assert beats <= sum(depths) < beats + 512
    assert bank_depths(33832) == [16384, 16384, 1024, 512]


def test_link_parameters() -> None:
    usual = {"divisor": 40, "clock_hz": 80_000_000, "memory_beats": 100}
    link = LinkConfig(**usual)
    assert len(capability_words(load_target("ecp5-85f"), link)) == 13
    for change in (
        {"divisor": 3},
        {"memory_beats": 0},
        {"buffer_words": 100},
        {"buffer_words": 16},
        {"gateware": b"short"},
    ):
        with pytest.raises(FlowError):
            LinkConfig(**(usual | change))
