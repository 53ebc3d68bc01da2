"""Folding, calibration and quantisation of a float network, and its comparison with the integers."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwflow.errors import FlowError
from models.config import PokeBNNConfig
from models.float import Mode, PokeBNN, PokeConvBlock
from models.float.forward import forward
from models.integer import compare, layers, network
from models.integer.calibrate import BATCH, calibrate, set_missing_bounds
from models.integer.export import export_network
from models.integer.fixed_point import Folded, ScalarTarget, acc_shift_for, mantissas, to_field
from models.integer.fold import Variables, fold_conv, fold_init, fold_se
from models.integer.params import IntegerNetwork
from models.integer.random import random_images, small_config

Tree = dict[str, Any]
CONFIG = small_config(image=(16, 12, 2), init_out=16, stages=((1, 16, 2),), classes=6)


def disturbed(config: PokeBNNConfig, seed: int) -> Tree:
    """Random variables whose batch norms, slopes and biases are not at their initial values."""
    rng = np.random.default_rng(seed)
    model = PokeBNN(config, Mode(dtype=jnp.float32))
    image = jnp.zeros((1, *config.image_shape))
    initial = jax.jit(model.init)(jax.random.key(seed), image)

    def disturb(path: Any, x: jax.Array) -> npt.NDArray[np.float32]:
        name = path[-1].key
        new = np.asarray(x, np.float64)
        if name == "var":
            new = new * rng.uniform(0.5, 2, x.shape)
        elif name == "scale":
            new = rng.uniform(0.2, 1.5, x.shape) * rng.choice([1, 1, -1], x.shape)
        elif name.endswith("slope"):
            new = new * rng.uniform(0.5, 1.5, x.shape) * rng.choice([1, 1, 1, -1], x.shape)
        elif name != "kernel":
            new = new + rng.normal(0, 0.2, x.shape)
        return new.astype(np.float32)

    kept = {name: initial[name] for name in ("params", "batch_stats")}
    moved = jax.tree_util.tree_map_with_path(disturb, kept)
    return {**moved, "get_bounds": initial["get_bounds"]}


IMAGES = random_images(3, 24, CONFIG.image_shape)


@pytest.fixture(scope="module")
def variables() -> Tree:
    return set_missing_bounds(CONFIG, disturbed(CONFIG, 1), IMAGES)


@pytest.fixture(scope="module")
def net(variables: Tree) -> IntegerNetwork:
    return export_network(CONFIG, variables, IMAGES)


def test_each_layer_follows_the_float_layer(variables: Tree, net: IntegerNetwork) -> None:
    """Same input, on the integer grid: same binary sums, outputs within a few steps."""
    rng = np.random.default_rng(0)
    block_input: Any = None
    for spec, conv in zip(CONFIG.poke_convs(), net.convs, strict=True):
        x = rng.normal(0, 3000, (16, *conv.in_shape)).astype(np.int32)
        block_input = x if spec.j == 1 else block_input
        r1 = block_input * 2.0 ** -net.convs[0].in_exponent if spec.r1_shape else None
        model = PokeConvBlock(spec, CONFIG, Mode(dtype=jnp.float32))
        apply = jax.jit(partial(model.apply, mutable=["intermediates"]))
        wanted, state = apply(variables, x * 2.0**-conv.in_exponent, r1)
        kept: dict[str, Any] = state["intermediates"]
        found = layers.poke_conv(conv, x, block_input)
        np.testing.assert_array_equal(found.accumulator, kept[spec.conv_name]["sum"][0])
        scale = np.asarray(kept[f"se-{spec.name}"][0])[:, 0, 0]
        same = np.abs(scale - found.scale / 2**15) < 2**-11
        assert np.mean(same) > 0.9, "a 4-bit level may differ where a mean lies on its threshold"
        steps = np.abs(np.asarray(wanted) * 2.0**conv.out_exponent - found.y)
        steps = np.where(same[:, None, None, :], steps, 0)
        saturated = (found.y == -(2**15)) | (found.y == 2**15 - 1)
        assert np.max(np.where(saturated, 0, steps)) < 16, spec.name
        assert np.mean(steps) < 2, spec.name


def test_poke_init_follows_the_float_layers(variables: Tree, net: IntegerNetwork) -> None:
    model = PokeBNN(CONFIG, Mode(dtype=jnp.float32))
    mean, std = 255 * np.asarray(CONFIG.mean), 255 * np.asarray(CONFIG.std)
    x = ((IMAGES - mean) / std).astype(np.float32)
    wanted = np.asarray(jax.jit(partial(model.apply, stop=0))(variables, x))
    found = layers.init_conv(net.init[0], network.map_images(net, IMAGES))
    assert found.t_saturated.sum() == 0
    assert 100 < np.abs(found.y).max() <= 128
    second = layers.init_conv(net.init[1], found.y.astype(np.int8))
    error = wanted - second.y * 2.0 ** -net.convs[0].in_exponent
    assert np.mean(error**2) < np.mean(wanted**2) * 10**-2.5, "25 dB"


def test_the_input_table_is_the_input_quantiser(variables: Tree, net: IntegerNetwork) -> None:
    scale = fold_init(Variables(CONFIG, variables), 0).in_scale
    pixels = np.arange(256)[:, None]
    levels = (pixels / 255 - CONFIG.mean) / np.asarray(CONFIG.std) * scale
    np.testing.assert_array_equal(net.input_table, np.floor(np.clip(levels, -127, 127) + 0.5))
    assert np.abs(net.input_table.astype(int)).max() == 127


def test_stored_tensors_use_their_range(net: IntegerNetwork) -> None:
    trace = network.trace(net, IMAGES)
    for conv, found in zip(net.convs, trace.convs, strict=True):
        assert found.t_saturated.sum() == found.y_saturated.sum() == 0, conv.name
        assert np.abs(found.y).max() > 2**12, conv.name
        assert conv.v_exponent >= conv.in_exponent


def test_comparison(variables: Tree, net: IntegerNetwork) -> None:
    labels = np.arange(len(IMAGES)) % 6
    result = compare.compare_networks(net, CONFIG, variables, IMAGES, labels)
    names = ["PokeInit", "resblock0-1", "resblock0-2", "resblock0-3"]
    assert [layer.name for layer in result.layers] == names
    assert [layer.name for layer in result.blocks()] == ["PokeInit", "resblock0-3"]
    for layer in result.layers:
        assert layer.snr_db > 10 and layer.flipped < 0.05, layer.name
    assert result.layers[1].values == len(IMAGES) * np.prod(net.convs[0].out_shape)
    logits = compare.float_logits(CONFIG, variables, IMAGES)
    found = network.logits(net, IMAGES)
    assert result.float_top1 == np.mean(logits.argmax(1) == labels)
    assert result.integer_top1 == np.mean(found.argmax(1) == labels)
    assert result.agreement == np.mean(logits.argmax(1) == found.argmax(1)) > 0.7
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["images"] == len(IMAGES)


def test_comparison_of_a_wrong_network_is_bad(variables: Tree, net: IntegerNetwork) -> None:
    """The measure sees an error: the second layer's weights inverted."""
    wrong = dataclasses.replace(net.convs[1], weights=~net.convs[1].weights)
    convs = (net.convs[0], wrong, net.convs[2])
    wrong_net = dataclasses.replace(net, convs=convs)
    result = compare.compare_layers(wrong_net, [(IMAGES, forward(CONFIG, variables, IMAGES))])
    assert result[1].snr_db > 10 > 6 > result[2].snr_db


