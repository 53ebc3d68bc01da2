"""PokeBNNConfig: shapes, presets, JSON."""

import dataclasses
import json
from pathlib import Path

import pytest

from hwflow.errors import FlowError
from hwflow.numerics import same_padding
from models.config import FMNIST_SMALL, PRESETS, PokeBNNConfig, StageConfig, preset

# 1-bit weights of each width, from the published reference's own size statistics.
ONE_BIT_WEIGHTS = {
    0.5: 5_170_176,
    0.75: 11_631_360,
    1.0: 20_676_608,
    1.25: 32_305_920,
    1.5: 46_519_296,
    1.75: 63_316_736,
    2.0: 82_698_240,
}


@pytest.mark.parametrize(("width", "weights"), ONE_BIT_WEIGHTS.items())
def test_binary_weights_match_publication(width: float, weights: int) -> None:
    specs = preset(f"pokebnn-{width}x").poke_convs()
    assert len(specs) == 48
    assert sum(s.kernel**2 * s.in_shape[2] * s.out_shape[2] for s in specs) == weights


def test_imagenet_shapes() -> None:
    config = preset("pokebnn-1.0x")
    specs = {spec.name: spec for spec in config.poke_convs()}
    assert config.init_shape == (56, 56, 32)
    assert config.init_out_shape == (56, 56, 64)
    assert specs["resblock0-1"].in_shape == (56, 56, 64)
    assert specs["resblock3-2"].stride == 2
    assert specs["resblock3-3"].r1_shape == (56, 56, 256)
    assert specs["resblock15-3"].out_shape == (7, 7, 2048)
    assert specs["resblock15-3"].dprelu_index == 49
    assert specs["resblock0-2"].r1_shape is None
    assert config.features == 2048


def test_fashion_mnist_shapes() -> None:
    shapes = [spec.out_shape for spec in FMNIST_SMALL.poke_convs() if spec.j == 3]
    assert FMNIST_SMALL.init_out_shape == (13, 13, 64)
    assert shapes == [
        (13, 13, 128),
        (13, 13, 128),
        (7, 7, 256),
        (7, 7, 256),
        (4, 4, 512),
        (4, 4, 512),
    ]


def test_same_padding_of_even_and_odd_sizes() -> None:
    assert same_padding(56, 3, 2) == (28, 0, 1)
    assert same_padding(13, 3, 2) == (7, 1, 1)
    assert same_padding(14, 3, 1) == (14, 1, 1)
    assert same_padding(5, 1, 1) == (5, 0, 0)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_json_round_trip(name: str) -> None:
    text = PRESETS[name].to_json()
    assert PokeBNNConfig.from_json(text) == PRESETS[name]
    assert PokeBNNConfig.from_json(text).to_json() == text


def test_errors_name_the_field() -> None:
    values = json.loads(FMNIST_SMALL.to_json())
    with pytest.raises(FlowError, match="colour"):
        PokeBNNConfig.from_dict({**values, "colour": 1})
    with pytest.raises(FlowError, match="'classes' is missing"):
        PokeBNNConfig.from_dict({k: v for k, v in values.items() if k != "classes"})
    with pytest.raises(FlowError, match="classes=1"):
        dataclasses.replace(FMNIST_SMALL, classes=1)
    with pytest.raises(FlowError, match="stride=3"):
        StageConfig(blocks=1, base_width=64, stride=3)
    for field, value, message in (
        ("classes", "ten", "classes='ten': expected an integer"),
        ("classes", 10.5, "classes=10.5: expected an integer"),
        ("classes", True, "classes=True: expected an integer"),
        ("width", float("inf"), "width=inf: expected finite"),
        ("width", float("nan"), "width=nan: expected finite"),
        ("width", "wide", "width='wide': expected finite"),
        ("init_out", 0, "init_out=0: expected a multiple"),
        ("image_size", [], "image_size=.*two integers"),
        ("image_size", [28], "image_size=.*two integers"),
        ("image_size", [28, 28, 1], "image_size=.*two integers"),
        ("image_size", 28, "wrong type"),
        ("mean", ["a"], "mean=.*finite"),
        ("name", 5, "name=5: expected a text"),
        ("stages", None, "wrong type"),
        ("stages", [[1, 2, 1]], "wrong type"),
        ("stages", [{"blocks": 1.5, "base_width": 64, "stride": 1}], "blocks=1.5"),
        ("stages", [{"blocks": "1", "base_width": 64, "stride": 1}], "blocks=1"),
    ):
        with pytest.raises(FlowError, match=message):
            PokeBNNConfig.from_dict({**values, field: value})
    with pytest.raises(FlowError, match="not JSON"):
        PokeBNNConfig.from_json("{")
    with pytest.raises(FlowError, match="fmnist-small"):
        preset("nothing")


def test_a_bad_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    for data in (b"\xff\xfe", b"{", b"[]", b"{}"):
        path.write_bytes(data)
        with pytest.raises(FlowError, match=r"config\.json: "):
            PokeBNNConfig.load(path)
    path.write_text(FMNIST_SMALL.to_json())
    assert PokeBNNConfig.load(path) == FMNIST_SMALL
