"""Activation bounds of the 8- and 4-bit layers, learnt as a running average of batch extremes."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from models.float.mode import Mode

AVERAGE_RATE = 0.1
"""Weight of a new batch in the exponential average, once 1/n has fallen below it."""


class GetBounds(nn.Module):
    """Holds `bounds` and its statistics in the collection `get_bounds`.

    per_channel: one bound per channel (last axis), else one for the whole tensor. A bound of -1
    means not yet set. The average starts from the first batch: until 1/n < AVERAGE_RATE it is the
    plain mean. Variables that come without statistics, as a checkpoint does, stay as they are. Returns
    the bound, float32, shape (1, .., 1, C) or (1, .., 1, 1).
    """

    mode: Mode
    per_channel: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Bound of x (..., C), after this batch has entered the average when it is updated."""
        kept = x.shape[-1] if self.per_channel else 1
        shape = (1,) * (x.ndim - 1) + (kept,)
        bounds = self.variable("get_bounds", "bounds", lambda: jnp.full(shape, -1.0, jnp.float32))
        moving = self.mode.update_bounds and self.has_variable("get_bounds", "stats")
        if moving or self.is_initializing():
            stats = self.variable("get_bounds", "stats", lambda: _empty_statistics(shape))
            if self.is_initializing():
                return bounds.value
            stats.value = _updated_statistics(stats.value, x.astype(jnp.float32), self.per_channel)
            bounds.value = jnp.maximum(
                jnp.abs(stats.value["mean_batch_maximum"]),
                jnp.abs(stats.value["mean_batch_minimum"]),
            )
        return bounds.value


def _empty_statistics(shape: tuple[int, ...]) -> dict[str, Any]:
    return {
        "n": jnp.zeros((), jnp.int32),
        "mean_batch_maximum": jnp.zeros(shape, jnp.float32),
        "mean_batch_minimum": jnp.zeros(shape, jnp.float32),
    }


def _updated_statistics(stats: dict[str, Any], x: jax.Array, per_channel: bool) -> dict[str, Any]:
    axes = tuple(range(x.ndim - 1)) if per_channel else tuple(range(x.ndim))
    n = stats["n"] + 1
    rate = jnp.maximum(AVERAGE_RATE, 1.0 / n)

    def average(name: str, batch: jax.Array) -> jax.Array:
        return stats[name] + rate * (jax.lax.stop_gradient(batch) - stats[name])

    return {
        "n": n,
        "mean_batch_maximum": average("mean_batch_maximum", jnp.max(x, axis=axes, keepdims=True)),
        "mean_batch_minimum": average("mean_batch_minimum", jnp.min(x, axis=axes, keepdims=True)),
    }
