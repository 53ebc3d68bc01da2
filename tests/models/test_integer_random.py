"""The random networks are what their users rely on: repeatable, balanced, with planted cases."""

from __future__ import annotations

import numpy as np
import pytest

from hwflow.errors import FlowError
from models.config import PokeBNNConfig
from models.integer import layers, network
from models.integer.random import random_images, random_network, small_config

CONFIGS = [
    small_config(),
    small_config(image=(14, 10, 3), init_kernel=2, stages=((2, 9, 1), (1, 13, 2), (1, 24, 2))),
    small_config(image=(8, 8, 1), init_stride=4, stages=((1, 8, 2), (1, 13, 2))),
]


def test_same_seed_same_network() -> None:
    assert random_network(5).content_hash() == random_network(5).content_hash()
    assert random_network(5).content_hash() != random_network(6).content_hash()


@pytest.mark.parametrize("config", CONFIGS)
def test_signs_are_balanced_and_few_values_saturate(config: PokeBNNConfig) -> None:
    for seed in range(4):
        net = random_network(seed, config)
        images = random_images(seed + 9, 16, net.image_shape)
        trace = layers.forward(net, network.map_images(net, images))
        for layer, found in zip(net.convs, trace.convs, strict=True):
            assert 0.25 < np.mean(found.y >= 0) < 0.75, layer.name
            saturated = np.sum(found.t_saturated) + np.sum(found.y_saturated)
            assert saturated < 0.05 * found.y.size, layer.name
            assert np.unique(found.scale).size > 4, layer.name
        assert len(np.unique(trace.logits)) > net.classes


def test_planted_cases() -> None:
    net = random_network(2)
    images = random_images(3, 4, net.image_shape)
    trace = layers.forward(net, network.map_images(net, images))
    for layer, found in zip(net.convs, trace.convs, strict=True):
        vector = layer.vector
        assert np.any(vector.alpha == 0) and np.any(vector.alpha < 0), layer.name
        assert np.any(np.all(found.y == 0, axis=(0, 1, 2))), layer.name
    assert any(np.any(layer.vector.pos < 0) for layer in net.convs)
    assert any(np.any(layer.vector.neg < 0) for layer in net.convs)


def test_kernel_must_be_a_multiple_of_the_stride() -> None:
    with pytest.raises(FlowError, match="kernel 3 is not a multiple of its stride 2"):
        random_network(0, small_config(init_kernel=3))


def test_a_long_shortcut_wider_than_its_output_is_refused() -> None:
    with pytest.raises(FlowError, match="the long shortcut has 64 channels and the output 32"):
        random_network(0, small_config(init_out=64))
