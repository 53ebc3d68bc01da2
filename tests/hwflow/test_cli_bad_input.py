"""Missing, damaged and unsuitable input: one line, exit status 2, nothing written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from hwflow.paths import TRAINED
from models.integer.params import IntegerNetwork
from models.integer.random import random_images, random_network
from tests.hwflow.command_line import hwflow, refused


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


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--target", "sim-smal"), "did you mean sim-small"),
        (("--target", "none.yaml"), "none.yaml does not exist"),
        (("--checkpoint", "gone.network"), "gone.network"),
        (("--out", "occupied"), "occupied"),
    ],
)
def test_lower_refuses(
    arguments: tuple[str, ...], named: str, network: Path, tmp_path: Path
) -> None:
    (tmp_path / "occupied").mkdir()
    (tmp_path / "occupied" / "thesis.txt").write_text("mine")
    given = ("--checkpoint", str(network), "--out", "made", *arguments)
    assert named in refused(hwflow("lower", *given, cwd=tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["occupied"]


def edited_checkpoint(folder: Path, **changes: object) -> None:
    """The trained checkpoint with other values in its configuration."""
    shutil.copytree(TRAINED, folder)
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**values, **changes}))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"width": float("inf")}, "width=inf"),
        ({"image_size": []}, "image_size=()"),
        ({"image_size": [28]}, "image_size=(28,)"),
        ({"init_out": 0}, "init_out=0"),
        ({"classes": 10.5}, "classes=10.5"),
        ({"classes": 11}, "DenseAqt_0"),
        ({"image_size": [32, 32]}, "images are (28, 28, 1)"),
    ],
)
def test_unusable_configuration(change: dict[str, object], named: str, tmp_path: Path) -> None:
    edited_checkpoint(tmp_path / "net", **change)
    message = refused(hwflow("lower", "--checkpoint", "net", "--out", "made", cwd=tmp_path))
    assert named in message
    assert "net/" in message or "fmnist_calibration.npz" in message
    assert [p.name for p in tmp_path.iterdir()] == ["net"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("lower", "--se-bits", "0"), "SE input of 0 bits"),
        (("lower", "--se-bits", "1"), "SE input of 1 bits"),
        (("lower", "--target", "key.yaml"), "unknown field 7"),
        (("lower", "--target", "latin.yaml"), "latin.yaml is not UTF-8"),
        (("lower", "--checkpoint", "latin"), "latin/config.json: not UTF-8"),
        (("lower", "--checkpoint", "nowhere"), "nowhere: not found; a checkpoint is a folder"),
        (("ace", "--checkpoint", "latin"), "latin/config.json: not UTF-8"),
        (("quantise", "--data", "array.npz"), "array.npz: cannot be read as .npz"),
        (("sim", "--target", "sim-smal"), "did you mean sim-small"),
        (("sim", "--data", "array.npz"), "array.npz: cannot be read as .npz"),
        (("sim", "--out", "latin.yaml"), "latin.yaml is a file"),
        (("train", "--data", "same.npz"), "same.npz: gives the same images"),
        (("train", "--data", "split.npz", "--batch-size", "9"), "batch_size=9: more than the 8"),
        (("train", "--data", "labels.npz"), "labels.npz: label 10, but network"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], named: str, tmp_path: Path) -> None:
    (tmp_path / "latin").mkdir()
    (tmp_path / "latin" / "config.json").write_bytes(b'{"name": "caf\xe9"}')
    (tmp_path / "latin" / "checkpoint.msgpack").write_bytes(b"")
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9")
    (tmp_path / "key.yaml").write_text("7: 1\n")
    images, labels = random_images(1, 8, (28, 28, 1)), np.zeros(8, np.int32)
    with (tmp_path / "array.npz").open("wb") as stream:
        np.save(stream, images)
    np.savez(tmp_path / "same.npz", images=images, labels=labels)
    for name, first in (("split", labels), ("labels", labels + 10)):
        np.savez(
            tmp_path / f"{name}.npz",
            train_images=images, train_labels=first, test_images=images[:4], test_labels=labels[:4],
        )  # fmt: skip
    before = sorted(p.name for p in tmp_path.iterdir())
    given = () if "--out" in arguments or arguments[0] == "ace" else ("--out", "made.network")
    message = refused(hwflow(*arguments, *given, cwd=tmp_path))
    assert named in message
    assert sorted(p.name for p in tmp_path.iterdir()) == before


@pytest.mark.parametrize("damage", ["cut", "altered"])
def test_damaged_network_file(damage: str, network: Path, tmp_path: Path) -> None:
    data = network.read_bytes()
    middle = len(data) // 2
    bad = data[:middle] if damage == "cut" else data[:middle] + b"?" + data[middle + 1 :]
    (tmp_path / "bad.network").write_bytes(bad)
    done = hwflow("lower", "--checkpoint", "bad.network", "--out", "made", cwd=tmp_path)
    assert "bad.network" in refused(done)
    assert not (tmp_path / "made").exists()


def test_truncated_checkpoint(tmp_path: Path) -> None:
    shutil.copytree(TRAINED, tmp_path / "cut")
    path = tmp_path / "cut" / "checkpoint.msgpack"
    path.write_bytes(path.read_bytes()[:-1000])
    message = refused(hwflow("quantise", "--checkpoint", "cut", "--out", "q.network", cwd=tmp_path))
    assert "cut/checkpoint.msgpack" in message
    assert not (tmp_path / "q.network").exists()


@pytest.mark.parametrize(
    ("shape", "label", "named"),
    [((4, 20, 28), 0, "(20, 28, 1)"), ((4, 28, 28), 10, "10 classes")],
)
def test_images_that_do_not_fit(
    shape: tuple[int, ...], label: int, named: str, tmp_path: Path
) -> None:
    labels = np.full(shape[0], label, np.int32)
    np.savez(tmp_path / "odd.npz", images=np.zeros(shape, np.uint8), labels=labels)
    message = refused(hwflow("quantise", "--data", "odd.npz", "--out", "q.network", cwd=tmp_path))
    assert "odd.npz" in message
    assert named in message
    assert [p.name for p in tmp_path.iterdir()] == ["odd.npz"]


def test_reconcile_without_a_run(tmp_path: Path) -> None:
    message = refused(hwflow("reconcile", "--run", "nowhere", cwd=tmp_path))
    assert "nowhere/simulation.json" in message
    assert "hwflow sim" in message


def test_reconcile_refuses_what_is_no_result(network: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    made = hwflow(
        "lower", "--checkpoint", str(network), "--out", str(run / "program"), cwd=tmp_path
    )
    assert made.returncode == 0, made.stderr
    (run / "simulation.json").write_text('{"frames": [{}]}')
    assert "run/simulation.json" in refused(hwflow("reconcile", "--run", "run", cwd=tmp_path))


def test_sim_without_a_compiler(network: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for tool in ("make", "perl"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or tool)
    path = str(tmp_path / "bin")
    message = refused(hwflow("sim", "--checkpoint", str(network), cwd=tmp_path, path=path))
    assert "g++ is not installed" in message
    assert [p.name for p in tmp_path.iterdir()] == ["bin"]


def images_for(network: Path, folder: Path, count: int) -> Path:
    shape = IntegerNetwork.load(network).image_shape
    path = folder / "images.npz"
    np.savez(path, images=random_images(1, count, shape), labels=np.zeros(count, np.int32))
    return path


def test_sim_wants_more_images_than_there_are(network: Path, tmp_path: Path) -> None:
    data = images_for(network, tmp_path, 3)
    given = ("--checkpoint", str(network), "--data", str(data), "--images", "4", "--out", "made")
    message = refused(hwflow("sim", *given, cwd=tmp_path))
    assert "has 3 images, 4 wanted" in message
    assert [p.name for p in tmp_path.iterdir()] == ["images.npz"]


@pytest.mark.parametrize(
    ("name", "position"), [("memory.bin", 5000), ("schedule.bin", 100), ("manifest.json", 300)]
)
def test_sim_refuses_a_damaged_build(
    name: str, position: int, network: Path, tmp_path: Path
) -> None:
    build = tmp_path / "build"
    made = hwflow("lower", "--checkpoint", str(network), "--out", str(build), cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    data = bytearray((build / name).read_bytes())
    data[position] ^= 1
    (build / name).write_bytes(data)
    given = ("--checkpoint", str(network), "--program", "build", "--out", "made")
    message = refused(hwflow("sim", *given, cwd=tmp_path))
    assert name in message
    assert not (tmp_path / "made").exists()


def test_sim_refuses_a_build_of_another_network(network: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.network"
    random_network(12).save(other)
    made = hwflow("lower", "--checkpoint", str(other), "--out", "build", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    data = str(images_for(network, tmp_path, 1))
    given = ("--checkpoint", str(network), "--program", "build", "--data", data, "--images", "1")
    message = refused(hwflow("sim", *given, "--out", "made", cwd=tmp_path))
    assert "compiled from another network" in message
    assert not (tmp_path / "made").exists()
