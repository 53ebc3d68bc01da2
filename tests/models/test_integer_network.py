"""The integer network against an independent, slow evaluation in Python and int64."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest

from hwflow.errors import FlowError
from models.config import PokeBNNConfig
from models.integer import layers, network
from models.integer.params import (
    InitConvParams,
    IntegerNetwork,
    PokeConvParams,
    ScalarParams,
    VectorParams,
)
from models.integer.random import random_images, random_network, small_config

Wide = npt.NDArray[np.int64]

GEOMETRIES = {
    "default": small_config(),
    "odd maps": small_config(image=(14, 10, 3), init_kernel=2, stages=((1, 9, 1), (1, 13, 2))),
    "one pixel": small_config(image=(8, 8, 1), init_stride=4, stages=((1, 8, 2), (1, 12, 2))),
    "row": small_config(image=(4, 12, 2), init_stride=4, stages=((1, 8, 2), (1, 24, 1))),
    "three to one": small_config(init_channels=3, init_out=24, stages=((1, 8, 1), (1, 10, 1))),
}


@pytest.mark.parametrize("inputs", [1, 512, 2048])
def test_dot_is_exact_at_the_edge_of_its_range(inputs: int) -> None:
    """Odd sums beyond 2**24, where float32 has only even numbers."""
    x = np.full((2, inputs), -127, np.int8)
    w = np.full((inputs, 2), -127, np.int8)
    x[1, 0], w[0, 1] = 126, 126
    wanted = x.astype(np.int64) @ w.astype(np.int64)
    found = layers.dot(x, w)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(layers.dot(jnp.asarray(x), jnp.asarray(w)), wanted)


def test_parameters_are_pytrees_of_their_arrays() -> None:
    net = random_network(3)
    leaves, structure = jax.tree.flatten(net)
    assert all(isinstance(leaf, np.ndarray) for leaf in leaves)
    stored = sum(leaf.nbytes for leaf in leaves)
    assert stored > net.dense.weights.nbytes + sum(conv.weights.nbytes for conv in net.convs)
    again = jax.tree.unflatten(structure, leaves)
    assert again.content_hash() == net.content_hash()


def rsr(x: Any, k: Any) -> Any:
    """Half up in floating point, exact below 2**52."""
    return np.floor(np.asarray(x, np.float64) / 2.0 ** np.asarray(k) + 0.5).astype(np.int64)


def scalar(x: Wide, c: ScalarParams) -> Wide:
    total = c.alpha.astype(np.int64) * rsr(x, c.acc_shift) + c.beta
    return np.clip(np.floor_divide(total, 2 ** c.shift.astype(np.int64)), c.lo, c.hi)


def pad(n: int, k: int, stride: int) -> tuple[int, int]:
    out = -(-n // stride)
    return out, max((out - 1) * stride + k - n, 0) // 2


def convolve(x: Wide, w: Wide, stride: int, same: bool, groups: int = 1) -> Wide:
    """One image (H, W, I), pixel by pixel, tap by tap."""
    height, width, _ = x.shape
    k, _, per_group, cout = w.shape
    (out_h, top), (out_w, left) = [
        pad(n, k, stride) if same else ((n - k) // stride + 1, 0) for n in (height, width)
    ]
    y = np.zeros((out_h, out_w, cout), np.int64)
    per_output = cout // groups
    for i, j, dy, dx in np.ndindex(out_h, out_w, k, k):
        row, column = i * stride + dy - top, j * stride + dx - left
        if 0 <= row < height and 0 <= column < width:
            for g in range(groups):
                inputs = x[row, column, g * per_group : (g + 1) * per_group]
                outputs = slice(g * per_output, (g + 1) * per_output)
                y[i, j, outputs] += inputs @ w[dy, dx][:, outputs]
    return y


def vector(total: Wide, c: VectorParams, shortcuts: Wide | int, s: Wide) -> Wide:
    wide = {k: np.asarray(v, np.int64) for k, v in vars(c).items()}
    v = rsr(wide["alpha"] * rsr(total, c.acc_shift), c.alpha_shift) + wide["beta"] + shortcuts
    t = np.clip(v - wide["bias_x"], -(2**17), 2**17 - 1)
    m = np.where(t >= 0, rsr(wide["pos"] * s, 17), rsr(wide["neg"] * s, 17))
    q = wide["offset"] - rsr(wide["bias_y"] * s, c.bias_y_shift)
    half = 2 ** (c.out_bits - 1)
    assert np.all(np.abs(m) < 2**13) and np.all(np.abs(v) < 2**23) and np.all(np.abs(q) < 2**23)
    return np.clip(rsr(m * t, c.out_shift) + q, -half, half - 1)


def pool(x: Wide) -> Wide:
    height, width, channels = x.shape
    (out_h, top), (out_w, left) = pad(height, 3, 2), pad(width, 3, 2)
    y = np.zeros((out_h, out_w, channels), np.int64)
    for i, j, dy, dx in np.ndindex(out_h, out_w, 3, 3):
        row, column = 2 * i + dy - top, 2 * j + dx - left
        if 0 <= row < height and 0 <= column < width:
            y[i, j] += x[row, column]
    return np.clip(rsr(y * 3641, 15), -(2**15), 2**15 - 1)


def init_conv(conv: InitConvParams, x: Wide) -> Wide:
    same = conv.padding == "SAME"
    total = convolve(x, conv.weights.astype(np.int64), 1, same, conv.groups)
    return vector(total, conv.vector, 0, np.full(conv.out_shape[2], 2**15))


def poke_conv(conv: PokeConvParams, x: Wide, block_input: Wide) -> Wide:
    cin, cout = conv.in_shape[2], conv.out_shape[2]
    signs, weights = np.where(x >= 0, 1, -1), np.where(conv.weights, 1, -1)
    total = convolve(signs, weights, conv.stride, True)
    if cin > cout:
        g = cin // cout
        assert (conv.local, conv.local_group) == ("mean", g)
        factor = int(2**15 / g + 0.5)
        r = np.stack([rsr(x[..., o * g : o * g + g].sum(-1) * factor, 15) for o in range(cout)], -1)
    else:
        r = np.concatenate([x, np.zeros((*x.shape[:2], cout - cin), np.int64)], axis=-1)
    if r.shape[:2] != conv.out_shape[:2]:
        r = pool(r)
    shortcuts = r * 2**conv.r_shift
    if conv.r1_shift is not None:
        same_size = block_input.shape[:2] == conv.out_shape[:2]
        r1 = block_input if same_size else pool(block_input)
        tiled = np.stack([r1[..., o % r1.shape[-1]] for o in range(cout)], axis=-1)
        shortcuts = shortcuts + tiled * 2**conv.r1_shift
    mean = scalar(x.sum(axis=(0, 1)), conv.se.mean)
    hidden = scalar(mean @ conv.se.fc1_weights.astype(np.int64), conv.se.fc1)
    s = scalar(hidden @ conv.se.fc2_weights.astype(np.int64), conv.se.fc2)
    return vector(total, conv.vector, shortcuts, s)


def evaluate(net: IntegerNetwork, image: npt.NDArray[np.uint8]) -> tuple[list[Wide], Wide]:
    """(stored tensors in order, logits) of one image."""
    height, width, c = net.image_shape
    s = net.init_stride
    x = np.zeros((height // s, width // s, s * s * c), np.int64)
    for i, j, ch in np.ndindex(height, width, c):
        channel = ((i % s) * s + j % s) * c + ch
        x[i // s, j // s, channel] = net.input_table[image[i, j, ch], ch]
    stored = [init_conv(net.init[0], x)]
    stored.append(init_conv(net.init[1], stored[0]))
    block_input = stored[-1]
    for conv in net.convs:
        if conv.index == 1:
            block_input = stored[-1]
        stored.append(poke_conv(conv, stored[-1], block_input))
    features = scalar(stored[-1].sum(axis=(0, 1)), net.dense.mean)
    return stored, scalar(features @ net.dense.weights.astype(np.int64), net.dense.logits)


@pytest.mark.parametrize("config", GEOMETRIES.values(), ids=GEOMETRIES)
def test_every_stored_tensor_equals_the_slow_evaluation(config: PokeBNNConfig) -> None:
    for seed in range(3):
        net = random_network(seed, config)
        images = random_images(seed + 50, 2, net.image_shape)
        found = layers.forward(net, network.map_images(net, images))
        for n, image in enumerate(images):
            stored, logits = evaluate(net, image)
            traces = (*found.init, *found.convs)
            for layer, trace, wanted in zip((*net.init, *net.convs), traces, stored, strict=True):
                np.testing.assert_array_equal(trace.y[n], wanted, err_msg=layer.name)
            np.testing.assert_array_equal(found.logits[n], logits)


@pytest.mark.parametrize("name", ["default", "odd maps"])
def test_jax_equals_numpy_in_every_traced_value(name: str) -> None:
    net = random_network(7, GEOMETRIES[name])
    images = random_images(8, 3, net.image_shape)
    compiled = network.trace(net, images)
    plain = layers.forward(net, network.map_images(net, images))
    for a, b in zip(jax.tree.leaves(compiled), jax.tree.leaves(plain), strict=True):
        assert a.dtype == b.dtype == np.int32
        np.testing.assert_array_equal(a, b)


def test_logits_do_not_depend_on_the_batch() -> None:
    net = random_network(3)
    images = random_images(4, 7, net.image_shape)
    whole = network.logits(net, images)
    np.testing.assert_array_equal(network.logits(net, images, batch=3), whole)
    np.testing.assert_array_equal(network.logits(net, images[2:3]), whole[2:3])
    np.testing.assert_array_equal(network.trace(net, images).logits, whole)
    labels = whole.argmax(axis=1)
    assert network.evaluate(net, images, labels) == 1.0
    labels[0] = (labels[0] + 1) % net.classes
    assert network.evaluate(net, images, labels) == pytest.approx(6 / 7)


def test_a_sum_of_the_longest_rows_is_exact() -> None:
    """float32 in numpy and int32 in JAX agree where sums come close to 2**23."""
    x = np.full((1, 512), -128, np.int8)
    w = np.full((512, 1), 127, np.int8)
    w[0] = 126
    wanted = -128 * (511 * 127 + 126)
    assert layers.dot(x, w)[0, 0] == wanted
    assert int(layers.dot(jax.numpy.asarray(x), jax.numpy.asarray(w))[0, 0]) == wanted


def test_wrong_images_are_refused() -> None:
    net = random_network(0)
    with pytest.raises(FlowError, match=r"network random takes uint8 \(12, 12, 1\)"):
        network.logits(net, np.zeros((1, 8, 8, 1), np.uint8))
    floats: Any = np.zeros((1, 12, 12, 1), np.float32)
    with pytest.raises(FlowError, match="images are float32"):
        network.trace(net, floats)
