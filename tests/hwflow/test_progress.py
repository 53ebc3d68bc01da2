"""Progress on standard error: bars with the time that remains on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time

import pytest

from hwflow import progress
from hwflow.cli.output import counted_progress, progress_console


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (754, "12:34"), (3723, "1:02:03")]
)
def test_durations(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text


def test_short_work_says_nothing_without_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with counted_progress("counting") as told:
        told(1, 2)
    with progress_console().status("thinking") as status:
        status.update("thinking hard")
    assert capfd.readouterr() == ("", "")


def test_long_work_says_plain_lines_without_a_terminal(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.05)
    with progress_console().status("[thinking]"):
        time.sleep(0.3)
    said = capfd.readouterr().err.splitlines()
    assert len(said) >= 2 and set(said) == {"[thinking] (0:00)"}
    with counted_progress("counting") as told:
        for done in range(1, 5):
            told(done, 10)
            time.sleep(0.1)
    said = capfd.readouterr().err.splitlines()
    assert said[-1].startswith("counting: 4 of 10") and "left (0:0" in said[-1]


def test_a_terminal_shows_what_remains(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with counted_progress("counting") as told:
        for done in range(1, 6):
            told(done, 10)
            time.sleep(0.15)
    shown = capfd.readouterr().err
    assert "counting" in shown and "left" in shown and "\x1b[" in shown


@pytest.mark.parametrize("variables", [{"TERM": "dumb", "TTY_COMPATIBLE": "1"}, {"NO_COLOR": "1"}])
def test_no_control_characters(
    variables: dict[str, str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.05)
    with counted_progress("counting") as told:
        told(1, 2)
        time.sleep(0.12)
    assert "\x1b" not in capfd.readouterr().err
