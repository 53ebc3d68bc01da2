"""Frames per second from a simulation's summary and a clock."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from bench.throughput import clock_of, main, throughput
from hwflow.errors import FlowError

SUMMARY = {"network": "n", "target": "t", "cycles_per_image": 20_000, "evidence": "rtl-sim"}


def test_a_stated_clock_and_that_of_a_bitstream(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"fmax_mhz": 97.5, "clock_hz": 80_000_000}))
    stated, routed = throughput(SUMMARY, "100"), throughput(SUMMARY, str(report))
    assert (stated["latency_us"], stated["frames_per_second"]) == (200, 5000)
    assert (routed["megahertz"], routed["frames_per_second"]) == (80, 4000)
    assert stated["evidence"] == "rtl-sim x stated"
    assert routed["evidence"] == "rtl-sim x post-route"


def test_refusals(tmp_path: Path) -> None:
    empty = tmp_path / "empty.json"
    empty.write_text("{}")
    for given, message in (
        ("-3", "MHz above 0"),
        ("nowhere.json", "give a report"),
        (str(empty), "has no clock_hz"),
    ):
        with pytest.raises(FlowError, match=message):
            clock_of(given)


def test_the_command(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(main)
    (tmp_path / "summary.json").write_text(json.dumps(SUMMARY))
    run = ["--run", str(tmp_path), "--clock"]
    printed = CliRunner().invoke(app, [*run, "80", "--json"])
    assert json.loads(printed.stdout)["frames_per_second"] == 4000
    assert CliRunner().invoke(app, [*run, "none.json"]).exit_code == 2
    (tmp_path / "summary.json").write_text("[]")
    assert CliRunner().invoke(app, [*run, "80"]).exit_code == 2
