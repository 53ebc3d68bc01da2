"""Times of SDRAM chips as cycles of a controller, and the option of the commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from hwflow.cli.main import app
from hwflow.compiler.lower import lower
from hwflow.config import load_target
from hwflow.errors import FlowError
from hwflow.sdram import CHIPS, ULX3S, SdramTiming
from models.config import preset
from models.integer.random import random_network
from tests.hwflow.command_line import hwflow, refused

MHZ = 1_000_000


def test_cycles_at_100_mhz() -> None:
    timing = SdramTiming(clock_hz=100 * MHZ, memory_bytes=8)
    times = (timing.rcd, timing.rp, timing.ras, timing.rc, timing.rrd, timing.wr, timing.rfc)
    assert times == (3, 3, 5, 7, 2, 2, 7)
    assert (timing.mrd, timing.power_up, timing.refresh_interval) == (2, 20_000, 781)
    assert (timing.burst, timing.beat_bursts, timing.mode) == (4, 1, 0x32)


@given(clock=st.integers(4 * MHZ, 133 * MHZ), width=st.sampled_from([8, 16, 32, 64]))
def test_no_time_is_short_and_none_a_cycle_long(clock: int, width: int) -> None:
    timing = SdramTiming(clock_hz=clock, memory_bytes=width)
    for field in ("rcd", "rp", "ras", "rc", "rrd", "wr", "rfc", "power_up"):
        cycles, picoseconds = getattr(timing, field), getattr(ULX3S, field)
        assert cycles * 10**12 >= picoseconds * clock > (cycles - 1) * 10**12
    assert timing.refresh_interval * 10**12 * 8192 <= ULX3S.refresh * clock
    assert timing.burst * timing.beat_bursts * 2 == width
    assert 0.3 < timing.stream_bandwidth * timing.beat_words < 1


def test_the_board_s_chip_is_slower_than_each() -> None:
    assert len(CHIPS) == 3
    for chip in CHIPS.values():
        assert chip.bytes == ULX3S.bytes == 32 << 20
        assert chip.rcd <= ULX3S.rcd
        assert chip.ck3 <= ULX3S.ck3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clock_hz": 143 * MHZ}, "nearest valid: 133333333"),
        ({"cas": 2, "clock_hz": 120 * MHZ}, "nearest valid: 100000000"),
        ({"cas": 4}, "nearest valid: 3"),
        ({"memory_bytes": 4}, "must have 8, 16, 32 or 64"),
        ({"board_cycles": 9}, "nearest valid: 8"),
    ],
)
def test_refusals(changes: dict[str, int], message: str) -> None:
    values: dict[str, int] = {"clock_hz": 100 * MHZ, "memory_bytes": 8, **changes}
    with pytest.raises(FlowError, match=message):
        SdramTiming(
            clock_hz=values["clock_hz"],
            memory_bytes=values["memory_bytes"],
            cas=values.get("cas", 3),
            board_cycles=values.get("board_cycles", 0),
        )


def test_cycles_of_a_network_in_front_of_sdram() -> None:
    command = ["cycles", "--preset", "fmnist-tiny", "--json"]
    plain = json.loads(CliRunner().invoke(app, command).stdout)
    slow = json.loads(CliRunner().invoke(app, [*command, "--sdram", "80"]).stdout)
    assert slow["cycles"] > plain["cycles"]
    assert slow["bytes"] == plain["bytes"]
    assert slow["milliseconds"] == pytest.approx(slow["total"] / 80_000, abs=1e-3)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("sim", "--sdram", "500"), "nearest valid: 133333333"),
        (("cycles", "--preset", "fmnist-tiny", "--sdram", "500"), "nearest valid: 133333333"),
        (("cycles", "--sdram", "80", "--latency", "9"), "exclude each other"),
    ],
)
def test_refused_options(command: tuple[str, ...], message: str, tmp_path: Path) -> None:
    assert message in refused(hwflow(*command, cwd=tmp_path))


def test_fmnist_tiny_fits_the_small_part() -> None:
    program = lower(random_network(0, preset("fmnist-tiny")), load_target("ecp5-25f"))
    assert len(program.memory) < ULX3S.bytes
