"""Shortcuts without projection: channels are averaged, padded or tiled, then space is pooled."""

from __future__ import annotations

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

POOL = 3
Widen = Literal["zero_pad", "tile"]


def channel_mean(r: jax.Array, features: int) -> jax.Array:
    """Output o is the mean of the g = C // features consecutive channels o*g .. o*g+g-1.

    Computed as a product with a constant matrix (exact sums in float32), rounded once.
    """
    group = r.shape[-1] // features
    matrix = np.zeros((r.shape[-1], features), np.float32)
    for o in range(features):
        matrix[o * group : (o + 1) * group, o] = 1.0
    total = jnp.dot(r.astype(jnp.float32), matrix, preferred_element_type=jnp.float32)
    return (total / group).astype(r.dtype)


def widen(r: jax.Array, features: int, how: Widen) -> jax.Array:
    """More channels: zeros appended, or output o reads r[o mod C] for any ratio."""
    channels = r.shape[-1]
    if how == "zero_pad":
        return jnp.pad(r, ((0, 0), (0, 0), (0, 0), (0, features - channels)))
    copies = [r] * (features // channels)
    if features % channels:
        copies.append(r[..., : features % channels])
    return jnp.concatenate(copies, axis=-1)


def average_pool(r: jax.Array, stride: int) -> jax.Array:
    """3x3 average pool, SAME, always divided by 9 (padding counted).

    The nine terms are added in r's type, in the order that the backend's window reduction takes.
    """
    return nn.avg_pool(r, (POOL, POOL), (stride, stride), "SAME")


def reshape_add(y: jax.Array, r: jax.Array, how: Widen) -> jax.Array:
    """Sum of y and r with r brought to y's channels first and then to its size, rounded to y's type."""
    features = y.shape[-1]
    if r.shape[-1] > features:
        r = channel_mean(r, features)
    # Pooling works on each channel alone: before widening it gives the same values for less work.
    if r.shape[1:3] != y.shape[1:3]:
        r = average_pool(r, stride=2)
    if r.shape[-1] < features:
        r = widen(r, features, how)
    return y + r
