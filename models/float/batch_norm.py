"""Batch normalisation over every axis but the last."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from models.config import BN_EPSILON
from models.float.mode import Mode


class BatchNorm(nn.Module):
    """y = (x - mean) * (rsqrt(var + 1e-5) * scale) + bias in float32, rounded once to the mode's type.

    In training mean and var (biased) are the batch's, and their running averages, in the
    collection `batch_stats`, are updated; otherwise the running averages are used.
    zero_scale: initialise scale to 0 instead of 1.
    """

    mode: Mode
    zero_scale: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Normalises x (..., C)."""
        shape = (x.shape[-1],)
        start = nn.initializers.zeros if self.zero_scale else nn.initializers.ones
        scale = self.param("scale", start, shape)
        bias = self.param("bias", nn.initializers.zeros, shape)
        running_mean = self.variable("batch_stats", "mean", lambda: jnp.zeros(shape))
        running_var = self.variable("batch_stats", "var", lambda: jnp.ones(shape))
        x = x.astype(jnp.float32)
        if self.mode.train and not self.is_initializing():
            axes = tuple(range(x.ndim - 1))
            mean = jnp.mean(x, axis=axes)
            var = jnp.maximum(jnp.mean(x * x, axis=axes) - mean * mean, 0.0)
            keep = self.mode.momentum
            running_mean.value = keep * running_mean.value + (1 - keep) * mean
            running_var.value = keep * running_var.value + (1 - keep) * var
        else:
            mean, var = running_mean.value, running_var.value
        y = (x - mean) * (jax.lax.rsqrt(var + BN_EPSILON) * scale) + bias
        return y.astype(self.mode.dtype)
