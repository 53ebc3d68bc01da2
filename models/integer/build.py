"""Assembles the layers of an integer network from real constants and integer weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwflow import numerics
from hwflow.errors import FlowError
from models.config import PokeBNNConfig, PokeConvSpec, Shape
from models.integer import checks
from models.integer.fixed_point import Folded, Reals, ScalarTarget
from models.integer.params import (
    DenseParams,
    InitConvParams,
    PokeConvParams,
    ScalarParams,
    SEParams,
)

Int8 = npt.NDArray[np.int8]
LOGIT_BITS = 24
DENSE_LIMIT = 127
POSITIVE_STEPS = 16
"""Levels of a 4-bit positive quantiser: level = floor(16 * x / bound), at most 15."""


@dataclass(frozen=True, kw_only=True)
class Exponents:
    """Exponents of a PokeConv's tensors; block is that of the block's input."""

    block: int
    input: int
    v: int
    output: int


def mean_params(
    layer: str, shape: Shape, exponent: int, bound: float | Reals, limit: int, bits: int
) -> ScalarParams:
    """Mean over H*W of a tensor with `exponent`, quantised so that `bound` becomes `limit`.

    bound: of all channels, or float64[C]. bits: width of the tensor's elements.
    """
    pixels = shape[0] * shape[1]
    gain = limit / (np.atleast_1d(bound) * pixels * 2.0**exponent)
    target = ScalarTarget(
        gain=gain,
        offset=np.zeros_like(gain),
        acc_max=checks.stored_max(bits) * pixels - 1,
        lo=-limit,
        hi=limit,
        nearest=True,
    )
    return target.params(layer, acc_shift=checks.mean_shift(pixels, bits))


@dataclass(frozen=True, kw_only=True)
class RealSE:
    """SE with integer weights and real scales (float64, one per output of each layer).

    The mean is quantised to act_bits so that `bound` (of all channels, or float64[Cin]) becomes 7
    or 127. Hidden level = floor(gain1 * sum + offset1) in 0..15, s = gain2 * sum + offset2 in 0..1.
    """

    bound: float | Reals
    act_bits: int
    fc1_weights: Int8
    gain1: Reals
    offset1: Reals
    fc2_weights: Int8
    gain2: Reals
    offset2: Reals
    weight_bits: int = 4

    def params(self, layer: str, shape: Shape, exponent: int, bits: int) -> SEParams:
        """Integer constants for an input of `shape` with `exponent`, whose elements have `bits` bits."""
        limit = (1 << (self.act_bits - 1)) - 1
        fc1 = ScalarTarget(
            gain=self.gain1,
            offset=self.offset1,
            acc_max=column_sum_max(self.fc1_weights, limit),
            lo=0,
            hi=checks.HIDDEN_MAX,
            nearest=False,
        )
        fc2 = ScalarTarget(
            gain=self.gain2 * numerics.SE_ONE,
            offset=self.offset2 * numerics.SE_ONE,
            acc_max=column_sum_max(self.fc2_weights, checks.HIDDEN_MAX),
            lo=0,
            hi=numerics.SE_ONE,
            nearest=True,
        )
        return SEParams(
            mean=mean_params(f"{layer} SE mean", shape, exponent, self.bound, limit, bits),
            fc1_weights=self.fc1_weights,
            fc1=fc1.params(f"{layer} SE fc1"),
            fc2_weights=self.fc2_weights,
            fc2=fc2.params(f"{layer} SE fc2"),
            act_bits=self.act_bits,
            weight_bits=self.weight_bits,
        )


def column_sum_max(weights: Int8, limit: int) -> int:
    """Largest |sum| of any output for inputs of magnitude `limit`; the last axis is the output."""
    absolute = np.abs(weights.astype(np.int64))
    return limit * int(absolute.sum(axis=tuple(range(weights.ndim - 1))).max())


def depth_weights(weights: Int8, stride: int) -> Int8:
    """Weights (k, k, c, O) of a VALID convolution for its input after space-to-depth."""
    k, _, c, cout = weights.shape
    if k % stride:
        raise FlowError(
            f"init_conv: kernel {k} is not a multiple of its stride {stride}, which the integer "
            "network needs"
        )
    split = weights.reshape(k // stride, stride, k // stride, stride, c, cout)
    moved = split.transpose(0, 2, 1, 3, 4, 5)
    return np.ascontiguousarray(moved.reshape(k // stride, k // stride, stride**2 * c, cout))


def first_init_params(
    config: PokeBNNConfig, weights: Int8, folded: Folded, v_scale: float, y_scale: Reals | float
) -> InitConvParams:
    """PokeInit's first convolution; weights int8[k, k, c, O] as in the float model."""
    height, width, c = config.image_shape
    s = config.init_stride
    if height % s or width % s:
        raise FlowError(
            f"{config.name}: image of {height}x{width} pixels is not a multiple of init_stride "
            f"{s}, which the integer network needs"
        )
    return InitConvParams(
        name="init_conv",
        kernel=config.init_kernel // s,
        groups=1,
        padding="VALID",
        in_shape=(height // s, width // s, s * s * c),
        out_shape=config.init_shape,
        weights=depth_weights(weights, s),
        vector=folded.params("init_conv", v_scale, y_scale, checks.S8_BITS),
    )


def second_init_params(
    config: PokeBNNConfig,
    weights: Int8,
    folded: Folded,
    v_scale: float,
    y_scale: Reals | float,
    bits: int,
) -> InitConvParams:
    """PokeInit's second convolution, whose output has `bits` bits; weights int8[3, 3, 1, O]."""
    return InitConvParams(
        name="init_conv_group",
        kernel=weights.shape[0],
        groups=config.init_channels,
        padding="SAME",
        in_shape=config.init_shape,
        out_shape=config.init_out_shape,
        weights=weights,
        vector=folded.params("init_conv_group", v_scale, y_scale, bits),
    )


def conv_params(
    spec: PokeConvSpec,
    exponents: Exponents,
    weights: npt.NDArray[np.bool_],
    folded: Folded,
    se: RealSE,
    bits: int,
) -> PokeConvParams:
    """A PokeConv of the architecture `spec`, whose stored elements have `bits` bits."""
    cin, cout = spec.in_shape[2], spec.out_shape[2]
    long = spec.r1_shape
    return PokeConvParams(
        name=spec.name,
        block=spec.block,
        index=spec.j,
        kernel=spec.kernel,
        stride=spec.stride,
        in_shape=spec.in_shape,
        out_shape=spec.out_shape,
        weights=weights,
        vector=folded.params(spec.name, 2.0**exponents.v, 2.0**exponents.output, bits),
        se=se.params(spec.name, spec.in_shape, exponents.input, bits),
        r_shift=exponents.v - exponents.input,
        local="mean" if cin > cout else "pad" if cin < cout else "identity",
        local_group=max(cin // cout, 1),
        pool_local=spec.in_shape[:2] != spec.out_shape[:2],
        r1_shift=None if long is None else exponents.v - exponents.block,
        long_channels=None if long is None else long[2],
        pool_long=long is not None and long[:2] != spec.out_shape[:2],
        in_exponent=exponents.input,
        out_exponent=exponents.output,
        v_exponent=exponents.v,
    )


def dense_params(
    *,
    shape: Shape,
    exponent: int,
    bound: float,
    weights: Int8,
    gain: Reals,
    bias: Reals,
    logit_exponent: int,
    bits: int,
) -> DenseParams:
    """The last mean (bound becomes 127) of elements of `bits` bits, and the dense layer: logit = gain * sum + bias."""
    lo, hi = numerics.signed_range(LOGIT_BITS)
    target = ScalarTarget(
        gain=gain * 2.0**logit_exponent,
        offset=bias * 2.0**logit_exponent,
        acc_max=column_sum_max(weights, DENSE_LIMIT),
        lo=lo,
        hi=hi,
        nearest=True,
    )
    return DenseParams(
        mean=mean_params("dense mean", shape, exponent, bound, DENSE_LIMIT, bits),
        weights=weights,
        logits=target.params("dense"),
        logit_exponent=logit_exponent,
    )
