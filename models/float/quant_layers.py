"""8-bit and 4-bit convolution and dense layers, fake-quantised."""

from __future__ import annotations

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from models.float.bounds import GetBounds
from models.float.convolution import Padding, convolve, convolve_grouped
from models.float.mode import Mode, barrier
from models.float.quantisers import quantise_positive, quantise_symmetric, quantise_weight

Sign = Literal["symmetric", "positive"]


def quantise_input(x: jax.Array, bound: jax.Array, bits: int, sign: Sign) -> jax.Array:
    """Quantises an activation; a layer whose bounds are all -1 (not set) leaves it as it is."""
    quantise = quantise_symmetric if sign == "symmetric" else quantise_positive
    return jnp.where(jnp.all(bound == -1), x, quantise(x, jnp.maximum(bound, 0.0), bits))


def add_bias(total: jax.Array, bias: jax.Array, mode: Mode) -> jax.Array:
    """Rounds the accumulator, then the sum with the rounded bias, to the mode's type."""
    return (total.astype(mode.dtype) + bias.astype(mode.dtype)).astype(mode.dtype)


class QuantConv(nn.Module):
    """Convolution with `bits`-bit weights and activations.

    groups is 1 or the number of input channels. sign: activations are quantised symmetric
    (-L..L) or positive (0..2**bits-1).
    """

    mode: Mode
    features: int
    kernel: int
    stride: int
    padding: Padding
    bits: int
    per_channel: bool
    sign: Sign = "symmetric"
    groups: int = 1
    use_bias: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Convolves x (N, H, W, I)."""
        shape = (self.kernel, self.kernel, x.shape[-1] // self.groups, self.features)
        w = self.param("kernel", nn.initializers.lecun_normal(), shape)
        bound = GetBounds(self.mode, self.per_channel, name="GetBounds_0")(x)
        x = barrier(quantise_input(x, bound, self.bits, self.sign))
        w = jnp.asarray(quantise_weight(w, self.bits), self.mode.dtype)
        if self.groups == 1:
            total = convolve(x, w, self.stride, self.padding)
        else:
            total = convolve_grouped(x, w, self.stride, self.padding)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
            return add_bias(total, bias, self.mode)
        return barrier(total.astype(self.mode.dtype))


class QuantDense(nn.Module):
    """Dense layer with `bits`-bit weights and symmetric `bits`-bit activations, and a bias."""

    mode: Mode
    features: int
    bits: int
    per_channel: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Applied to x (N, I)."""
        w = self.param("kernel", nn.initializers.lecun_normal(), (x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        bound = GetBounds(self.mode, self.per_channel, name="GetBounds_0")(x)
        x = quantise_input(x, bound, self.bits, "symmetric")
        w = jnp.asarray(quantise_weight(w, self.bits), self.mode.dtype)
        total = jax.lax.dot(x, w, preferred_element_type=jnp.float32)
        return add_bias(total, bias, self.mode)
