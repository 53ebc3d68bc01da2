"""Binary convolution: one-bit activations times one-bit weights."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from models.float.convolution import convolve
from models.float.mode import Mode, barrier
from models.float.quantisers import binarise_activation, binarise_weight


class BinaryConv(nn.Module):
    """y = bf16(S * 0.75 * max|w|), S the integer sum of (+-1)(+-1) over the valid taps.

    SAME padding; the tensor is padded with zeros after binarisation, so a padded tap contributes
    0. Every partial sum is exact in float32 up to 2**14 taps. S is sown as `intermediates/sum`
    (float32 (N, H', W', features), integer-valued).
    """

    mode: Mode
    features: int
    kernel: int
    stride: int
    clip_bound: float

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Convolves x (N, H, W, Cin) -> (N, H', W', features)."""
        shape = (self.kernel, self.kernel, x.shape[-1], self.features)
        w = self.param("kernel", nn.initializers.lecun_normal(), shape)
        signs = barrier(binarise_activation(x, self.clip_bound))
        weights = binarise_weight(w).astype(self.mode.dtype)
        total = convolve(signs, weights, self.stride, "SAME")
        if self.is_mutable_collection("intermediates"):
            # Not total / scale: a channel whose weights are all zero has scale 0 but a sum.
            x_signs = jnp.where(signs >= 0, 1.0, -1.0)
            w_signs = jnp.where(weights >= 0, 1.0, -1.0)
            sums = convolve(x_signs, w_signs, self.stride, "SAME")
            self.sow("intermediates", "sum", sums)
        return barrier(total.astype(self.mode.dtype))
