"""Which operation is named when one of them is made worse than the others."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hwflow.cli.blame import recorded_inputs
from hwflow.errors import FlowError
from models.float import Mode, PokeBNN
from models.integer.blame import block_blame
from models.integer.calibrate import set_missing_bounds
from models.integer.compare import to_grid
from models.integer.export import export_network
from models.integer.random import random_images, small_config

CONFIG = small_config(image=(12, 12, 2), init_out=16, stages=((1, 16, 1),), classes=4)
IMAGES = random_images(3, 8, CONFIG.image_shape)


def test_a_wrong_squeeze_and_excite_is_named() -> None:
    model = PokeBNN(CONFIG, Mode(dtype=jnp.float32))
    image = jnp.zeros((1, *CONFIG.image_shape))
    start = jax.jit(model.init)(jax.random.key(1), image)
    variables = set_missing_bounds(CONFIG, start, IMAGES)
    network = export_network(CONFIG, variables, IMAGES)
    x = np.random.default_rng(0).normal(0, 1, (4, *CONFIG.init_out_shape)).astype(np.float32)
    good = block_blame(network, CONFIG, variables, 0, x)
    assert list(good.layers) == [conv.name for conv in network.convs]
    assert good.layers["resblock0-3"] == good.forced
    last = network.convs[-1]
    fc2 = dataclasses.replace(last.se.fc2, beta=last.se.fc2.beta // 2)
    wrong = dataclasses.replace(last, se=dataclasses.replace(last.se, fc2=fc2))
    convs = (*network.convs[:-1], wrong)
    bad = block_blame(dataclasses.replace(network, convs=convs), CONFIG, variables, 0, x)
    assert bad.forced.snr_db < good.forced.snr_db - 10
    assert bad.float_se == good.float_se
    assert bad.operation == "squeeze-and-excite"


def test_a_forced_value_keeps_its_sign() -> None:
    x = np.array([-1e-9, 0.0, -0.0, 1e-9, -0.3, 0.3, 99.0, -99.0], np.float32)
    assert to_grid(x, 10, 16).tolist() == [-1, 0, 0, 0, -307, 307, 32767, -32768]


def test_recorded_inputs(tmp_path: Path) -> None:
    path = tmp_path / "inputs.npz"
    with pytest.raises(FlowError, match="not found"):
        recorded_inputs(path, CONFIG)
    np.savez(path, poke_init_out=np.zeros((2, 3, 3, 16), np.float32))
    with pytest.raises(FlowError, match="poke_init_out has"):
        recorded_inputs(path, CONFIG)
    shape = CONFIG.init_out_shape
    np.savez(path, poke_init_out=np.ones((2, *shape), np.float32))
    assert recorded_inputs(path, CONFIG)[0].shape == (2, *shape)
