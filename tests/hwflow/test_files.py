"""Files that are whole or not there, and locked folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from hwflow.cli.main import app
from hwflow.errors import FlowError
from hwflow.files import check_file, locked, write_atomically


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for data in (b"one", b"two"):
        write_atomically(path, data)
        assert path.read_bytes() == data
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("folder", "folder is a folder; give a file"),
        ("gone/file", "gone does not exist; make it"),
        ("file/below", "file is a file, not a folder"),
    ],
)
def test_what_is_no_file_is_named(name: str, named: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(FlowError, match=named) as raised:
        write_atomically(tmp_path / name, b"other")
    assert ".tmp" not in str(raised.value)
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_a_missing_folder_may_be_made_later(tmp_path: Path) -> None:
    check_file(tmp_path / "gone" / "file", makes_folder=True)
    with pytest.raises(FlowError, match="is a folder"):
        check_file(tmp_path, makes_folder=True)


@pytest.mark.parametrize("command", [("random",), ("quantise",)])
def test_commands_refuse_before_they_work(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "made.network").mkdir()
    done = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "made.network")])
    assert isinstance(done.exception, FlowError)
    assert "made.network is a folder" in str(done.exception)


def test_results_of_a_whole_network_need_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    done = CliRunner().invoke(app, ["sim-imagenet", "--out", str(tmp_path / "file")])
    assert isinstance(done.exception, FlowError)
    assert "is a file; give a folder" in str(done.exception)


def test_a_lock_keeps_others_out(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with locked(folder), pytest.raises(FlowError, match="another process writes to it"):
        locked(folder).__enter__()
    with locked(folder):
        pass