def test_bounds_per_channel() -> None:
    config = dataclasses.replace(CONFIG, bounds="per_channel")
    found = set_missing_bounds(config, disturbed(config, 2), IMAGES)
    assert found["get_bounds"]["init_conv"]["GetBounds_0"]["bounds"].shape == (1, 1, 1, 2)
    net = export_network(config, found, IMAGES, se_act_bits=8)
    assert {conv.se.act_bits for conv in net.convs} == {8}
    result = compare.compare_layers(net, [(IMAGES, forward(config, found, IMAGES))])
    assert result[0].snr_db > 20
    assert min(layer.snr_db for layer in result) > 10
    four = fold_se(Variables(config, found), config.poke_convs()[2], 4)
    eight = fold_se(Variables(config, found), config.poke_convs()[2], 8)
    np.testing.assert_allclose(four.gain1 / eight.gain1, 127 / 7)
    np.testing.assert_array_equal(four.fc2_weights, eight.fc2_weights)


def test_bounds_per_channel_in_8_bit_weights() -> None:
    """The trained levels of the activations, and of the weights but for 1/127 of the largest."""
    config = dataclasses.replace(CONFIG, bounds="per_channel")
    found = set_missing_bounds(config, disturbed(config, 2), IMAGES)
    net = export_network(config, found, IMAGES, se_weight_bits=8)
    assert {(conv.se.weight_bits, conv.se.act_bits) for conv in net.convs} == {(8, 4)}
    run = forward(config, found, IMAGES)
    result = compare.compare_layers(net, [(IMAGES, run)])
    folded = compare.compare_layers(export_network(config, found, IMAGES), [(IMAGES, run)])
    assert result[1].snr_db > folded[1].snr_db
    spec, conv = config.poke_convs()[0], net.convs[0]
    assert conv.se.mean.alpha.shape == (spec.in_shape[2],)
    x = compare.to_grid(run.poke_init, conv.in_exponent, 16)
    scale = layers.squeeze_excite(conv.se, layers.pixel_sum(x))[2] / 2**15
    assert np.mean(np.abs(scale - run.poke_convs[spec.name].se[:, 0, 0]) < 0.01) > 0.95
    with pytest.raises(FlowError, match="SE weights of 8 bits with an input of 8"):
        export_network(config, found, IMAGES, se_act_bits=8, se_weight_bits=8)


