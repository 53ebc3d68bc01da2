"""Float variables to folded real constants and integer weights, layer by layer.

Formulas: docs/numerics.md; variable names and quantisers: models/float. Bounds shared by a whole
tensor map exactly to integer scales. Of bounds per channel (networks trained elsewhere) those of
the image and of the SE's hidden values are folded into the weights before these are quantised, and
those of a spatial mean are replaced by their largest, because a mean has one scale per layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from hwflow.errors import FlowError
from models.config import BINARY_SCALE, BN_EPSILON, PokeBNNConfig, PokeConvSpec
from models.float.network import DENSE_NAME
from models.float.quantisers import BOUND_EPSILON, channel_maximum, weight_levels
from models.integer.build import POSITIVE_STEPS, RealSE
from models.integer.checks import S8_MAX
from models.integer.fixed_point import Folded, Reals

Int8 = npt.NDArray[np.int8]
INIT_LIMIT = 127
SE_BITS = 4
"""Width of the SE's weights as trained."""
SE_LIMIT = 7
RELU6_OFFSET, RELU6_RANGE = 3.0, 6.0


@dataclass(frozen=True, kw_only=True)
class FoldedInit:
    """A PokeInit convolution: integer weights as in the float model and its real constants.

    in_scale, float64[Cin]: level of an input value x is floor(x * in_scale + 1/2).
    """

    weights: Int8
    folded: Folded
    in_scale: Reals


@dataclass(frozen=True, kw_only=True)
class FoldedDense:
    """Dense weights int8[C, classes]; logit = gain * sum + bias, features to 127 at `bound`."""

    weights: Int8
    gain: Reals
    bias: Reals
    bound: float


@dataclass(frozen=True, kw_only=True)
class FoldedConv:
    """A PokeConv's binary weights (True is +1) and real constants, without its SE."""

    weights: npt.NDArray[np.bool_]
    folded: Folded


class Variables:
    """Access to nested variables as float64 arrays, by their path below a collection."""

    def __init__(self, config: PokeBNNConfig, variables: Mapping[str, Any]) -> None:
        self.config = config
        self._variables = variables

    def get(self, collection: str, layer: str, name: str) -> Reals:
        """The array `collection/layer/name`; FlowError when it is missing."""
        try:
            return np.asarray(self._variables[collection][layer][name], np.float64)
        except KeyError as error:
            raise FlowError(
                f"checkpoint: array {collection}/{layer}/{name} is missing; export needs it"
            ) from error

    def bounds(self, layer: str) -> Reals:
        """Activation bounds of a layer with the quantiser's epsilon, float64[1] or [Cin]."""
        try:
            stored = self._variables["get_bounds"][layer]["GetBounds_0"]["bounds"]
        except KeyError as error:
            raise FlowError(
                f"checkpoint: get_bounds/{layer}/GetBounds_0/bounds is missing; export needs it"
            ) from error
        bounds = np.asarray(stored, np.float64).ravel()
        if np.all(bounds == -1):
            raise FlowError(f"checkpoint: the bounds of {layer} are not set; train or set them")
        return np.maximum(bounds, 0.0) + BOUND_EPSILON

    def batch_norm(self, layer: str) -> tuple[Reals, Reals]:
        """Slope a and offset b of a batch norm in inference: a*x + b."""
        a = self.get("params", layer, "scale") / np.sqrt(
            self.get("batch_stats", layer, "var") + BN_EPSILON
        )
        return a, self.get("params", layer, "bias") - a * self.get("batch_stats", layer, "mean")

    def levels(self, layer: str, bits: int, input_scale: Reals) -> tuple[Int8, Reals]:
        """(integer kernel, real value of one step, per output) of weights times input_scale.

        input_scale is float64[1], taken into the step so that the levels stay the trained ones,
        or float64[Cin], folded into the weights.
        """
        kernel = self.get("params", layer, "kernel")
        if input_scale.size == 1:
            found, t = weight_levels(jnp.asarray(kernel, jnp.float32), bits)
            step = input_scale[0] / np.asarray(t, np.float64).ravel()
            return np.asarray(found).astype(np.int8), step
        limit = 2 ** (bits - 1) - 1
        rounded = np.asarray(jnp.asarray(kernel, jnp.bfloat16), np.float64)
        scaled = rounded * input_scale[:, None]
        largest = np.abs(scaled).max(axis=tuple(range(scaled.ndim - 1)))
        step = np.maximum(largest, BOUND_EPSILON * input_scale.min()) / limit
        return np.floor(np.clip(scaled / step, -limit, limit) + 0.5).astype(np.int8), step

    def folded_levels(self, layer: str, input_scale: Reals) -> tuple[Int8, Reals]:
        """(8-bit kernel, real value of one step, per output) of the trained 4-bit weights times input_scale.

        input_scale is float64[Cin]; 8 bits keep what 4 bits of the product would lose.
        """
        kernel = jnp.asarray(self.get("params", layer, "kernel"), jnp.float32)
        found, t = weight_levels(kernel, SE_BITS)
        real = np.asarray(found, np.float64) / np.asarray(t, np.float64)
        scaled = real * input_scale[:, None]
        largest = np.abs(scaled).max(axis=tuple(range(scaled.ndim - 1)))
        step = np.maximum(largest, BOUND_EPSILON * input_scale.min()) / INIT_LIMIT
        return np.floor(scaled / step + 0.5).astype(np.int8), step


