"""The shipped CIFAR-10 network through the RTL of sim-small; `make sim` runs the Fashion-MNIST one."""

from __future__ import annotations

from pathlib import Path

from hwflow.compiler.lower import lower
from hwflow.paths import MODELS
from models.checkpoint import load_checkpoint
from models.integer.params import IntegerNetwork
from models.synthetic import photo_images
from sim.network import simulate
from tests.sim.configs import SMALL

FOLDER = MODELS / "trained" / "cifar10-small"
IMAGES = 2


def test_cifar10_small_equals_the_integer_network(tmp_path: Path) -> None:
    network = IntegerNetwork.load(FOLDER / "cifar10-small.network")
    images = photo_images(0, IMAGES, network.image_shape)
    result = simulate(lower(network, SMALL), images, folder=tmp_path, network=network)
    assert len(result.frames) == IMAGES
    assert result.passed


def test_the_integer_network_is_that_of_the_checkpoint() -> None:
    config, _ = load_checkpoint(FOLDER)
    network = IntegerNetwork.load(FOLDER / "cifar10-small.network")
    assert (network.name, network.image_shape, network.classes) == (
        config.name,
        config.image_shape,
        config.classes,
    )
