"""Published energies come out as they went in; what is not published is refused."""

from __future__ import annotations

import math

import pytest

from hwflow.energy.memory_constants import (
    UNSCALED,
    energy_factor,
    memory_constants,
    technologies,
    technology_of,
)
from hwflow.errors import FlowError


def test_published_points() -> None:
    found = memory_constants(UNSCALED)
    for size, picojoules in ((8192, 10), (32768, 20), (1 << 20, 100)):
        assert math.isclose(64 * found.sram_bit(size), picojoules * 1e-12)
    assert math.isclose(64 * found.dram, 1.3e-9)
    assert math.isclose(64 * memory_constants("asap7").sram_bit(1 << 20), 14e-12)


def test_between_points_and_below_the_smallest() -> None:
    found = memory_constants(UNSCALED)
    assert math.isclose(64 * found.sram_bit(16384), math.sqrt(10 * 20) * 1e-12)
    assert found.sram_bit(100) == found.sram_bit(8192)


def test_a_bank_beyond_every_publication_is_refused() -> None:
    with pytest.raises(FlowError, match="larger than any with a published energy"):
        memory_constants(UNSCALED).sram_bit(1 << 22)


def test_scaling_follows_the_corrigendums_example() -> None:
    """1 pJ in 65 nm at 1.3 V is 0.1755 pJ in 32 nm at 0.9 V."""
    new, old = energy_factor(0.9, 0.8367, -0.4341, 0.1701), energy_factor(1.3, 3.755, -4.398, 1.975)
    assert math.isclose(new, 0.4571, rel_tol=1e-3) and math.isclose(old, 2.604, rel_tol=1e-3)
    assert math.isclose(new / old, 0.1755, rel_tol=1e-3)


def test_older_cells_go_with_dearer_memory_and_say_that_it_is_assumed() -> None:
    osu, sky, plain = (memory_constants(n) for n in ("osu018", "sky130", UNSCALED))
    assert osu.sram_bit(8192) > sky.sram_bit(8192) > plain.sram_bit(8192)
    assert "scales to 180nm" in osu.assumptions[0]
    assert not any("scales" in line for line in memory_constants("asap7").assumptions)
    assert any("Horowitz" in source and "2014" in source for source in osu.sources)


@pytest.mark.parametrize(
    ("library", "technology"),
    [("osu018_stdcells", "osu018"), ("sky130_fd_sc_hd__tt", "sky130"), ("ASAP7 RVT TT", "asap7")],
)
def test_libraries_are_known_by_name(library: str, technology: str) -> None:
    assert technology_of(library) == technology
    assert technology in technologies()


def test_unknown_names() -> None:
    with pytest.raises(FlowError, match="--memory osu018"):
        technology_of("freepdk45")
    with pytest.raises(FlowError, match="unknown memory technology 'x'"):
        memory_constants("x")
