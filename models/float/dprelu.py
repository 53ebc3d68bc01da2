"""DPReLU: a leaky rectifier with learnt offsets and slopes per channel."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from models.float.mode import Mode


class DPReLU(nn.Module):
    """t = x - bias_x; y = (t >= 0 ? pos_slope : neg_slope) * t - bias_y, float32, rounded once."""

    mode: Mode

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Applied to x (..., C)."""
        shape = (x.shape[-1],)
        bias_x = self.param("bias_x", nn.initializers.zeros, shape)
        bias_y = self.param("bias_y", nn.initializers.zeros, shape)
        negative = self.param("neg_slope", nn.initializers.constant(0.25), shape)
        positive = self.param("pos_slope", nn.initializers.ones, shape)
        t = x.astype(jnp.float32) - bias_x
        y = jnp.where(t >= 0, positive, negative) * t - bias_y
        return y.astype(self.mode.dtype)
