"""Options that exclude each other, and inputs of blame and reconcile: refused before the work starts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from hwflow.cli.blame import check_same, recorded_inputs
from hwflow.cli.main import app
from hwflow.errors import FlowError
from hwflow.paths import TRAINED
from models.config import PokeBNNConfig
from models.integer.random import random_network, small_config


def refused(*arguments: str) -> str:
    """The message of a refused command."""
    done = CliRunner().invoke(app, list(arguments))
    assert isinstance(done.exception, FlowError), done.output
    assert done.stdout == ""
    assert "\n" not in str(done.exception)
    return str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--preset", "fmnist-small", "--checkpoint", "x"), "--preset and --checkpoint"),
        (("--preset", "fmnist-small", "--se-bits", "8"), "--preset and --se-bits"),
        (("--program", "x", "--preset", "fmnist-small"), "--program and --preset"),
        (("--program", "x", "--checkpoint", "x"), "--program and --checkpoint"),
        (("--program", "x", "--target", "zu7ev"), "--program and --target"),
        (("--program", "x", "--calibration", "x"), "--program and --calibration"),
    ],
)
def test_cycles_ignores_no_option(arguments: tuple[str, ...], named: str) -> None:
    assert f"{named} exclude each other" in refused("cycles", *arguments)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--preset", "pokebnn-1.0x"), "name a .network file"),
        (("--config", "x"), "name a .network file"),
        (("--preset", "fmnist-small", "--config", "x"), "--preset and --config exclude"),
        (("--run", "x", "--target", "zu7ev"), "--run and --target exclude"),
        (("--run", "x", "--config", "gone/config.json"), "gone/config.json"),
    ],
)
def test_reconcile_says_what_is_counted(arguments: tuple[str, ...], named: str) -> None:
    assert named in refused("reconcile", *arguments)


def test_reconcile_of_a_network_file_wants_its_configuration(network: Path) -> None:
    message = refused("reconcile", "--checkpoint", str(network))
    assert "--preset NAME or --config FOLDER" in message


@pytest.mark.parametrize("form", ["folder", "file"])
def test_reconcile_takes_the_configuration_from_elsewhere(
    form: str, network: Path, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(small_config().to_json())
    path = tmp_path if form == "folder" else tmp_path / "config.json"
    given = ("--checkpoint", str(network), "--config", str(path), "--json")
    done = CliRunner().invoke(app, ["reconcile", *given])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["ok"] is True


def test_reconcile_wants_frames(network: Path, tmp_path: Path) -> None:
    given = ("--checkpoint", str(network), "--out", str(tmp_path / "program"))
    assert CliRunner().invoke(app, ["lower", *given]).exit_code == 0
    result = {"frames": [], "schedule_hash": "of no matter"}
    (tmp_path / "simulation.json").write_text(json.dumps(result))
    assert "holds no frames" in refused("reconcile", "--run", str(tmp_path))


def test_blame_tells_the_two_files_apart(network: Path) -> None:
    assert "is an integer network" in refused("blame", "--checkpoint", str(network))
    assert "ends in .network" in refused("blame", "--network", str(TRAINED))


def test_blame_wants_the_network_of_the_checkpoint(network: Path) -> None:
    assert "name is random" in refused("blame", "--network", str(network))


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (small_config(), None),
        (small_config(name="other"), "its name is random, the checkpoint's other"),
        (small_config(image=(16, 16, 1)), "its image shape is"),
        (small_config(classes=9), "its classes is 10"),
        (small_config(stages=((1, 8, 1),)), "has 6 PokeConvs, the checkpoint 3"),
        (small_config(stages=((1, 8, 1), (1, 16, 1))), "has layer"),
    ],
)
def test_layers_are_held_against_the_checkpoint(other: PokeBNNConfig, named: str | None) -> None:
    network = random_network(5)
    if named is None:
        check_same(network, Path("x.network"), other)
        return
    with pytest.raises(FlowError, match="hwflow quantise") as raised:
        check_same(network, Path("x.network"), other)
    assert named in str(raised.value)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("empty", "cannot be read as .npz"),
        ("garbage", "cannot be read as .npz"),
        ("unnamed", "one array without a name"),
        ("missing", "array poke_init_out is missing"),
        ("shape", "array poke_init_out has shape (2, 3, 4)"),
        ("text", "must hold finite numbers"),
    ],
)
def test_damaged_inputs_are_named(damage: str, named: str, tmp_path: Path) -> None:
    path = tmp_path / "inputs.npz"
    config = small_config(stages=((1, 8, 1),))
    shape = (2, *config.init_out_shape)
    with path.open("wb") as stream:
        if damage == "garbage":
            stream.write(b"PK\x03\x04" + bytes(range(200)))
        elif damage == "unnamed":
            np.save(stream, np.zeros(shape))
        elif damage == "missing":
            np.savez(stream, other=np.zeros(3))
        elif damage == "shape":
            np.savez(stream, poke_init_out=np.zeros((2, 3, 4)))
        elif damage == "text":
            np.savez(stream, poke_init_out=np.full(shape, "x"))
    with pytest.raises(FlowError) as raised:
        recorded_inputs(path, config)
    assert named in str(raised.value)
    assert str(path) in str(raised.value)


def test_recorded_inputs_are_read(tmp_path: Path) -> None:
    config = small_config(stages=((1, 8, 1),))
    np.savez(tmp_path / "inputs.npz", poke_init_out=np.ones((2, *config.init_out_shape)))
    (found,) = recorded_inputs(tmp_path / "inputs.npz", config)
    assert found.dtype == np.float32
    assert found.shape == (2, *config.init_out_shape)
