"""The integer layers (docs/numerics.md) for numpy and jax.numpy arrays alike.

Tensors are batched and channels-last, (N, H, W, C). Dot products take int8 operands; JAX
accumulates them in int32, numpy in float32 where no |sum| can exceed 2**24 and in float64 else:
all are exact for every |sum| that fits 32 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hwflow import numerics
from models.integer import pytrees
from models.integer.params import (
    DenseParams,
    InitConvParams,
    IntegerNetwork,
    PokeConvParams,
    SEParams,
)

Array = Any
"""A numpy or jax.numpy array."""

pytrees.register(IntegerNetwork)


class LayerTrace(NamedTuple):
    """Everything one layer computes for N images (int32).

    y (N, H, W, C): the stored output. accumulator (N, H, W, C): S. input_sums (N, Cin): exact sums
    over the pixels of the layer's input. mean (N, Cin), hidden (N, H), scale (N, C): SE values.
    t_saturated, y_saturated (N,): saturated elements of t and y. PokeInit has no SE: its
    input_sums, mean and hidden have no channels and its scale is 1.0.
    """

    y: Array
    accumulator: Array
    input_sums: Array
    mean: Array
    hidden: Array
    scale: Array
    t_saturated: Array
    y_saturated: Array


class Trace(NamedTuple):
    """init: both PokeInit convolutions; convs: every PokeConv; and the end of the network.

    features (N, C): the s8 means that enter the dense layer. logits (N, classes): s24.
    """

    init: tuple[LayerTrace, LayerTrace]
    convs: tuple[LayerTrace, ...]
    features: Array
    logits: Array


FLOAT32_EXACT = 1 << 24
"""Every integer up to this magnitude is a float32."""


def _largest(x: Array) -> int:
    """max|x| of an integer array; 0 of an empty one."""
    return max(int(x.max()), -int(x.min())) if x.size else 0


def dot(x: Array, w: Array) -> Array:
    """int8 (..., K) times int8 (K, O): exact int32 (..., O)."""
    if isinstance(x, np.ndarray):
        exact = len(w) * _largest(x) * _largest(w) <= FLOAT32_EXACT
        real = np.float32 if exact else np.float64
        return (x.astype(real) @ w.astype(real)).astype(np.int32)
    dimensions = (((x.ndim - 1,), (0,)), ((), ()))
    return jax.lax.dot_general(x, w, dimensions, preferred_element_type=jnp.int32)


def convolve(x: Array, w: Array, stride: int, padding: str) -> Array:
    """int8 (N, H, W, I) with int8 (k, k, I, O), zero padding: exact int32 (N, H', W', O)."""
    xp = x.__array_namespace__()
    k, _, cin, cout = w.shape
    height, width = x.shape[1:3]
    if padding == "SAME":
        out_h, *pad_h = numerics.same_padding(height, k, stride)
        out_w, *pad_w = numerics.same_padding(width, k, stride)
        x = xp.pad(x, ((0, 0), tuple(pad_h), tuple(pad_w), (0, 0)))
    else:
        out_h, out_w = (1 + (size - k) // stride for size in (height, width))
    rows, columns = stride * (out_h - 1) + 1, stride * (out_w - 1) + 1
    taps = [
        x[:, dy : dy + rows : stride, dx : dx + columns : stride]
        for dy in range(k)
        for dx in range(k)
    ]
    patches = taps[0] if k == 1 else xp.concatenate(taps, axis=-1)
    return dot(patches, w.reshape(k * k * cin, cout))


def ungroup(w: Array, groups: int) -> Array:
    """Grouped weights (k, k, I/groups, O) as ordinary ones (k, k, I, O), zero between groups."""
    per_group, cout = w.shape[2:]
    inputs = np.arange(per_group * groups)
    outputs = np.arange(cout)
    same_group = inputs[:, None] // per_group == outputs[None, :] // (cout // groups)
    return w[:, :, inputs % per_group, :] * same_group.astype(np.int8)


def pixel_sum(x: Array) -> Array:
    """Exact sums over the pixels of every channel: (N, C)."""
    return x.sum(axis=(1, 2), dtype=np.int32)


def _layer_trace(
    total: Array, out: numerics.VectorOutput, se: tuple[Array, Array, Array, Array]
) -> LayerTrace:
    counts = [mask.sum(axis=(1, 2, 3), dtype=np.int32) for mask in out[1:]]
    return LayerTrace(out.y, total, *se, *counts)


def init_conv(conv: InitConvParams, x: Array) -> LayerTrace:
    """One PokeInit convolution of int8 (N, H, W, Cin)."""
    xp = x.__array_namespace__()
    total = convolve(x, ungroup(conv.weights, conv.groups), 1, conv.padding)
    v = numerics.vector_sum(total, conv.vector)
    out = numerics.vector_output(v, conv.vector, numerics.unit_pair(conv.vector))
    none = xp.zeros((len(x), 0), np.int32)
    scale = xp.full((len(x), conv.out_shape[2]), numerics.SE_ONE, np.int32)
    return _layer_trace(total, out, (none, none, none, scale))


def squeeze_excite(se: SEParams, sums: Array) -> tuple[Array, Array, Array]:
    """(mean, hidden, scale) from the sums (N, Cin) over the pixels of a layer's input."""
    mean = numerics.scalar(sums, se.mean)
    hidden = numerics.scalar(dot(mean.astype(np.int8), se.fc1_weights), se.fc1)
    scale = numerics.scalar(dot(hidden.astype(np.int8), se.fc2_weights), se.fc2)
    return mean, hidden, scale


