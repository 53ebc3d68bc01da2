"""The integer network of a trained float network: fold, calibrate, choose exponents, quantise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hwflow.errors import FlowError
from hwflow.numerics import RESIDUAL_BITS, STORED_BITS
from models.config import PokeBNNConfig
from models.integer.build import (
    LOGIT_BITS,
    conv_params,
    dense_params,
    first_init_params,
    second_init_params,
)
from models.integer.calibrate import calibrate, set_missing_bounds
from models.integer.checks import SE_ACT_BITS, SE_WEIGHT_BITS
from models.integer.exponents import choose, exponent_below, init_v_exponent
from models.integer.fixed_point import Reals
from models.integer.fold import (
    INIT_LIMIT,
    FoldedDense,
    Variables,
    fold_conv,
    fold_dense,
    fold_init,
    fold_se,
)
from models.integer.params import DenseParams, IntegerNetwork, Shape

MOST_SE_BITS = 12
"""Bits of activation and weight together: one of them may have 8."""
LOGIT_FRACTION = 14
"""Most fractional bits of a logit: finer steps change no ranking."""


def input_table(config: PokeBNNConfig, scale: Reals) -> npt.NDArray[np.int8]:
    """int8[256, c]: the quantised normalised value of every pixel value, half up."""
    pixels = np.arange(256.0)[:, None]
    mean, std = 255.0 * np.asarray(config.mean), 255.0 * np.asarray(config.std)
    levels = np.clip((pixels - mean) / std * scale, -INIT_LIMIT, INIT_LIMIT)
    return np.floor(levels + 0.5).astype(np.int8)


def export_network(
    config: PokeBNNConfig,
    variables: Mapping[str, Any],
    images: npt.NDArray[np.uint8],
    *,
    se_act_bits: int = 4,
    se_weight_bits: int = 4,
    residual_bits: int = STORED_BITS,
) -> IntegerNetwork:
    """Builds and validates the integer network of a float checkpoint.

    images: uint8 (N, H, W, c) for calibration, some hundreds. se_act_bits: width of the SE's
    input, 4 as trained, or 8 for a network whose bounds per channel a 4-bit mean cannot follow.
    se_weight_bits: 4 as trained, or 8 (with se_act_bits 4) for bounds per channel: the trained
    activation levels of every channel, the bounds folded into the weights.
    residual_bits: width of every stored element, 8..16.
    Raises FlowError when the images do not fit, an array is missing, or a range cannot be met.
    """
    if images.dtype != np.uint8 or images.shape[1:] != config.image_shape or not len(images):
        raise FlowError(
            f"calibration images are {images.dtype} {images.shape}; network {config.name} takes "
            f"uint8 (N, {', '.join(map(str, config.image_shape))})"
        )
    if se_act_bits not in SE_ACT_BITS:
        raise FlowError(
            f"SE input of {se_act_bits} bits: expected {' or '.join(map(str, SE_ACT_BITS))}"
        )
    if se_weight_bits not in SE_WEIGHT_BITS or se_act_bits + se_weight_bits > MOST_SE_BITS:
        raise FlowError(
            f"SE weights of {se_weight_bits} bits with an input of {se_act_bits}: expected 4, or 8 "
            "with an input of 4"
        )
    if residual_bits not in RESIDUAL_BITS:
        raise FlowError(
            f"stored elements of {residual_bits} bits: expected {RESIDUAL_BITS.start}..{RESIDUAL_BITS[-1]}"
        )
    variables = set_missing_bounds(config, variables, images)
    source = Variables(config, variables)
    first, second = fold_init(source, 0), fold_init(source, 1)
    convs = {spec.name: fold_conv(source, spec) for spec in config.poke_convs()}
    folded = {name: conv.folded for name, conv in convs.items()}
    ranges = calibrate(config, variables, folded, images)
    f_init, exponents = choose(config, second.folded, folded, ranges, residual_bits)
    per_image_channel = np.broadcast_to(first.in_scale, (config.image_channels,))
    s8_scale = np.broadcast_to(second.in_scale, (config.init_channels,))
    first_folded = first.folded.with_whole_offset(s8_scale)
    network = IntegerNetwork(
        name=config.name,
        image_shape=config.image_shape,
        input_table=input_table(config, per_image_channel),
        init_stride=config.init_stride,
        init=(
            first_init_params(
                config,
                first.weights,
                first_folded,
                2.0 ** init_v_exponent(first_folded),
                s8_scale,
            ),
            second_init_params(
                config,
                second.weights,
                second.folded,
                2.0 ** init_v_exponent(second.folded),
                2.0**f_init,
                residual_bits,
            ),
        ),
        convs=tuple(
            conv_params(
                spec,
                exponents[spec.name],
                convs[spec.name].weights,
                folded[spec.name],
                fold_se(source, spec, se_act_bits, se_weight_bits),
                residual_bits,
            )
            for spec in config.poke_convs()
        ),
        dense=_dense(
            fold_dense(source),
            config.poke_convs()[-1].out_shape,
            exponents[config.poke_convs()[-1].name].output,
            residual_bits,
        ),
        classes=config.classes,
    )
    network.validate()
    return network


def _dense(dense: FoldedDense, shape: Shape, exponent: int, bits: int) -> DenseParams:
    sums = INIT_LIMIT * np.abs(dense.weights.astype(np.int64)).sum(axis=0)
    largest = float(np.max(dense.gain * sums + np.abs(dense.bias)))
    limit = (1 << (LOGIT_BITS - 1)) - 1
    return dense_params(
        shape=shape,
        exponent=exponent,
        bound=dense.bound,
        weights=dense.weights,
        gain=dense.gain,
        bias=dense.bias,
        logit_exponent=min(exponent_below(limit, largest), LOGIT_FRACTION),
        bits=bits,
    )
