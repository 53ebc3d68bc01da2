"""The command line: help, reports, and bad input as one line with exit status 2."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hwflow.cli.output import staged
from hwflow.errors import FlowError

COMMANDS = ("doctor", "train", "ace")


def hwflow(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hwflow.cli.main", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The message of a refused command, after checking how it was refused."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


def test_help_lists_every_command(tmp_path: Path) -> None:
    done = hwflow("--help", cwd=tmp_path)
    assert done.returncode == 0
    for name in COMMANDS:
        assert f" {name} " in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(name: str, tmp_path: Path) -> None:
    done = hwflow(name, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "Usage: " in done.stdout


def test_ace_prints_json(tmp_path: Path) -> None:
    done = hwflow("ace", "--preset", "fmnist-small", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert values["total_ace"] == 36_229_120
    assert values["evidence"] == "float"


def test_unknown_preset(tmp_path: Path) -> None:
    message = refused(hwflow("ace", "--preset", "pokebnn-9x", cwd=tmp_path))
    assert "pokebnn-9x" in message
    assert "pokebnn-2.0x" in message


def test_missing_checkpoint(tmp_path: Path) -> None:
    message = refused(hwflow("ace", "--checkpoint", "nowhere", cwd=tmp_path))
    assert "nowhere/config.json" in message


def test_damaged_network_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"name": ')
    refused(hwflow("ace", "--checkpoint", ".", cwd=tmp_path))


def test_training_data_that_is_not_there_leaves_nothing(tmp_path: Path) -> None:
    done = hwflow("train", "--data", "nowhere", "--out", "run", cwd=tmp_path)
    assert "nowhere" in refused(done)
    assert not list(tmp_path.iterdir())


def test_staged_writes_all_or_nothing(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    with pytest.raises(KeyError), staged(out) as scratch:
        (scratch / "half").write_text("x")
        raise KeyError
    assert not list(tmp_path.iterdir())
    with staged(out) as scratch:
        (scratch / "whole").write_text("x")
    assert [p.name for p in out.iterdir()] == ["whole"]
    with staged(out) as scratch:
        (scratch / "other").write_text("y")
    assert sorted(p.name for p in out.iterdir()) == ["other", "whole"]
    with pytest.raises(FlowError, match="is a file"), staged(out / "whole"):
        pass