def fold_init(variables: Variables, index: int) -> FoldedInit:
    """PokeInit's first (0) or second (1) convolution with its batch norm and DPReLU."""
    layer, norm = (("init_conv", "init_bn"), ("init_conv_group", "init_bn_group"))[index]
    in_scale = INIT_LIMIT / variables.bounds(layer)
    if index == 0:
        weights, step = variables.levels(layer, 8, 1.0 / in_scale)
    else:
        # Every output reads one input channel, so a bound per channel stays exact.
        weights, step = variables.levels(layer, 8, np.ones(1))
        outputs = weights.shape[-1] // variables.config.init_channels
        step = step / (np.repeat(in_scale, outputs) if in_scale.size > 1 else in_scale)
    a, b = variables.batch_norm(norm)
    slopes = {
        name: variables.get("params", f"DPReLU_{index}", name)
        for name in ("bias_x", "bias_y", "pos_slope", "neg_slope")
    }
    folded = Folded(
        gain=step * a,
        beta=b,
        bias_x=slopes["bias_x"],
        pos=slopes["pos_slope"],
        neg=slopes["neg_slope"],
        # Without SE the two offsets add up, and are rounded once.
        bias_y=np.zeros_like(a),
        offset=-slopes["bias_y"],
        sum_max=S8_MAX * np.abs(weights.astype(np.int64)).sum(axis=(0, 1, 2)),
    )
    return FoldedInit(weights=weights, folded=folded, in_scale=in_scale)


def fold_conv(variables: Variables, spec: PokeConvSpec) -> FoldedConv:
    """A PokeConv's binary convolution, both batch norms and DPReLU."""
    kernel = jnp.asarray(variables.get("params", spec.conv_name, "kernel"), jnp.float32)
    largest = np.asarray(channel_maximum(kernel), np.float64).ravel()
    a1, b1 = variables.batch_norm(spec.bn_name)
    a2, b2 = variables.batch_norm(spec.bn2_name)
    folded = Folded(
        gain=BINARY_SCALE * largest * a1,
        beta=b1,
        bias_x=variables.get("params", spec.dprelu_name, "bias_x"),
        pos=variables.get("params", spec.dprelu_name, "pos_slope") * a2,
        neg=variables.get("params", spec.dprelu_name, "neg_slope") * a2,
        bias_y=variables.get("params", spec.dprelu_name, "bias_y") * a2,
        offset=b2,
        sum_max=np.full(largest.shape, spec.kernel**2 * spec.in_shape[2]),
    )
    return FoldedConv(weights=np.asarray(kernel.astype(jnp.bfloat16) >= 0), folded=folded)


def _alive(bounds: Reals) -> Reals:
    """Bounds of 0 replaced by 1: values that were always 0 stay 0 on any grid."""
    return np.where(bounds > 2 * BOUND_EPSILON, bounds, 1.0)


def fold_se(
    variables: Variables, spec: PokeConvSpec, act_bits: int, weight_bits: int = SE_BITS
) -> RealSE:
    """A PokeConv's squeeze-and-excite, its mean quantised to act_bits (4 or 8) bits.

    weight_bits 8: activations are the trained 4-bit levels of every channel, whose bounds are folded
    into 8-bit weights; act_bits must be 4.
    """
    bounds = _alive(variables.bounds(spec.se1_name))
    hidden = _alive(variables.bounds(spec.se2_name)) / POSITIVE_STEPS
    bound: float | Reals
    if weight_bits == SE_BITS:
        bound = bounds.max().item()
        limit = (1 << (act_bits - 1)) - 1
        fc1, step1 = variables.levels(spec.se1_name, SE_BITS, np.array([bound / limit]))
        fc2, step2 = variables.levels(spec.se2_name, SE_BITS, hidden)
    else:
        bound = bounds
        fc1, step1 = variables.folded_levels(
            spec.se1_name, np.broadcast_to(bounds / SE_LIMIT, (spec.in_shape[2],))
        )
        fc2, step2 = variables.folded_levels(
            spec.se2_name, np.broadcast_to(hidden, (spec.se_hidden,))
        )
    bias1 = variables.get("params", spec.se1_name, "bias")
    bias2 = variables.get("params", spec.se2_name, "bias")
    # The hidden values' own scale is that of their channel, which is an output of the first layer.
    return RealSE(
        bound=bound,
        act_bits=act_bits,
        fc1_weights=fc1.reshape(spec.in_shape[2], spec.se_hidden),
        gain1=step1 / hidden,
        offset1=bias1 / hidden,
        fc2_weights=fc2.reshape(spec.se_hidden, spec.out_shape[2]),
        gain2=step2 / RELU6_RANGE,
        offset2=(bias2 + RELU6_OFFSET) / RELU6_RANGE,
        weight_bits=weight_bits,
    )


def fold_dense(variables: Variables) -> FoldedDense:
    """The dense layer."""
    bound = float(variables.bounds(DENSE_NAME).max())
    weights, step = variables.levels(DENSE_NAME, 8, np.array([bound / INIT_LIMIT]))
    bias = variables.get("params", DENSE_NAME, "bias")
    return FoldedDense(weights=weights, gain=step, bias=bias, bound=bound)
