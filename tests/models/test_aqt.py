"""Import of the reference implementation's checkpoints, in the forms that Flax and Orbax write."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.serialization
import numpy as np
import pytest
from flax.training import checkpoints
from flax.traverse_util import flatten_dict, unflatten_dict
from typer.testing import CliRunner

from hwflow.cli.main import app
from hwflow.errors import FlowError
from models.aqt.architecture import block_widths, infer_config, stages
from models.aqt.load import import_checkpoint
from models.checkpoint import expected_shapes, load_checkpoint
from models.config import IMAGENET_STAGES, PRESETS, PokeBNNConfig, StageConfig

Tree = dict[str, Any]
CONFIG = PokeBNNConfig(
    name="small",
    image_size=(16, 16),
    image_channels=3,
    classes=5,
    width=0.125,
    stages=(
        StageConfig(blocks=2, base_width=64, stride=1),
        StageConfig(blocks=1, base_width=128, stride=2),
    ),
    bounds="per_channel",
)
STEP = 125000


def arrays() -> dict[str, np.ndarray]:
    """All inference arrays by path, and what a train state has besides."""
    rng = np.random.default_rng(0)
    found = {
        name: rng.uniform(0.1, 1, shape).astype(np.float32)
        for name, shape in expected_shapes(CONFIG).items()
    }
    for spec in CONFIG.poke_convs():
        bounds = f"get_bounds/{spec.conv_name}/GetBounds_0"
        found[f"{bounds}/bounds"] = np.full((1, 1, 1, spec.in_shape[2]), 3, np.float32)
        found[f"{bounds}/stats/n"] = np.asarray(7, np.int32)
        found[f"{bounds}/stats/mean_abs"] = np.ones((1, 1, 1, spec.in_shape[2]), np.float32)
    return found


def nested(found: dict[str, np.ndarray], collection: str) -> Tree:
    start = f"{collection}/"
    kept = {k.removeprefix(start): v for k, v in found.items() if k.startswith(start)}
    return unflatten_dict(kept, sep="/")


def train_state(found: dict[str, np.ndarray], *, optimizer: bool = True) -> Tree:
    params = nested(found, "params")
    state = ({"mu": params, "nu": params},) if optimizer else ()
    mutable = {name: nested(found, name) for name in ("batch_stats", "get_bounds")}
    return {
        "step": STEP,
        "params": params,
        "mutable_vars": mutable,
        "opt_state": state,
        "dynamic_scale": None,
    }


def old_state(found: dict[str, np.ndarray]) -> Tree:
    params = nested(found, "params")
    states = {name: nested(found, name) for name in ("batch_stats", "get_bounds")}
    axes = {"init_conv": {"kernel_axes": np.zeros(4, np.int32)}}
    return {
        "optimizer": {"target": params, "state": {"step": STEP, "param_states": params}},
        "model_state": {**states, "params_axes": axes},
    }


def save(folder: Path, tree: Tree, *, orbax: bool) -> Path:
    if orbax:
        path = Path(checkpoints.save_checkpoint(folder, tree, STEP, overwrite=True))
        assert path.is_dir()
    else:
        # What save_checkpoint did before Orbax; today it warns instead.
        path = folder / f"checkpoint_{STEP}"
        path.write_bytes(flax.serialization.to_bytes(tree))
    return path


FORMS: dict[str, Callable[[Path, dict[str, np.ndarray]], Path]] = {
    "msgpack": lambda folder, found: save(folder, train_state(found), orbax=False),
    "no-optimizer": lambda folder, found: save(
        folder, train_state(found, optimizer=False), orbax=False
    ),
    "orbax": lambda folder, found: save(folder, train_state(found), orbax=True),
    "old": lambda folder, found: save(folder, old_state(found), orbax=False),
    "old-orbax": lambda folder, found: save(folder, old_state(found), orbax=True),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_network(form: str, tmp_path: Path) -> None:
    found = arrays()
    path = FORMS[form](tmp_path, found)
    for named in (path, tmp_path):
        imported = import_checkpoint(named, name="small", image_size=(16, 16))
        assert imported.config == CONFIG
        variables = flatten_dict(imported.variables, sep="/")
        assert set(variables) == set(expected_shapes(CONFIG))
        for name, array in variables.items():
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, found[name], name)


def test_the_command_writes_a_checkpoint_folder(tmp_path: Path) -> None:
    path = FORMS["msgpack"](tmp_path, arrays())
    out = tmp_path / "imported"
    given = ["import-aqt", str(path), "--out", str(out), "--image-size", "16", "--json"]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output
    values = json.loads(done.stdout)
    assert (values["width"], values["channels"], values["classes"]) == (0.125, [8, 16], 5)
    config, variables = load_checkpoint(out)
    assert config == dataclasses.replace(CONFIG, name="imported")
    kernel = variables["params"]["init_conv"]["kernel"]
    np.testing.assert_allclose(kernel, arrays()["params/init_conv/kernel"], rtol=2**-8)


def test_every_problem_is_named(tmp_path: Path) -> None:
    found = arrays()
    del found["params/bnresblock0-2/bias"]
    del found["get_bounds/DenseAqt_0/GetBounds_0/bounds"]
    found["params/conv-resblock1-3/kernel"] = np.ones((1, 1, 8, 31), np.float32)
    found["batch_stats/init_bn/var"][3] = np.nan
    found["params/extra/kernel"] = np.ones(3, np.float32)
    found["get_bounds/conv-resblock2-1/GetBounds_0/bounds"][..., 0] = 2.5
    found["params/init_bn/bias"] = np.ones(32, np.uint16)
    path = FORMS["msgpack"](tmp_path, found)
    with pytest.raises(FlowError) as error:
        import_checkpoint(path, name="small", image_size=(16, 16))
    text = str(error.value)
    assert text.startswith(f"{path}: 7 problems with the arrays of a network of width 0.125")
    for named in (
        "params/bnresblock0-2/bias is missing, expected shape (8,)",
        "get_bounds/DenseAqt_0/GetBounds_0/bounds is missing, expected shape (1, 64)",
        "params/conv-resblock1-3/kernel has shape (1, 1, 8, 31), expected (1, 1, 8, 32)",
        "batch_stats/init_bn/var holds NaN",
        "params/init_bn/bias holds uint16, expected floating-point numbers",
        "params/extra/kernel is not expected",
        "get_bounds/conv-resblock2-1/GetBounds_0/bounds is not 3.0 everywhere",
    ):
        assert named in text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "not found"),
        (lambda path: path.mkdir(), "no checkpoint"),
        (lambda path: path.write_bytes(b"\x93\x01"), "damaged or no msgpack"),
        (lambda path: path.write_bytes(b"\x81\xa1a\x01"), "no arrays of a residual block"),
        (lambda path: (path.mkdir(), (path / "_METADATA").write_text("{")), "damaged or no Orbax"),
        (lambda path: (path.mkdir(), (path / "_METADATA").write_text("{}")), "holds no arrays"),
        (lambda path: (path.mkdir(), (path / "checkpoint").touch()), "holds no arrays"),
    ],
)
def test_what_is_no_checkpoint(make: Callable[[Path], Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint_1"
    make(path)
    with pytest.raises(FlowError, match=message) as error:
        import_checkpoint(path, name="small", image_size=(16, 16))
    assert str(error.value).startswith(str(path))


def test_a_missing_block_is_named(tmp_path: Path) -> None:
    found = {name: array for name, array in arrays().items() if "resblock1-" not in name}
    path = FORMS["msgpack"](tmp_path, found)
    with pytest.raises(FlowError, match="all arrays of block 1 are missing"):
        import_checkpoint(path, name="small", image_size=(16, 16))


@pytest.mark.parametrize("name", ["pokebnn-0.75x", "pokebnn-1.4x", "pokebnn-2.0x"])
def test_the_family_is_recognised(name: str) -> None:
    preset = dataclasses.replace(PRESETS[name], bounds="per_channel")
    shapes = {key: np.empty(shape, np.bool_) for key, shape in expected_shapes(preset).items()}
    assert infer_config(shapes, name, (224, 224), None) == preset


def test_widths_of_no_multiplier() -> None:
    width, runs = stages([20, 20, 33])
    assert width == 1.0
    assert [(s.blocks, s.base_width, s.stride) for s in runs] == [(2, 20, 1), (1, 33, 2)]
    assert stages([8] * 3 + [16] * 4 + [32] * 6 + [64] * 3) == (0.125, IMAGENET_STAGES)


def test_one_wrong_array_does_not_change_the_architecture() -> None:
    found = arrays()
    found["params/conv-resblock1-1/kernel"] = np.ones((1, 1, 32, 9), np.float32)
    assert block_widths(found) == [8, 8, 16]
