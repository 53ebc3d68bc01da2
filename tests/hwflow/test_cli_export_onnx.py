"""`hwflow export-onnx`: what it writes, its report, and what it refuses."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from typer.testing import CliRunner

from hwflow.cli.main import app
from hwflow.errors import FlowError
from hwflow.onnx import network as conversion
from hwflow.onnx.network import LOGITS, build_model, serialise, value_names
from models.integer.params import IntegerNetwork
from models.integer.random import random_images
from tests.hwflow.command_line import hwflow, refused


def test_writes_the_same_bytes_in_another_process(network: Path, tmp_path: Path) -> None:
    done = hwflow(
        "export-onnx", "--checkpoint", str(network), "--out", "new/net.onnx", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    stored = (tmp_path / "new" / "net.onnx").read_bytes()
    assert stored == serialise(build_model(IntegerNetwork.load(network)))
    assert hashlib.sha256(stored).hexdigest() in done.stdout
    assert not list(tmp_path.rglob("*.tmp"))


def test_verifies_on_images_and_reports(network: Path, tmp_path: Path) -> None:
    integer, out = IntegerNetwork.load(network), tmp_path / "net.onnx"
    images = random_images(4, 3, integer.image_shape)
    np.savez(tmp_path / "some.npz", images=images, labels=np.zeros(3, np.int32))
    arguments = [
        "export-onnx", "--checkpoint", str(network), "--out", str(out), "--layers",
        "--verify", "2", "--data", str(tmp_path / "some.npz"), "--json",
    ]  # fmt: skip
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    report = json.loads(done.stdout)
    assert report["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert report["network_sha256"] == integer.content_hash()
    assert report["outputs"] == len(value_names(integer))
    verification = report["verification"]
    assert verification["equal"] and verification["images"] == 2
    assert verification["evidence"] == "integer"
    assert [row["name"] for row in verification["values"]] == list(value_names(integer))
    logits = verification["values"][-1]
    assert logits == {
        "name": LOGITS,
        "elements": 2 * integer.classes,
        "differ": 0,
        "equal": True,
    }


def test_a_model_that_differs_is_not_written(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(integer: IntegerNetwork, *, layers: bool) -> onnx.ModelProto:
        model = build_model(integer, layers=layers)
        name = "logits/beta"
        tensor = next(t for t in model.graph.initializer if t.name == name)
        changed = numpy_helper.to_array(tensor) + (1 << 20)
        tensor.CopyFrom(numpy_helper.from_array(changed, name))
        return model

    monkeypatch.setattr(conversion, "build_model", wrong)
    out = tmp_path / "net.onnx"
    arguments = ["export-onnx", "--checkpoint", str(network), "--out", str(out), "--verify", "1"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "NOT EQUAL from logits on" in done.stdout and "nothing written" in done.stdout
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--checkpoint", "nowhere"), "nowhere: not found"),
        (("--checkpoint", "gone.network"), "gone.network"),
        (("--out", "net.pb"), "ends in .onnx"),
        (("--out", "occupied.onnx"), "is a folder"),
        (("--out", "file/net.onnx"), "is a file, not a folder"),
        (("--data", "some.npz"), "--verify"),
        (("--verify", "1", "--data", "nowhere.npz"), "nowhere.npz"),
        (("--verify", "5", "--data", "few.npz"), "holds 1 images"),
    ],
)
def test_refuses(
    arguments: tuple[str, ...],
    named: str,
    network: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "occupied.onnx").mkdir()
    (tmp_path / "file").touch()
    one = random_images(0, 1, IntegerNetwork.load(network).image_shape)
    np.savez(tmp_path / "few.npz", images=one, labels=np.zeros(1, np.int32))
    before = sorted(tmp_path.rglob("*"))
    given = ["export-onnx", "--checkpoint", str(network), *arguments]
    done = CliRunner().invoke(app, given)
    assert isinstance(done.exception, FlowError), done.output
    assert named in str(done.exception)
    assert "\n" not in str(done.exception)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_cannot_be_made_is_one_line(network: Path, tmp_path: Path) -> None:
    given = ("--checkpoint", str(network), "--out", "/proc/none/net.onnx")
    refused(hwflow("export-onnx", *given, cwd=tmp_path))


@pytest.mark.parametrize(("missing", "needs"), [("onnx", ()), ("onnxruntime", ("--verify", "1"))])
def test_missing_packages_are_named(
    missing: str, needs: tuple[str, ...], network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == missing else find(name)
    )
    done = CliRunner().invoke(app, ["export-onnx", "--checkpoint", str(network), *needs])
    assert isinstance(done.exception, FlowError)
    assert f"package {missing} is missing" in str(done.exception)
