"""Build folders: written whole, and never over files of somebody else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hwflow.compiler import container
from hwflow.compiler.lower import lower
from hwflow.compiler.manifest import config_hash
from hwflow.compiler.program import FILES, MANIFEST, MEMORY, SCHEDULE, Program, sha256
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


@pytest.mark.parametrize("files", [(MEMORY,), (SCHEDULE,), (MEMORY, SCHEDULE), (MANIFEST,)])
def test_load_refuses_parts_of_two_builds(files: tuple[str, ...], tmp_path: Path) -> None:
    FIRST.save(tmp_path / "one")
    SECOND.save(tmp_path / "two")
    for name in files:
        (tmp_path / "one" / name).write_bytes((tmp_path / "two" / name).read_bytes())
    with pytest.raises(FlowError, match=r"not the file of this manifest .* run `hwflow lower`"):
        Program.load(tmp_path / "one")


def test_load_refuses_another_target(tmp_path: Path) -> None:
    """The manifest's target is changed, even with its own hash: schedule and memory image name another."""
    for hashed in (False, True):
        config = replace(FIRST.config, name="other")
        changed = replace(FIRST.manifest, target=config.to_dict())
        if hashed:
            changed = replace(changed, config_hash=config_hash(config))
        folder = tmp_path / str(hashed)
        replace(FIRST, manifest=changed).save(folder)
        with pytest.raises(FlowError, match="config_hash differs" if hashed else "match its hash"):
            Program.load(folder)


def test_load_refuses_an_undefined_opcode(tmp_path: Path) -> None:
    """Also with every CRC and hash made to fit."""
    header, body = container.unseal(FIRST.schedule, container.SCHEDULE_MAGIC, SCHEDULE)
    other, memory = container.unseal(FIRST.memory, container.MEMORY_MAGIC, MEMORY)
    schedule = container.seal(header, b"\x63" + body[1:])
    image = container.seal(other, b"\x63" + memory[1:])
    hashes = {"schedule_hash": sha256(schedule), "memory_hash": sha256(image)}
    FIRST.save(tmp_path / "build")
    for name, data in ((SCHEDULE, schedule), (MEMORY, image)):
        (tmp_path / "build" / name).write_bytes(data)
    (tmp_path / "build" / MANIFEST).write_text(replace(FIRST.manifest, **hashes).to_json())
    with pytest.raises(FlowError, match="schedule instruction 0: unknown opcode 99"):
        Program.load(tmp_path / "build")
