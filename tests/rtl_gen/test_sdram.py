"""The SDRAM controller against the timing-checked chip (sim/benches/sdram.py), and that the chip catches violations."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from hwflow.sdram import ULX3S, SdramChip, SdramTiming
from sim import runner
from sim.benches.unit import small_config
from sim.sdram import SdramModel

MHZ = 1_000_000


def model_of(
    timing: SdramTiming, *, chip: SdramChip | None = None, registers_in: int = 0
) -> SdramModel:
    config = small_config(memory_bytes=timing.memory_bytes, mac_depth=8, cols=16)
    return SdramModel(config=config, timing=timing, chip=chip, registers_in=registers_in)


def run_bench(model: SdramModel, folder: Path, testcase: str | None = None) -> runner.RunResult:
    timing = model.timing
    built = runner.build("sdram", model.sources(), "sdram_memory", parameters=model.parameters())
    environment = {
        "HWFLOW_BYTES": str(timing.memory_bytes),
        "HWFLOW_OPEN": str(timing.open_latency),
        "HWFLOW_CLOSED": str(timing.closed_latency),
        "HWFLOW_INTERVAL": str(timing.refresh_interval),
        "HWFLOW_STREAM": str(float(timing.stream_bandwidth * timing.beat_words) - 0.005),
    }
    return runner.run(
        built, "sim.benches.sdram", folder=folder, environment=environment, testcase=testcase
    )


@pytest.mark.parametrize(
    ("megahertz", "memory_bytes", "cas", "board", "back"),
    [(100, 8, 3, 0, 0), (80, 8, 2, 2, 1)],
)
def test_traffic(
    megahertz: int, memory_bytes: int, cas: int, board: int, back: int, tmp_path: Path
) -> None:
    timing = SdramTiming(
        clock_hz=megahertz * MHZ, memory_bytes=memory_bytes, cas=cas, board_cycles=board
    )
    result = run_bench(model_of(timing, registers_in=back), tmp_path)
    result.check()
    assert len(result.cases) == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("megahertz", "memory_bytes", "cas", "board", "back"),
    [(133, 16, 3, 2, 1), (120, 32, 3, 3, 2), (25, 64, 2, 0, 0), (50, 8, 2, 1, 0)],
)
def test_other_clocks_and_widths(
    megahertz: int, memory_bytes: int, cas: int, board: int, back: int, tmp_path: Path
) -> None:
    test_traffic(megahertz, memory_bytes, cas, board, back, tmp_path)


PLANTED: dict[str, tuple[dict[str, int], str]] = {
    "rp": ({}, "tRP"),
    "rfc": ({}, "tRFC"),
    "wr": ({}, "tWR"),
    # What the controller's own steps or other times hide at 100 MHz is longer, or the others shorter, for both.
    "rcd": ({"rcd": 35_000}, "tRCD"),
    "rrd": ({"rrd": 50_000}, "tRRD"),
    "ras": ({"ras": 90_000}, "tRAS"),
    "rc": ({"rc": 140_000}, "tRC"),
    "mrd": ({"mrd": 40_000}, "tMRD"),
}
"""Time that the controller takes for a cycle shorter than it is -> changes of the chip, name in the complaint."""

QUICK = ("rp", "rcd")


@pytest.mark.parametrize(
    "field",
    [field if field in QUICK else pytest.param(field, marks=pytest.mark.slow) for field in PLANTED],
)
def test_the_chip_catches_a_controller_that_is_a_cycle_short(field: str, tmp_path: Path) -> None:
    changes, name = PLANTED[field]
    chip = dataclasses.replace(ULX3S, **changes)
    period = 10_000
    short = dataclasses.replace(chip, **{field: getattr(chip, field) - period})
    found = complaint(short, chip, tmp_path)
    assert re.search(rf"SDRAM (command: )?{name}( before REFRESH)? violated", found), found


def test_the_chip_catches_a_controller_that_does_not_refresh(tmp_path: Path) -> None:
    never = dataclasses.replace(ULX3S, refresh=10 * ULX3S.refresh)
    assert "SDRAM refresh interval violated" in complaint(never, ULX3S, tmp_path)


@pytest.mark.slow
def test_the_chip_catches_a_controller_that_starts_early(tmp_path: Path) -> None:
    early = dataclasses.replace(ULX3S, power_up=ULX3S.power_up // 2)
    assert "SDRAM start-up pause violated" in complaint(early, ULX3S, tmp_path)


@pytest.mark.slow
def test_the_chip_catches_a_clock_too_fast_for_the_latency(tmp_path: Path) -> None:
    fast = dataclasses.replace(ULX3S, ck2=7_000)
    assert "SDRAM tCK violated" in complaint(fast, ULX3S, tmp_path, megahertz=133, cas=2)


@pytest.mark.slow
def test_a_board_register_that_is_not_counted_is_seen(tmp_path: Path) -> None:
    model = model_of(SdramTiming(clock_hz=100 * MHZ, memory_bytes=8))
    parameters = {**model.parameters(), "REGISTERS_IN": 1}
    built = runner.build("sdram", model.sources(), "sdram_memory", parameters=parameters)
    environment = {"HWFLOW_BYTES": "8"}
    result = runner.run(
        built,
        "sim.benches.sdram",
        folder=tmp_path,
        environment=environment,
        testcase="random_traffic",
    )
    assert not result.passed


def complaint(
    made_for: SdramChip, chip: SdramChip, folder: Path, *, megahertz: int = 100, cas: int = 3
) -> str:
    """What the log of random traffic says when a controller made for one chip drives another."""
    timing = SdramTiming(chip=made_for, clock_hz=megahertz * MHZ, memory_bytes=8, cas=cas)
    result = run_bench(model_of(timing, chip=chip), folder, "random_traffic")
    assert not result.passed
    lines = result.log.read_text().splitlines()
    return next((line for line in lines if "harness: SDRAM" in line), "no complaint")
