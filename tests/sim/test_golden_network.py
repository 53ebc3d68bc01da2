"""The reference implementation's network, from its checkpoint to the RTL: every stored bit, every cycle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import flax.serialization
import ml_dtypes
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from hwflow.compiler.lower import lower
from hwflow.config import AcceleratorConfig, load_target
from hwflow.emulator.run import emulate_program
from models.aqt.load import import_checkpoint
from models.integer import layers
from models.integer.export import export_network
from models.integer.network import map_images
from models.integer.params import IntegerNetwork
from sim.network import simulate

GOLDEN = Path(__file__).parents[1] / "models" / "golden" / "network.npz"
CALIBRATION_IMAGES = 32
SMALL = replace(load_target("sim-small"), name="t4x16x32", byte_rows=260)
"""The shipped target has 256 rows for the image and PokeInit's first output."""
Images = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


def pixels(x: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...]) -> Images:
    """Images whose normalisation is about x (N, H, W, 3)."""
    levels = np.floor(255 * (x * np.asarray(std) + np.asarray(mean)) + 0.5)
    return np.clip(levels, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def network_and_images(tmp_path_factory: pytest.TempPathFactory) -> tuple[IntegerNetwork, Images]:
    """Imported from a msgpack file of the old layout; exponents from noise, the images are golden."""
    with np.load(GOLDEN) as stored:
        arrays = {
            name: array.view(ml_dtypes.bfloat16) if array.dtype == np.uint16 else array
            for name, array in stored.items()
        }
    golden = arrays["io/input"].astype(np.float32)
    tree = unflatten_dict(arrays, sep="/")
    state = {"batch_stats": tree["batch_stats"], "get_bounds": tree["get_bounds"]}
    path = tmp_path_factory.mktemp("aqt") / "checkpoint_1"
    path.write_bytes(
        flax.serialization.msgpack_serialize(
            {"optimizer": {"target": tree["params"]}, "model_state": state}
        )
    )
    found = import_checkpoint(path, name="golden", image_size=(64, 64))
    config = found.config
    assert (config.width, config.classes, config.blocks) == (0.125, 10, 16)
    noise = np.random.default_rng(7).normal(0, 1, (CALIBRATION_IMAGES, *config.image_shape))
    calibration = pixels(noise, config.mean, config.std)
    network = export_network(config, found.variables, calibration, se_weight_bits=8)
    return network, pixels(golden, config.mean, config.std)[:2]


@pytest.mark.slow
@pytest.mark.parametrize("config", [SMALL, load_target("zu7ev")], ids=lambda config: config.name)
def test_emulator(
    network_and_images: tuple[IntegerNetwork, Images], config: AcceleratorConfig
) -> None:
    network, images = network_and_images
    wanted = layers.forward(network, map_images(network, images))
    found = emulate_program(lower(network, config), images)
    for number, expected in enumerate((*wanted.init, *wanted.convs)):
        np.testing.assert_array_equal(found.layers[number].y, expected.y, f"layer {number}")
    np.testing.assert_array_equal(found.logits, wanted.logits)


@pytest.mark.slow
def test_rtl(network_and_images: tuple[IntegerNetwork, Images], tmp_path: Path) -> None:
    network, images = network_and_images
    program = lower(network, SMALL)
    result = simulate(program, images, folder=tmp_path, network=network, trace=True)
    assert result.difference is None, f"{result.difference.describe()}\n{result.replay_command()}"
    assert result.mismatches == ()
    assert result.passed
    assert result.predicted is not None
    assert {frame.cycles for frame in result.frames} == {result.predicted.total}