def local_shortcut(conv: PokeConvParams, x: Array) -> Array:
    """r: the layer's input brought to its output's channels and size."""
    cout = conv.out_shape[2]
    if conv.local == "mean":
        x = numerics.channel_mean(x, cout)
    elif conv.local == "pad":
        x = numerics.zero_extend(x, cout)
    return numerics.average_pool(x, conv.vector.out_bits) if conv.pool_local else x


def long_shortcut(conv: PokeConvParams, block_input: Array) -> Array | None:
    """r1: the block's input averaged or tiled and brought to the output's size, if there is one."""
    if conv.r1_shift is None:
        return None
    r1, cout = block_input, conv.out_shape[2]
    if r1.shape[-1] > cout:
        r1 = numerics.channel_mean(r1, cout)
    if conv.pool_long:
        r1 = numerics.average_pool(r1, conv.vector.out_bits)
    return numerics.tile_channels(r1, cout)


def binary_sum(conv: PokeConvParams, x: Array) -> Array:
    """S: the sum of (+-1)(+-1) over the valid taps."""
    xp = x.__array_namespace__()
    signs = xp.where(x >= 0, np.int8(1), np.int8(-1))
    weights = xp.where(conv.weights, np.int8(1), np.int8(-1))
    return convolve(signs, weights, conv.stride, "SAME")


def poke_conv(conv: PokeConvParams, x: Array, block_input: Array) -> LayerTrace:
    """One PokeConv of stored tensors int32 (N, H, W, C): its input and its block's input."""
    return conv_from_sum(conv, binary_sum(conv, x), x, block_input)


def conv_from_sum(conv: PokeConvParams, total: Array, x: Array, block_input: Array) -> LayerTrace:
    """`poke_conv` with its accumulators `total` known."""
    sums = pixel_sum(x)
    mean, hidden, scale = squeeze_excite(conv.se, sums)
    r, r1 = local_shortcut(conv, x), long_shortcut(conv, block_input)
    v = numerics.vector_sum(total, conv.vector, r, conv.r_shift, r1, conv.r1_shift or 0)
    pair = numerics.affine_pair(conv.vector, scale[:, None, None, :])
    out = numerics.vector_output(v, conv.vector, pair)
    return _layer_trace(total, out, (sums, mean, hidden, scale))


def dense(params: DenseParams, x: Array) -> tuple[Array, Array]:
    """(features, logits) of the last stored tensor."""
    features = numerics.scalar(pixel_sum(x), params.mean)
    total = dot(features.astype(np.int8), params.weights)
    return features, numerics.scalar(total, params.logits)


class Steps(NamedTuple):
    """The three functions that `forward` is made of; `network` passes compiled ones."""

    init_conv: Callable[[InitConvParams, Array], LayerTrace] = init_conv
    poke_conv: Callable[[PokeConvParams, Array, Array], LayerTrace] = poke_conv
    dense: Callable[[DenseParams, Array], tuple[Array, Array]] = dense


PLAIN_STEPS = Steps()


def forward(network: IntegerNetwork, x: Array, steps: Steps = PLAIN_STEPS) -> Trace:
    """All layers of mapped images int8 (N, H/s, W/s, s*s*c)."""
    first = steps.init_conv(network.init[0], x)
    second = steps.init_conv(network.init[1], first.y.astype(np.int8))
    convs: list[LayerTrace] = []
    y = block_input = second.y
    block = None
    for conv in network.convs:
        if conv.block != block:
            block, block_input = conv.block, y
        convs.append(steps.poke_conv(conv, y, block_input))
        y = convs[-1].y
    return Trace((first, second), tuple(convs), *steps.dense(network.dense, y))
