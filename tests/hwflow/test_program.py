"""Build folders: written whole, and never over files of somebody else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwflow.compiler.lower import lower
from hwflow.compiler.program import FILES, MANIFEST, Program
from hwflow.config import load_target
from hwflow.errors import FlowError
from models.integer.random import random_network

FIRST, SECOND = (lower(random_network(seed), load_target("sim-small")) for seed in (21, 22))


def test_save_replaces_an_earlier_build(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "build"
    FIRST.save(folder)
    SECOND.save(folder)
    assert Program.load(folder).manifest == SECOND.manifest
    assert sorted(p.name for p in folder.iterdir()) == sorted(FILES)
    assert [p.name for p in folder.parent.iterdir()] == ["build"]


def test_save_fills_an_empty_folder(tmp_path: Path) -> None:
    FIRST.save(tmp_path)
    assert Program.load(tmp_path).schedule == FIRST.schedule


def test_save_leaves_neighbours_alone(tmp_path: Path) -> None:
    (tmp_path / "build.partial").mkdir()
    (tmp_path / "build.partial" / "thesis.txt").write_text("mine")
    FIRST.save(tmp_path / "build")
    assert (tmp_path / "build.partial" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({MANIFEST: json.dumps({"name": "an extension"}), "thesis.txt": "mine"}, "thesis.txt"),
        ({MANIFEST: json.dumps({"name": "an extension"})}, MANIFEST),
        ({MANIFEST: "[1, 2]"}, MANIFEST),
        ({MANIFEST: "\udcff"}, MANIFEST),
        ({"memory.bin": "mine"}, MANIFEST),
        ({"thesis.txt": "mine"}, "thesis.txt"),
    ],
)
def test_save_refuses_what_is_no_build(files: dict[str, str], named: str, tmp_path: Path) -> None:
    folder = tmp_path / "build"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_bytes(text.encode(errors="surrogateescape"))
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(FlowError, match=named):
        FIRST.save(folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["build"]


def test_save_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "build").write_text("mine")
    with pytest.raises(FlowError, match="is a file"):
        FIRST.save(tmp_path / "build")
    assert (tmp_path / "build").read_text() == "mine"