def edited(variables: Tree, collection: str, layer: str, name: str, new: Any) -> Tree:
    layers_of = dict(variables[collection])
    layers_of[layer] = dict(layers_of[layer])
    if new is None:
        del layers_of[layer][name]
    else:
        layers_of[layer][name] = new(layers_of[layer][name])
    return {**variables, collection: layers_of}


@pytest.mark.parametrize(
    ("layer", "name", "new", "message"),
    [
        ("init_bn", "bias", None, "params/init_bn/bias is missing"),
        ("init_bn", "bias", lambda x: x * np.nan, "init_conv"),
        ("init_bn", "scale", lambda x: x * 1e12, "init_conv"),
    ],
)
def test_unusable_variables_are_refused(
    variables: Tree, layer: str, name: str, new: Callable[[Any], Any], message: str
) -> None:
    source = Variables(CONFIG, edited(variables, "params", layer, name, new))
    with pytest.raises(FlowError, match=message):
        fold_init(source, 0).folded.params("init_conv", 2.0**10, 1.0, 8)


def with_bounds(variables: Tree, layer: str, value: float) -> Tree:
    old = variables["get_bounds"][layer]["GetBounds_0"]["bounds"]
    new = {"GetBounds_0": {"bounds": jnp.full_like(old, value)}}
    return {**variables, "get_bounds": {**variables["get_bounds"], layer: new}}


def bounds_of(variables: Tree) -> dict[str, float]:
    return {k: float(v["GetBounds_0"]["bounds"].max()) for k, v in variables["get_bounds"].items()}


def test_only_missing_bounds_are_set(variables: Tree) -> None:
    """The others stay, and decide what the layers behind them see."""
    kept = with_bounds(variables, "init_conv", 0.01)
    dense = with_bounds(kept, "DenseAqt_0", -1.0)
    found = bounds_of(set_missing_bounds(CONFIG, dense, IMAGES))
    before = bounds_of(variables)
    assert found["init_conv"] == pytest.approx(0.01)
    assert found["DenseAqt_0"] > 0
    assert found["DenseAqt_0"] != pytest.approx(before["DenseAqt_0"], rel=1e-3)
    others = before.keys() - {"init_conv", "DenseAqt_0"}
    assert {name: found[name] for name in others} == {name: before[name] for name in others}


def test_missing_bounds_come_from_all_images() -> None:
    grey = np.full((BATCH, *CONFIG.image_shape), 128, np.uint8)
    white = np.full_like(grey, 255)
    start = disturbed(CONFIG, 1)
    one, two, both = (
        bounds_of(set_missing_bounds(CONFIG, start, images))["init_conv"]
        for images in (grey, white, np.concatenate([grey, white]))
    )
    assert one < both < two
    assert both == pytest.approx((one + two) / 2, rel=1e-5)


def test_nan_is_refused(variables: Tree) -> None:
    broken = edited(variables, "batch_stats", "bnresblock0-2", "var", lambda x: x * np.nan)
    with pytest.raises(FlowError, match=r"calibration: .*resblock0-2.* reaches nan"):
        calibrate(CONFIG, broken, folded_of(variables), IMAGES)


def test_a_channel_of_zero_weights_is_exported(variables: Tree) -> None:
    kernel = jnp.asarray(variables["params"]["conv-resblock0-2"]["kernel"]).at[..., 3].set(0.0)
    zeroed = edited(variables, "params", "conv-resblock0-2", "kernel", lambda _: kernel)
    net = export_network(CONFIG, zeroed, IMAGES)
    assert net.convs[1].weights[..., 3].all()
    assert net.convs[1].vector.alpha[3] == 0


