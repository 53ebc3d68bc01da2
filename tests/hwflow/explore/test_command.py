"""`hwflow explore` as a person runs it."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hwflow.cli.main import app
from hwflow.errors import FlowError
from hwflow.explore.store import FILE
from hwflow.files import locked

pytest.importorskip("vl_convert", reason="plots come with the extra `report`")


def _explore(*arguments: str | Path) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["explore", *map(str, arguments), "--json"])
    if done.exception is not None:
        raise done.exception
    return json.loads(done.stdout)


def _options(space: Path, network: Path, out: Path, points: int) -> list[str | Path]:
    return [
        "--space", space, "--network", network, "--out", out, "--points", str(points), "--workers", "0",
    ]  # fmt: skip


def test_a_killed_search_goes_on_and_ends_as_if_it_had_not_been(
    space_file: Path, network: Path, tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    command = [sys.executable, "-m", "hwflow.cli.entry", "explore"]
    command += map(str, _options(space_file, network, cut, 3000))
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not (cut / FILE).is_file() or (cut / FILE).stat().st_size < 10_000:
            assert running.poll() is None
            time.sleep(0.05)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    kept = (cut / FILE).read_bytes().count(b"\n")
    assert kept
    found = _explore(*_options(space_file, network, cut, 300))
    assert found["points"] >= 300
    _explore(*_options(space_file, network, whole, 300))
    for name in ("explore.json", "front.csv", "explore.vl.json", "explore.svg"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()
    # Nothing is evaluated that is known: a third run adds no line.
    size = (whole / FILE).stat().st_size
    _explore(*_options(space_file, network, whole, 300))
    assert (whole / FILE).stat().st_size == size

    assert found["evidence"]["cycles"] == "cycle-model"
    assert found["baseline"]["target"] == "sim-small"
    best = found["choices"]["any"]
    assert best["frames_per_second"] == max(each["frames_per_second"] for each in found["front"])
    assert found["choices"]["at least 1024 binary MACs"]["binary_macs"] >= 1024
    assert found["objectives"] == ["frames_per_second", "lut4", "block_rams", "multipliers"]
    rows = list(csv.DictReader((whole / "front.csv").read_text().splitlines()))
    assert [int(row["cycles"]) for row in rows] == [each["cycles"] for each in found["front"]]
    shown = CliRunner().invoke(app, ["explore", *map(str, _options(space_file, network, cut, 300))])
    assert "every point was known" in shown.stdout
    assert "best, at least 1024 binary MACs" in shown.stdout


def test_bad_input_is_one_line_that_names_it(
    space_file: Path, network: Path, tmp_path: Path
) -> None:
    options = _options(space_file, network, tmp_path / "out", 5)
    sdram = tmp_path / "sdram.yaml"
    sdram.write_text(space_file.read_text().replace("memory: block-ram", "memory: sdram"))
    cases: list[tuple[list[str | Path], str]] = [
        ([*options, "--space", "nowhere"], "unknown space 'nowhere'"),
        ([*options, "--network", tmp_path / "no"], "not found"),
        ([*options, "--energy", tmp_path / "no.json"], "cannot be read"),
        ([*options, "--scheduler", "tcp://x:1"], "exclude each other"),
        ([*options[:-2], "--scheduler", "tcp://127.0.0.1:9"], "no Dask scheduler answers"),
        ([*options, "--out", network], "is a file"),
        ([*options, "--board", "nowhere"], "unknown board 'nowhere'"),
        ([*options, "--space", sdram, "--latency", "9"], "follows from the clock"),
    ]
    for arguments, message in cases:
        with pytest.raises(FlowError, match=message) as caught:
            _explore(*arguments)
        assert "\n" not in str(caught.value)


def test_two_searches_do_not_share_a_folder(
    space_file: Path, network: Path, tmp_path: Path
) -> None:
    with locked(tmp_path), pytest.raises(FlowError, match="another process writes to it"):
        _explore(*_options(space_file, network, tmp_path, 5))


def test_a_folder_that_cannot_be_written_is_named(space_file: Path, network: Path) -> None:
    out = Path("/proc/hwflow/out")  # not even by root
    with pytest.raises(FlowError, match=f"{out}: cannot be written .*; give another folder"):
        _explore(*_options(space_file, network, out, 5))


def test_a_board_that_a_space_is_not_for_is_refused_before_the_search(
    space_file: Path, network: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(space_file.read_text().replace("LFE5U-85F", "LFE5U-45F"))
    with pytest.raises(FlowError, match="its part is LFE5U-85F-6BG381C, the space's LFE5U-45F"):
        _explore(*_options(other, network, tmp_path / "out", 5), "--verify", "1")
    assert not (tmp_path / "out").exists()


def test_a_choice_that_there_is_not_and_a_target_that_does_not_fit_are_shown(
    space_file: Path, network: Path, tmp_path: Path
) -> None:
    small = tmp_path / "small.yaml"
    small.write_text(
        space_file.read_text()
        .replace("least_binary_macs: 1024", "least_binary_macs: 99999")
        .replace("lut4: 83640", "lut4: 9")
    )
    options = [*map(str, _options(small, network, tmp_path / "out", 5)), "--refine", "0"]
    shown = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["explore", *options]).stdout
    assert "target sim-small *" in shown
    assert "* target sim-small is not feasible in this space: part: " in shown
    rows = [line for line in shown.splitlines() if "best, " in line]
    assert len(rows) == 2
    assert all("none" in row for row in rows)
    found = _explore(*options)
    assert [each["point"]["clock_mhz"] for each in found["baselines"]] == [25, 40.5]
