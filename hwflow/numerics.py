"""Integer arithmetic of the network, written once for numpy and jax.numpy (docs/numerics.md).

Every function takes int32 arrays of either library and returns int32 arrays of the same library.
Values are exact as long as the ranges of docs/numerics.md hold; `IntegerNetwork.validate` proves
them from the parameters. Tensors are channels-last: (..., H, W, C).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hwflow.signature import logits_signature as logits_signature
from hwflow.signature import signature as signature

Ints = Any
"""An int32 array of numpy or jax.numpy (the libraries share operators but no static type)."""
IntVector = npt.NDArray[np.int32]

STORED_BITS = 16
"""Widest stored element; signatures, traces and external memory hold every element in so many bits."""
RESIDUAL_BITS = range(8, STORED_BITS + 1)
"""Widths that the stored elements of a network can have."""
T_BITS = 18
WIDE_BITS = 24
"""Width of v, bias_x, beta, q, the accumulator S and the logits."""
SLOPE_LIMIT = 32764
"""Largest |pos| and |neg|: with s <= 2**15 the slopes p and n then fit s14."""
SLOPE_SHIFT = 17
ONE_SHIFT = 15
SE_ONE = 1 << ONE_SHIFT
"""The SE scale 1.0."""
RECIPROCAL_SHIFT = 15
POOL_SIZE = 3
POOL_STRIDE = 2
POOL_RECIPROCAL = 3641
"""round(2**15 / 9)."""
MAX_SHIFT = 30


@dataclass(frozen=True, kw_only=True, eq=False)
class ScalarParams:
    """Constants of `scalar`: clamp((alpha * rsr(x, acc_shift) + beta) >> shift, lo, hi).

    alpha (s16), beta (s32), shift: int32[n], n = 1 when common to all channels.
    """

    acc_shift: int
    alpha: IntVector
    beta: IntVector
    shift: IntVector
    lo: int
    hi: int


@dataclass(frozen=True, kw_only=True, eq=False)
class VectorParams:
    """Constants of the vector arithmetic, int32[C]; acc_shift and out_bits are of the layer.

    alpha, bias_y s16; pos, neg at most SLOPE_LIMIT; beta, bias_x, offset s24; shifts 0..30.
    """

    acc_shift: int
    alpha: IntVector
    alpha_shift: IntVector
    beta: IntVector
    bias_x: IntVector
    out_shift: IntVector
    pos: IntVector
    neg: IntVector
    bias_y: IntVector
    bias_y_shift: IntVector
    offset: IntVector
    out_bits: int


class AffinePair(NamedTuple):
    """Slopes p, n (s14) and offset q (s24) of every channel of one image, shape (..., C)."""

    p: Ints
    n: Ints
    q: Ints


class VectorOutput(NamedTuple):
    """y and, per element, whether t or y was saturated."""

    y: Ints
    t_saturated: Ints
    y_saturated: Ints


def signed_range(bits: int) -> tuple[int, int]:
    """(lowest, highest) value of a signed integer of `bits` bits."""
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def rsr(x: Ints, k: Ints) -> Ints:
    """Round and shift right: floor(x / 2**k + 1/2), k in 0..30; exact while x + 2**(k-1) fits."""
    return (x + ((1 << k) >> 1)) >> k


def saturate(x: Ints, bits: int) -> Ints:
    """Clamps x to the signed range of `bits` bits."""
    return x.clip(*signed_range(bits))


def scalar(x: Ints, c: ScalarParams) -> Ints:
    """clamp((alpha * rsr(x, acc_shift) + beta) >> shift, lo, hi) over the last axis of x."""
    return ((c.alpha * rsr(x, c.acc_shift) + c.beta) >> c.shift).clip(c.lo, c.hi)


def affine_pair(c: VectorParams, s: Ints) -> AffinePair:
    """p, n, q of an image from the SE scale s (0..32768, shape (..., C)); 32768 without an SE."""
    return AffinePair(
        p=rsr(c.pos * s, SLOPE_SHIFT),
        n=rsr(c.neg * s, SLOPE_SHIFT),
        q=c.offset - rsr(c.bias_y * s, c.bias_y_shift),
    )


def unit_pair(c: VectorParams) -> AffinePair:
    """`affine_pair` of a layer without SE (PokeInit): s = 1.0 for every channel."""
    return affine_pair(c, np.full(c.pos.shape, SE_ONE, np.int32))


def vector_sum(
    total: Ints,
    c: VectorParams,
    r: Ints | None = None,
    r_shift: int = 0,
    r1: Ints | None = None,
    r1_shift: int = 0,
) -> Ints:
    """The sum v of a layer, from its accumulator S and its shortcuts.

    v = rsr(alpha*rsr(S, acc_shift), alpha_shift) + beta + (r << r_shift) + (r1 << r1_shift).
    """
    v = rsr(c.alpha * rsr(total, c.acc_shift), c.alpha_shift) + c.beta
    if r is not None:
        v = v + (r << r_shift)
    if r1 is not None:
        v = v + (r1 << r1_shift)
    return v


def vector_output(v: Ints, c: VectorParams, pair: AffinePair) -> VectorOutput:
    """Output y = sat(rsr(m*t, out_shift) + q): t = sat18(v - bias_x), m = p if t >= 0 else n."""
    wide_t = v - c.bias_x
    t = saturate(wide_t, T_BITS)
    m = t.__array_namespace__().where(t >= 0, pair.p, pair.n)
    wide_y = rsr(m * t, c.out_shift) + pair.q
    y = saturate(wide_y, c.out_bits)
    return VectorOutput(y, wide_t != t, wide_y != y)


def reciprocal(g: int) -> int:
    """round(2**15 / g), half up: the multiplier of a mean of g values."""
    return ((1 << (RECIPROCAL_SHIFT + 1)) + g) // (2 * g)


def channel_mean(x: Ints, cout: int) -> Ints:
    """Mean of g = C // cout consecutive channels; channels from g*cout on are dropped."""
    g = x.shape[-1] // cout
    total = x[..., : g * cout : g]
    for i in range(1, g):
        total = total + x[..., i : g * cout : g]
    return rsr(total * reciprocal(g), RECIPROCAL_SHIFT)


