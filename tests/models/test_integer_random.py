"""The random networks are what their users rely on: repeatable, balanced, with planted cases."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from hwflow.errors import FlowError
from models.config import PokeBNNConfig
from models.integer import layers, network
from models.integer.random import (
    CHECK_IMAGES,
    SAMPLE_IMAGES,
    random_images,
    random_network,
    reported_network,
    small_config,
)
from models.integer.random_report import LIMITS
from models.synthetic import photo_images

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


def test_a_long_shortcut_wider_than_its_output_is_averaged() -> None:
    net = random_network(0, small_config(init_out=64))
    conv = net.convs[2]
    assert (conv.long_channels, conv.out_shape[2]) == (64, 32)
    x = np.random.default_rng(0).integers(-(1 << 15), 1 << 15, (2, 5, 5, 64)).astype(np.int32)
    found = layers.long_shortcut(conv, x)
    np.testing.assert_array_equal(found, (x[..., ::2] + x[..., 1::2] + 1) >> 1)


def test_reported_network() -> None:
    config = small_config(image=(28, 28, 3))
    net, report = reported_network(3, config)
    again, _ = reported_network(3, config)
    assert report.sha256 == net.content_hash() == again.content_hash()
    assert [layer.name for layer in report.layers] == [
        layer.name for layer in (*net.init, *net.convs)
    ]
    images = photo_images(3, SAMPLE_IMAGES + CHECK_IMAGES, net.image_shape)[SAMPLE_IMAGES:]
    trace = layers.forward(net, network.map_images(net, images))
    for found, wanted in zip(trace.convs, report.layers[2:], strict=True):
        assert wanted.ones == pytest.approx(np.mean(found.y >= 0))
        assert wanted.se_zero == np.mean(found.scale == 0)
        assert wanted.y_saturated == found.y_saturated.sum() / found.y.size


def test_every_limit_is_reported_when_missed() -> None:
    _, report = reported_network(3, small_config(image=(28, 28, 3)))
    layer = report.layers[-1]
    assert not layer.missed()
    for name, (least, most) in LIMITS.items():
        for value in (least - 0.001, most + 0.001):
            lines = dataclasses.replace(layer, **{name: value}).missed()
            assert len(lines) == 1
            assert lines[0].startswith(f"{layer.name}: {name} is ")


def test_photo_images() -> None:
    images = photo_images(1, 3, (64, 48, 3))
    assert np.array_equal(images[:2], photo_images(1, 2, (64, 48, 3)))
    assert not np.array_equal(images, photo_images(2, 3, (64, 48, 3)))
    for image in images.astype(np.float64):
        assert 20 < image.std() < 80
        near = np.corrcoef(image[:, :-1].ravel(), image[:, 1:].ravel())[0, 1]
        colours = np.corrcoef(image[..., 0].ravel(), image[..., 1].ravel())[0, 1]
        assert near > 0.8 and colours > 0.5


@pytest.mark.parametrize("limit", [1, 127])
def test_products_are_exact_in_either_precision(limit: int) -> None:
    rng = np.random.default_rng(limit)
    x = rng.integers(-limit, limit + 1, (3, 1100)).astype(np.int8)
    w = rng.integers(-limit, limit + 1, (1100, 5)).astype(np.int8)
    assert np.array_equal(layers.dot(x, w), x.astype(np.int64) @ w.astype(np.int64))
    x[:], w[:] = limit, limit
    w[0] -= 1
    assert np.array_equal(layers.dot(x, w), x.astype(np.int64) @ w.astype(np.int64))
