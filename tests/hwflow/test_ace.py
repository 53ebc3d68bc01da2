"""ACE by tracing, against the figures that the reference implementation printed."""

from __future__ import annotations

import json

import pytest

from hwflow.ace import AceReport, count
from hwflow.ace.counts import ELEMENTWISE
from models.config import IMAGENET_STAGES, PRESETS, PokeBNNConfig

# Width multiplier: conv ACE, dense ACE, 1-, 4- and 8-bit weights, parameters (224x224, 1000 classes).
REFERENCE = {
    0.5: (1344002048, 65536000, 5170176, 908672, 1026112, 7209784),
    0.75: (2489315840, 98304000, 11631360, 2043680, 1538112, 15369596),
    1.0: (4091469824, 131072000, 20676608, 3632640, 2050112, 26567424),
    1.25: (6150464000, 163840000, 32305920, 5675552, 2562112, 40803268),
    1.5: (8666298368, 196608000, 46519296, 8172416, 3074112, 58077128),
    1.75: (11638972928, 229376000, 63316736, 11123232, 3586112, 78389004),
    2.0: (15068487680, 262144000, 82698240, 14528000, 4098112, 101738896),
}

ELEMENTWISE_1X = {
    "batch_norm": 17912832,
    "dprelu": 9106944,
    "channel_average_add": 5419008,
    "channel_average_multiply": 1705984,
    "average_pool": 7902720,
    "long_shortcut": 5519360,
    "local_shortcut": 8805888,
    "se_pool_add": 8906240,
    "se_pool_multiply": 20672,
    "se_relu": 2584,
    "se_relu6": 22656,
    "se_multiply": 8805888,
    "last_mean": 100352,
}

# What the reference printed for m = 0.125, 10 classes, 64x64 images.
GOLDEN = {
    "batch_norm": 204288,
    "dprelu": 114432,
    "channel_average_add": 88064,
    "channel_average_multiply": 27648,
    "average_pool": 80640,
    "long_shortcut": 56320,
    "local_shortcut": 89856,
    "se_pool_add": 105216,
    "se_pool_multiply": 2640,
    "se_relu": 330,
    "se_relu6": 2832,
    "se_multiply": 89856,
    "last_mean": 1024,
}
GOLDEN_LAYERS = {
    "init_conv": 25165824,
    "init_conv_group": 9437184,
    "conv-resblock0-1": 131072,
    "sefc1-resblock0-1": 8192,
    "sefc2-resblock0-1": 1024,
    "conv-resblock0-2": 147456,
    "conv-resblock0-3": 65536,
    "sefc2-resblock1-1": 512,
}


@pytest.fixture(scope="module")
def golden() -> AceReport:
    return count(
        PokeBNNConfig(
            name="golden",
            image_size=(64, 64),
            image_channels=3,
            classes=10,
            width=0.125,
            stages=IMAGENET_STAGES,
        )
    )


@pytest.mark.parametrize("width", REFERENCE)
def test_presets_equal_the_reference(width: float) -> None:
    report = count(PRESETS[f"pokebnn-{width}x"])
    weights = report.weights()
    got = report.conv_ace, report.dense_ace, weights[1], weights[4], weights[8], report.parameters
    assert got == REFERENCE[width]
    if width == 1.0:
        assert report.elementwise_totals() == ELEMENTWISE_1X
        assert report.macs()[1] == 3_609_460_736


def test_golden_network(golden: AceReport) -> None:
    assert (golden.conv_ace, golden.dense_ace) == (40238720, 163840)
    assert golden.elementwise_totals() == GOLDEN
    by_name = {operation.name: operation.ace for operation in golden.operations}
    assert {name: by_name[name] for name in GOLDEN_LAYERS} == GOLDEN_LAYERS


def test_layers_own_their_squeeze_and_excite(golden: AceReport) -> None:
    assert golden.layers[:3] == ("init_conv", "init_conv_group", "resblock0-1")
    assert golden.layers[-1] == "dense"
    assert len(golden.layers) == 2 + 48 + 1
    owned = [o.name for o in golden.operations if o.layer == "resblock3-2"]
    assert owned == ["conv-resblock3-2", "sefc1-resblock3-2", "sefc2-resblock3-2"]


def test_elementwise_belongs_to_the_right_layer(golden: AceReport) -> None:
    first, second, third = (golden.elementwise[f"resblock3-{j}"] for j in (1, 2, 3))
    assert first["channel_average_add"] == 16 * 16 * 32
    assert "average_pool" not in first
    assert second["average_pool"] == 9 * 8 * 8 * 16
    assert third["long_shortcut"] == third["local_shortcut"] == 8 * 8 * 64
    assert third["average_pool"] == 9 * 8 * 8 * 64
    assert golden.elementwise["dense"] == {"last_mean": 1024}
    assert set(golden.elementwise["init_conv"]) == {"batch_norm", "dprelu"}


def test_totals_are_the_sum_of_the_layers(golden: AceReport) -> None:
    values = json.loads(json.dumps(golden.to_dict()))
    aces = [o["ace"] for layer in values["layers"] for o in layer["operations"]]
    assert sum(aces) == values["total_ace"] == golden.total_ace
    for name in ELEMENTWISE:
        total = sum(layer["elementwise"].get(name, 0) for layer in values["layers"])
        assert total == values["elementwise"][name]


def test_small_preset_counts() -> None:
    report = count(PRESETS["fmnist-small"])
    convs = [spec.binary_macs for spec in PRESETS["fmnist-small"].poke_convs()]
    assert report.macs()[1] == sum(convs)