def zero_extend(x: Ints, cout: int) -> Ints:
    """Channels C..cout-1 appended as zeros."""
    widths = ((0, 0),) * (x.ndim - 1) + ((0, cout - x.shape[-1]),)
    return x.__array_namespace__().pad(x, widths)


def tile_channels(x: Ints, cout: int) -> Ints:
    """Output channel o reads x's channel o mod C."""
    whole, rest = divmod(cout, x.shape[-1])
    return x.__array_namespace__().concatenate([x] * whole + [x[..., :rest]], axis=-1)


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int, int]:
    """(output size, padding before, padding after) of SAME padding along one axis."""
    out = -(-size // stride)
    total = max((out - 1) * stride + kernel - size, 0)
    return out, total // 2, total - total // 2


def pool_mean(sum9: Ints, bits: int) -> Ints:
    """A sum of nine values of `bits` bits to their mean, saturated: 3641/2**15 is a little more than 1/9."""
    return saturate(rsr(sum9 * POOL_RECIPROCAL, RECIPROCAL_SHIFT), bits)


def average_pool(x: Ints, bits: int) -> Ints:
    """3x3 mean of values of `bits` bits with stride 2 and SAME padding, always divided by 9: (..., H', W', C)."""
    out_h, *pad_h = same_padding(x.shape[-3], POOL_SIZE, POOL_STRIDE)
    out_w, *pad_w = same_padding(x.shape[-2], POOL_SIZE, POOL_STRIDE)
    widths = ((0, 0),) * (x.ndim - 3) + (tuple(pad_h), tuple(pad_w), (0, 0))
    padded = x.__array_namespace__().pad(x, widths)
    total = None
    for dy in range(POOL_SIZE):
        for dx in range(POOL_SIZE):
            rows = slice(dy, dy + POOL_STRIDE * (out_h - 1) + 1, POOL_STRIDE)
            columns = slice(dx, dx + POOL_STRIDE * (out_w - 1) + 1, POOL_STRIDE)
            tap = padded[..., rows, columns, :]
            total = tap if total is None else total + tap
    return pool_mean(total, bits)


def space_to_depth(image: Ints, stride: int) -> Ints:
    """(..., H, W, c) -> (..., H/s, W/s, s*s*c), channel (dy*s + dx)*c + ch."""
    *batch, height, width, c = image.shape
    if height % stride or width % stride:
        raise ValueError(f"image of {height}x{width} pixels is not a multiple of stride {stride}")
    split = image.reshape(*batch, height // stride, stride, width // stride, stride, c)
    moved = split.swapaxes(-4, -3)
    return moved.reshape(*batch, height // stride, width // stride, stride * stride * c)


def map_pixels(image: npt.NDArray[np.uint8], table: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """uint8 pixels (..., c) through the table int8[256, c]."""
    return table[image, np.arange(table.shape[1])]
