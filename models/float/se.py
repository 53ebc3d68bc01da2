"""Squeeze-and-excite: a per-channel scale computed from the mean of the convolution's input."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from models.config import PokeConvSpec
from models.float.mode import Mode
from models.float.quant_layers import QuantConv

BITS = 4


def spatial_mean(x: jax.Array) -> jax.Array:
    """Mean over H, then over W, each rounded to x's type: (N, 1, 1, C)."""
    return jnp.mean(jnp.mean(x, axis=1, keepdims=True), axis=2, keepdims=True)


def hard_sigmoid(v: jax.Array) -> jax.Array:
    """relu6(v + 3) / 6 in v's type."""
    three = jnp.asarray(3.0, v.dtype)
    six = jnp.asarray(6.0, v.dtype)
    return jnp.clip(v + three, jnp.zeros((), v.dtype), six) / six


def squeeze_excite(r: jax.Array, spec: PokeConvSpec, mode: Mode, per_channel: bool) -> jax.Array:
    """Scale s of shape (N, 1, 1, Cout) in 0..1 from the convolution input r (N, H, W, Cin).

    Two 4-bit 1x1 convolutions: the first quantises its input symmetric (-7..7), the second
    positive (0..15). Called inside a compact module, which owns their variables.
    """

    def layer(name: str, features: int, symmetric: bool) -> nn.Module:
        return QuantConv(
            mode=mode,
            features=features,
            kernel=1,
            stride=1,
            padding="VALID",
            bits=BITS,
            per_channel=per_channel,
            sign="symmetric" if symmetric else "positive",
            use_bias=True,
            name=name,
        )

    hidden = nn.relu(layer(spec.se1_name, spec.se_hidden, symmetric=True)(spatial_mean(r)))
    return hard_sigmoid(layer(spec.se2_name, spec.out_shape[2], symmetric=False)(hidden))
