"""Networks whose stored elements are narrower than 16 bits (docs/numerics.md, grids)."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwflow import numerics
from hwflow.cli.network import integer_network
from hwflow.errors import FlowError
from hwflow.paths import CALIBRATION, MODELS
from models.integer import layers
from models.integer.export import export_network
from models.integer.network import map_images
from models.integer.params import IntegerNetwork
from models.integer.random import random_images, random_network, small_config

TRAINED = MODELS / "trained"
STRIDED = small_config(image=(16, 16, 1), stages=((1, 8, 1), (1, 32, 2)))


def stored(network: IntegerNetwork, seed: int) -> list[np.ndarray[Any, Any]]:
    """Every stored tensor of two images but PokeInit's first."""
    images = random_images(seed, 2, network.image_shape)
    found = layers.forward(network, map_images(network, images))
    return [found.init[1].y, *(conv.y for conv in found.convs)]


@pytest.mark.parametrize("bits", [8, 12])
def test_a_random_network_fills_its_width(bits: int, tmp_path: Path) -> None:
    network = random_network(3, STRIDED, bits)
    assert network.residual_bits == bits
    lo, hi = numerics.signed_range(bits)
    tensors = stored(network, 4)
    assert all(lo <= y.min() and y.max() <= hi for y in tensors)
    assert max(int(np.abs(y).max()) for y in tensors) > hi // 2
    path = tmp_path / "narrow.network"
    network.save(path)
    assert IntegerNetwork.load(path).residual_bits == bits
    assert network.content_hash() != random_network(3, STRIDED).content_hash()


def test_a_narrow_mean_keeps_what_sixteen_bits_hold() -> None:
    """An s8 sum over 256 pixels is shifted by nothing, an s16 one by 8."""
    shifts = {b: random_network(3, STRIDED, b).convs[0].se.mean.acc_shift for b in (8, 12, 16)}
    assert shifts == {8: 0, 12: 2, 16: 6}


def test_one_layer_of_another_width_is_refused() -> None:
    network = random_network(3, STRIDED, 12)
    conv = network.convs[1]
    wider = dataclasses.replace(conv, vector=dataclasses.replace(conv.vector, out_bits=16))
    convs = (network.convs[0], wider, *network.convs[2:])
    with pytest.raises(FlowError, match=r"resblock0-2: out_bits is 16, expected 12"):
        dataclasses.replace(network, convs=convs).validate()


@pytest.mark.parametrize("bits", [7, 17])
def test_a_width_beyond_the_bounds_is_refused(bits: int) -> None:
    network = random_network(3, STRIDED)
    first, second = network.init
    other = dataclasses.replace(second, vector=dataclasses.replace(second.vector, out_bits=bits))
    with pytest.raises(FlowError, match=rf"residual_bits is {bits}, expected 8\.\.16"):
        dataclasses.replace(network, init=(first, other)).validate()
    images = np.zeros((1, *STRIDED.image_shape), np.uint8)
    with pytest.raises(FlowError, match=rf"stored elements of {bits} bits: expected 8\.\.16"):
        export_network(STRIDED, {}, images, residual_bits=bits)


@pytest.mark.parametrize("name", ["fmnist-tiny", "fmnist-small"])
def test_measured_accuracies_are_whole(name: str) -> None:
    found = json.loads((TRAINED / name / "residual-bits.json").read_text())
    assert (found["network"], found["evidence"], found["images"]) == (name, "integer", 10_000)
    rows = {row["residual_bits"]: row for row in found["widths"]}
    assert list(rows) == list(numerics.RESIDUAL_BITS)
    assert rows[16]["top1"] > rows[8]["top1"]


@pytest.mark.slow
def test_the_measured_network_is_the_one_quantised_today() -> None:
    found = json.loads((TRAINED / "fmnist-tiny" / "residual-bits.json").read_text())
    row = next(row for row in found["widths"] if row["residual_bits"] == 12)
    network = integer_network(TRAINED / "fmnist-tiny", CALIBRATION, residual_bits=12)
    assert network.content_hash() == row["sha256"]