@pytest.mark.parametrize("bits", [0, 1, 5])
def test_widths_an_se_cannot_have(variables: Tree, bits: int) -> None:
    with pytest.raises(FlowError, match=f"SE input of {bits} bits: expected 4 or 8"):
        export_network(CONFIG, variables, IMAGES, se_act_bits=bits)


def folded_of(variables: Tree) -> dict[str, Folded]:
    source = Variables(CONFIG, variables)
    return {spec.name: fold_conv(source, spec).folded for spec in CONFIG.poke_convs()}


def test_unusable_images_are_refused(variables: Tree) -> None:
    unusable: list[Any] = [IMAGES[:0], IMAGES[:, 1:], IMAGES.astype(np.float32)]
    for images in unusable:
        with pytest.raises(FlowError, match="calibration images are"):
            export_network(CONFIG, variables, images)


def test_bounds_that_were_never_set_are_refused() -> None:
    bounds = {"init_conv": {"GetBounds_0": {"bounds": -np.ones((1, 1, 1, 1))}}}
    with pytest.raises(FlowError, match="the bounds of init_conv are not set"):
        Variables(CONFIG, {"get_bounds": bounds}).bounds("init_conv")


@given(value=st.floats(-30000, 30000), limit=st.sampled_from([32767, 32764]))
def test_mantissas_are_as_wide_as_fits(value: float, limit: int) -> None:
    (found,), shift = mantissas("layer", "alpha", (np.array([value]),), limit)
    assert abs(found[0]) <= limit
    assert abs(found[0] * 2.0 ** -int(shift[0]) - value) <= 2.0 ** -int(shift[0]) / 2
    assert shift[0] == 30 or abs(value) * 2.0 ** (int(shift[0]) + 1) > limit - 1


def test_mantissas_refuse_what_does_not_fit() -> None:
    with pytest.raises(FlowError, match=r"layer: alpha reaches 40000, expected at most 32767"):
        mantissas("layer", "alpha", (np.array([1.0, 40000.0]),), 32767)
    with pytest.raises(FlowError, match=r"layer: beta is 9e\+06 on its grid"):
        to_field("layer", "beta", np.array([9e6]), 24)


@given(largest=st.integers(1, (1 << 24) - 1))
def test_accumulator_shift_is_the_smallest(largest: int) -> None:
    shift = acc_shift_for(largest)
    assert np.floor(largest / 2**shift + 0.5) <= 32767
    assert shift == 0 or np.floor(largest / 2 ** (shift - 1) + 0.5) > 32767


@given(
    gain=st.floats(-0.1, 0.1),
    offset=st.floats(-50, 50),
    acc_max=st.integers(100, 30000),
    part=st.floats(-1, 1),
    nearest=st.booleans(),
)
def test_scalar_target(
    gain: float, offset: float, acc_max: int, part: float, nearest: bool
) -> None:
    target = ScalarTarget(
        gain=np.array([gain]),
        offset=np.array([offset]),
        acc_max=acc_max,
        lo=-10000,
        hi=10000,
        nearest=nearest,
    )
    x = np.array([int(part * acc_max)], np.int32)
    found = network.numerics.scalar(x, target.params("layer"))[0]
    wanted = gain * x[0] + offset + (0.5 if nearest else 0.0)
    assert wanted - 1.51 < found <= wanted + 0.51


def test_whole_offset_is_exact_on_the_steeper_branch() -> None:
    folded = Folded(
        gain=np.array([1.0, 1.0]),
        beta=np.zeros(2),
        bias_x=np.array([0.2, 0.2]),
        pos=np.array([2.0, 0.1]),
        neg=np.array([0.5, -1.0]),
        bias_y=np.zeros(2),
        offset=np.array([0.3, 0.4]),
        sum_max=np.full(2, 100),
    )
    moved = folded.with_whole_offset(np.array([4.0, 4.0]))
    assert np.all(moved.offset * 4 == np.floor(moved.offset * 4))

    def y(layer: Folded, v: float) -> npt.NDArray[np.float64]:
        t = v - layer.bias_x
        return np.where(t >= 0, layer.pos, layer.neg) * t + layer.offset

    np.testing.assert_allclose(y(moved, 50.0)[0], y(folded, 50.0)[0])
    np.testing.assert_allclose(y(moved, -50.0)[1], y(folded, -50.0)[1])
    assert np.max(np.abs(y(moved, -50.0) - y(folded, -50.0))) <= 0.125
