"""`hwflow energy measure` as a user runs it: a log and markers in, a record out; and what it refuses."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from hwflow.energy.measurement import Measurement
from tests.hwflow.command_line import hwflow, refused
from tests.hwflow.energy.measure.synthetic import Scene

METER = ("--gain-accuracy", "0.005", "--offset-accuracy", "0.001")
SCENE = Scene(lost=0.02, drift_w_s=0.002)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    time_s, watts = SCENE.samples(5)
    rows = [f"{1000 * t:.3f},{1000 * w:.6f}" for t, w in zip(time_s, watts, strict=True)]
    (tmp_path / "log.csv").write_text("time [ms],power [mW]\n" + "\n".join(rows) + "\n")
    SCENE.markers().save(tmp_path / "markers.json")
    return tmp_path


def test_a_log_becomes_a_record(folder: Path) -> None:
    arguments = ("--log", "log.csv", "--markers", "markers.json", *METER, "--allow-missing", "0.1")
    done = hwflow("energy", "measure", *arguments, "--out", "record.json", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    found = Measurement.load(folder / "record.json")
    (energy,) = found.energies
    assert energy.active.low < SCENE.truth() < energy.active.high
    assert json.loads(done.stdout)["energies"][0]["active"]["mean"] == energy.active.mean
    first = (folder / "record.json").read_bytes()
    done = hwflow("energy", "measure", *arguments, "--out", "record.json", cwd=folder)
    assert (folder / "record.json").read_bytes() == first
    assert "evidence: board" in done.stdout
    assert "not measured" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "either --log FILE or --hwmon"),
        (("--log", "log.csv"), "--log needs --markers"),
        (("--log", "log.csv", "--markers", "markers.json"), "--gain-accuracy and"),
        (("--log", "log.csv", "--markers", "no.json", *METER), "no.json: cannot be read"),
        (("--log", "log.csv", "--markers", "markers.json", *METER), "samples are missing"),
        (("--log", "log.csv", "--seconds", "5"), "--log and --seconds exclude"),
        (("--hwmon", "ina226"), "only records; give --save-log"),
        (
            ("--hwmon", "ina226", "--hwmon-root", "none", "--save-log", "x.csv"),
            "none: no such folder",
        ),
        (
            ("--log", "log.csv", "--markers", "markers.json", "--markers", "markers.json", *METER),
            "overlap",
        ),
        (("--log", "log.csv", "--shift", "nan"), "--shift nan: not finite"),
        (("--log", "log.csv", "--settle", "inf"), "--settle inf: not finite"),
        (("--log", "log.csv", "--offset-accuracy", "inf"), "--offset-accuracy inf: not finite"),
    ],
)
def test_refusals(arguments: tuple[str, ...], said: str, folder: Path) -> None:
    assert said in refused(hwflow("energy", "measure", *arguments, cwd=folder))


def test_a_recording_that_is_not_kept_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = folder / "tree" / "hwmon0"
    device.mkdir(parents=True)
    (device / "name").write_text("ina260\n")
    (device / "power1_input").write_text("1000000\n")
    scratch = folder / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    arguments = (
        "--hwmon",
        "ina260",
        "--hwmon-root",
        "tree",
        "--seconds",
        "0.6",
        "--interval",
        "0.01",
    )
    arguments += ("--markers", "markers.json", "--allow-missing", "0.9", *METER)
    done = hwflow("energy", "measure", *arguments, cwd=folder)
    assert done.returncode == 2
    assert "record from before the first marker" in done.stderr or "samples" in done.stderr
    assert list(scratch.glob("hwflow-*")) == []


def test_a_sensor_is_recorded(tmp_path: Path) -> None:
    """A sensor whose value changes while it is read."""
    device = tmp_path / "tree" / "hwmon0"
    device.mkdir(parents=True)
    (device / "name").write_text("ina260\n")
    rail = device / "power1_input"
    rail.write_text("1000000\n")
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            fresh = tmp_path / "fresh"
            fresh.write_text(f"{1_000_000 + int(time.time() * 1000) % 7}\n")
            fresh.replace(rail)  # a sensor's file is never half written
            time.sleep(0.05)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        done = hwflow(
            *("energy", "measure", "--hwmon", "ina260", "--hwmon-root", "tree", "--seconds", "0.6"),
            *("--interval", "0.02", "--save-log", "log.csv"),
            cwd=tmp_path,
        )
    finally:
        stop.set()
        thread.join()
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[:2] == ["# ina260 power1", "time [s],power [W]"]
    assert len(lines) > 5
    assert all(1 <= float(line.split(",")[1]) < 1.0001 for line in lines[2:])
