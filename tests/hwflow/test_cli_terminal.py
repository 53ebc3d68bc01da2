"""Completion in the shells, and output that is readable without colour, and without a terminal."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from hwflow.cli.main import app, run
from tests.hwflow.test_cli_sweep import COMMANDS

SHELLS = ("bash", "zsh", "fish")


def output(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> str:
    """What a command prints that ends well."""
    monkeypatch.setattr(sys, "argv", ["hwflow", *arguments])
    try:
        run()
    except SystemExit as ended:
        assert not ended.code, arguments
    return capsys.readouterr().out


def completed(shell: str, line: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The words that a shell is offered for the last of a line."""
    words = line.split(" ")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "_HWFLOW_COMPLETE": f"complete_{shell}",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
            "_TYPER_COMPLETE_ARGS": line,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            "_TYPER_COMPLETE_WORD_TO_COMPLETE": words[-1],
        }.items():
            patch.setenv(name, value)
        shown = output([], capsys, patch)
    if shell == "zsh":  # quoted, each with its explanation where it has one
        return re.findall(r'"([^"]+)"', shown)
    return [each.split("\t")[0] for each in shown.splitlines() if each]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("hwflow lo", "lower"),
        ("hwflow energy char", "characterise"),
        ("hwflow lower --targ", "--target"),
        ("hwflow lower --target zu", "zu7ev"),
        ("hwflow ace --preset fmnist-t", "fmnist-tiny"),
        ("hwflow bitstream --board ul", "ulx3s-85f"),
        ("hwflow run --target ecp5-2", "ecp5-25f"),
        ("hwflow ace --network reactnet-a", "reactnet-a"),
    ],
)
def test_completion(shell: str, line: str, wanted: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert wanted in completed(shell, line, capsys)


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_is_shown_and_installed(
    shell: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    # Else the shell is taken that the tests run in.
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    script = output(["--show-completion", shell], capsys, monkeypatch)
    assert "_HWFLOW_COMPLETE" in script and f"complete_{shell}" in script
    said = output(["--install-completion", shell], capsys, monkeypatch)
    installed = next(Path(word) for word in said.split() if word.startswith(str(tmp_path)))
    assert "_HWFLOW_COMPLETE" in installed.read_text()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "hwflow"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hwflow.cli.entry "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    script = output(["--show-completion", "bash"], capsys, monkeypatch)
    script += "COMP_WORDS=(hwflow lo); COMP_CWORD=1\n_hwflow_completion hwflow lo hwflow\n"
    script += 'echo "${COMPREPLY[@]}"\n'
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["lower"], done.stderr


FAST = (
    "plan", "plan --json", "ace --network reactnet-a", "ace --network reactnet-a --json", "doctor --json",
    *(f"{name} --help" for name in COMMANDS),
)  # fmt: skip


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1", "TERM": "dumb"}])
def test_no_control_characters_without_a_terminal(
    variables: dict[str, str],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS", "TTY_COMPATIBLE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for arguments in FAST:
        shown = output(arguments.split(), capfd, monkeypatch)
        said = capfd.readouterr().err
        assert len(shown) > 40, arguments
        odd = [c for c in shown + said if (ord(c) < 32 and c != "\n") or ord(c) == 127]
        assert odd == [], (arguments, odd[:3])


def on_terminal(arguments: list[str], variables: dict[str, str]) -> str:
    """What a command shows in a terminal."""
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-m", "hwflow.cli.entry", *arguments],
            stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | variables, check=False,
        )  # fmt: skip
        os.close(theirs)
        shown = bytearray()
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            shown += part
        return shown.decode()
    finally:
        os.close(ours)


def test_a_terminal_without_colour() -> None:
    command = ["ace", "--network", "nothing-such"]
    assert "\x1b" not in on_terminal(command, {"TERM": "dumb"})
    colours = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|9[0-7]|38)")
    assert not colours.search(on_terminal(command, {"TERM": "xterm", "NO_COLOR": "1"}))


def test_completion_is_offered_in_the_help() -> None:
    assert "--install-completion" in str([p.opts for p in typer.main.get_command(app).params])
