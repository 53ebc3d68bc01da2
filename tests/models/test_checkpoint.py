"""Saving and loading trained networks, and the forward pass that records intermediate results."""

from pathlib import Path
from typing import Any

import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from hwflow.errors import FlowError
from models.checkpoint import (
    ARRAYS,
    CONFIG,
    expected_shapes,
    load_checkpoint,
    save_checkpoint,
)
from models.config import PokeBNNConfig, StageConfig
from models.float import Mode, PokeBNN
from models.float.forward import forward

TINY = PokeBNNConfig(
    name="tiny",
    image_size=(8, 8),
    image_channels=1,
    classes=3,
    width=0.125,
    stages=(StageConfig(blocks=1, base_width=64, stride=2),),
    init_stride=1,
    mean=(0.3,),
    std=(0.4,),
)
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1), np.uint8)


@pytest.fixture(scope="module")
def variables() -> Any:
    model = PokeBNN(TINY, Mode(dtype=jnp.float32))
    values = jax.jit(model.init)(jax.random.key(3), jnp.zeros((1, 8, 8, 1)))
    rng = np.random.default_rng(5)
    for part in values["get_bounds"].values():
        bounds = part["GetBounds_0"]["bounds"]
        part["GetBounds_0"]["bounds"] = jnp.asarray(rng.uniform(1, 3, bounds.shape), jnp.float32)
    return values


@pytest.fixture
def folder(tmp_path: Path, variables: Any) -> Path:
    save_checkpoint(tmp_path / "net", TINY, variables)
    return tmp_path / "net"


def test_round_trip_keeps_every_inference_result(folder: Path, variables: Any) -> None:
    config, loaded = load_checkpoint(folder)
    assert config == TINY
    assert set(flatten_dict(loaded, sep="/")) == set(expected_shapes(TINY))
    assert load_checkpoint(folder / ARRAYS)[0] == TINY
    before = forward(TINY, variables, IMAGES)
    after = forward(config, loaded, IMAGES)
    np.testing.assert_array_equal(before.logits, after.logits)


def test_same_network_same_bytes(folder: Path, tmp_path: Path) -> None:
    config, loaded = load_checkpoint(folder)
    save_checkpoint(tmp_path / "again", config, loaded)
    for name in (ARRAYS, CONFIG):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    assert sorted(p.name for p in folder.iterdir()) == [ARRAYS, CONFIG]


def test_forward_records_consistent_intermediates(folder: Path) -> None:
    config, loaded = load_checkpoint(folder)
    result = forward(config, loaded, IMAGES)
    assert list(result.poke_convs) == [spec.name for spec in config.poke_convs()]
    r = result.poke_init
    for spec in config.poke_convs():
        found = result.poke_convs[spec.name]
        np.testing.assert_array_equal(found.r, r)
        assert found.sum.shape == found.output.shape == (2, *spec.out_shape)
        assert found.sum.dtype == np.int32
        assert np.abs(found.sum).max() <= spec.kernel**2 * spec.in_shape[2]
        assert found.se.shape == (2, 1, 1, spec.out_shape[2])
        assert found.se.min() >= 0
        assert found.se.max() <= 1
        r = found.output
    assert result.logits.shape == (2, 3)


def test_binary_sum_equals_integer_arithmetic(folder: Path) -> None:
    config, loaded = load_checkpoint(folder)
    found = forward(config, loaded, IMAGES).poke_convs["resblock0-1"]
    w = loaded["params"]["conv-resblock0-1"]["kernel"][0, 0]
    signs = np.where(found.r >= 0, 1, -1) @ np.where(w >= 0, 1, -1)
    np.testing.assert_array_equal(found.sum, signs)


def test_bfloat16_forward_rounds_every_stored_value(folder: Path) -> None:
    config, loaded = load_checkpoint(folder)
    result = forward(config, loaded, IMAGES, jnp.bfloat16, exact=True)
    for found in result.poke_convs.values():
        rounded = np.asarray(jnp.asarray(found.output, jnp.bfloat16), np.float32)
        np.testing.assert_array_equal(found.output, rounded)


def test_images_must_fit(folder: Path) -> None:
    config, loaded = load_checkpoint(folder)
    with pytest.raises(FlowError, match=r"needs uint8 \(8, 8, 1\)"):
        forward(config, loaded, IMAGES[:, :7])


def test_missing_file(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(FlowError, match="not found"):
        load_checkpoint(tmp_path / "absent")
    (folder / CONFIG).unlink()
    with pytest.raises(FlowError, match=CONFIG):
        load_checkpoint(folder)


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_truncated_file(folder: Path, keep: int) -> None:
    path = folder / ARRAYS
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(FlowError, match=ARRAYS):
        load_checkpoint(folder)


def test_bad_array_is_named(folder: Path) -> None:
    path = folder / ARRAYS
    original = path.read_bytes()

    def rewrite(value: Any) -> None:
        arrays = flax.serialization.msgpack_restore(original)
        arrays["params"]["DPReLU_3"]["bias_x"] = value
        if value is None:
            del arrays["params"]["DPReLU_3"]["bias_x"]
        path.write_bytes(flax.serialization.msgpack_serialize(arrays))

    for value, message in (
        (None, "is missing"),
        (np.zeros(5, np.float32), "has shape"),
        (np.full(8, np.nan, np.float32), "NaN"),
    ):
        rewrite(value)
        with pytest.raises(FlowError, match=f"params/DPReLU_3/bias_x.*{message}"):
            load_checkpoint(folder)


def test_wrong_configuration_is_named(folder: Path) -> None:
    text = (folder / CONFIG).read_text().replace('"classes": 3', '"classes": 4')
    (folder / CONFIG).write_text(text)
    with pytest.raises(FlowError, match="DenseAqt_0"):
        load_checkpoint(folder)
