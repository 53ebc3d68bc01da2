"""`hwflow bitstream`: bad input is refused before any tool runs, and the report is printed as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hwflow.cli.bitstream import _print
from hwflow.cli.main import app
from hwflow.errors import FlowError


def refused(*arguments: str) -> str:
    """The message of a refused command."""
    done = CliRunner().invoke(app, ["bitstream", *arguments])
    assert isinstance(done.exception, FlowError), done.output
    assert done.stdout == "" and "\n" not in str(done.exception)
    return str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--board", "basys"), "unknown board 'basys'; known: ulx3s-85f"),
        (("--target", "zu8"), "zu8"),
        (("--clock-mhz", "0"), "--clock-mhz 0.0 must be above 0"),
        (("--network", "nowhere"), "nowhere"),
    ],
)
def test_refused(arguments: tuple[str, ...], named: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert named in refused(*arguments, "--out", str(out))
    assert not out.exists()


def test_clock_that_the_pll_does_not_make(network: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    message = refused("--network", str(network), "--clock-mhz", "80.1", "--out", str(out))
    assert "makes no clock of 80.1 MHz from 25 MHz; nearest valid: 80.0000 MHz" in message
    assert not out.exists() and not list(tmp_path.glob(".hwflow-*"))


def test_design_too_large_for_the_part(network: Path, tmp_path: Path) -> None:
    message = refused(
        "--network", str(network), "--target", "zu7ev", "--out", str(tmp_path / "out")
    )
    assert "does not fit LFE5U-85F-6BG381C: at least" in message
    assert "EBR of 208" in message and "lower main_rows, side_rows or pool_rows" in message


def test_missing_tool(network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXTPNR_ECP5", "no-such-program")
    message = refused("--network", str(network), "--out", str(tmp_path / "out"))
    assert "NEXTPNR_ECP5=no-such-program is no program" in message


def test_report_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    cells = dict.fromkeys(("luts", "lut4", "carry", "ff", "dpr", "ebr", "mult"), 3)
    report: dict[str, Any] = {
        "network": "net",
        "board": "ulx3s-85f",
        "part": "LFE5U-85F",
        "target": {"name": "ulx3s-85f"},
        "sdram_clock": None,
        "clock_hz": 80_000_000,
        "fmax_mhz": 81.5,
        "slack_ns": 0.23,
        "critical_path": [
            {"unit": "u", "from": "a", "to": "b", "logic_ns": 4.0, "routing_ns": 8.0}
        ],
        "utilisation": {"LUT4": {"used": 3, "available": 6}},
        "array": {"binary_macs": 4096, "luts": 8192, "luts_per_binary_mac": 2.0},
        "units": {"u": cells},
        "seed": 1,
        "tools": {"yosys": "0.70"},
        "sha256": {"bitstream": "ab" * 32},
    }
    _print(report, Path("out"))
    printed = capsys.readouterr().out
    assert "reached 81.50 MHz, slack 0.23 ns (evidence: post-route)" in printed
    assert "50.0%" in printed and "2.00 a binary MAC" in printed
