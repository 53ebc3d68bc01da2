"""Fake quantisers with straight-through gradients (values stay floating point).

Weights are rounded to bfloat16 first, whatever the activation type, so that storing a kernel as
bfloat16 changes no inference result. Rounding is half up: floor(x + 0.5). Formulas: the public
PokeBNN reference code (google/aqt, `aqt/jax_legacy`).
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from models.config import BINARY_ACTIVATION, BINARY_WEIGHT

BOUND_EPSILON = 2.0**-23
"""Added to every quantisation bound, so that an all-zero tensor has a finite scale."""


def channel_maximum(w: jax.Array) -> jax.Array:
    """M_o = max|bf16(w)| of every output channel (last axis), float32, shape (1, .., 1, O)."""
    rounded = jnp.abs(w.astype(jnp.bfloat16)).astype(jnp.float32)
    return jnp.max(rounded, axis=tuple(range(w.ndim - 1)), keepdims=True)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def binarise_activation(x: jax.Array, clip_bound: float) -> jax.Array:
    """+1.5 where x >= 0 (-0.0 included), else -1.5; gradient 1 where |x| <= clip_bound, else 0."""
    return jnp.where(x >= 0, BINARY_ACTIVATION, -BINARY_ACTIVATION).astype(x.dtype)


def _binarise_activation_forward(x: jax.Array, clip_bound: float) -> tuple[jax.Array, jax.Array]:
    return binarise_activation(x, clip_bound), jnp.abs(x) <= clip_bound


def _binarise_activation_backward(
    clip_bound: float, passes: jax.Array, gradient: jax.Array
) -> tuple[jax.Array]:
    return (jnp.where(passes, gradient, 0),)


binarise_activation.defvjp(_binarise_activation_forward, _binarise_activation_backward)


@jax.custom_vjp
def binarise_weight(w: jax.Array) -> jax.Array:
    """+-0.5 * max|w| of the output channel (last axis), float32; sign(0) is +1; gradient 1."""
    magnitude = BINARY_WEIGHT * channel_maximum(w)
    return jnp.where(w.astype(jnp.bfloat16) >= 0, magnitude, -magnitude)


binarise_weight.defvjp(lambda w: (binarise_weight(w), None), lambda _, gradient: (gradient,))


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def quantise_weight(w: jax.Array, bits: int) -> jax.Array:
    """Symmetric weights of `bits` bits, one scale per output channel (last axis), float32.

    Integer levels are -L..L, L = 2**(bits-1) - 1; the value returned is level / t with
    t = L / (M_o + eps). The gradient is 1.
    """
    levels, t = weight_levels(w, bits)
    return levels / t


quantise_weight.defvjp(
    lambda w, bits: (quantise_weight(w, bits), None), lambda bits, _, gradient: (gradient,)
)


def weight_levels(w: jax.Array, bits: int) -> tuple[jax.Array, jax.Array]:
    """(integer levels as float32, scale t of shape (1, .., 1, O)) of a symmetric weight."""
    limit = float(2 ** (bits - 1) - 1)
    t = limit / (channel_maximum(w) + BOUND_EPSILON)
    rounded = w.astype(jnp.bfloat16).astype(jnp.float32)
    return jnp.floor(jnp.clip(rounded * t, -limit, limit) + 0.5), t


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def quantise_symmetric(x: jax.Array, bound: jax.Array, bits: int) -> jax.Array:
    """Signed activations of `bits` bits in -bound..bound; gradient 1 inside the bound, else 0."""
    limit = float(2 ** (bits - 1) - 1)
    t = limit / (bound + BOUND_EPSILON)
    levels = jnp.floor(jnp.clip(x.astype(jnp.float32) * t, -limit, limit) + 0.5)
    return (levels / t).astype(x.dtype)


quantise_symmetric.defvjp(
    lambda x, bound, bits: (quantise_symmetric(x, bound, bits), (jnp.abs(x) <= bound, bound)),
    lambda bits, saved, gradient: (jnp.where(saved[0], gradient, 0), jnp.zeros_like(saved[1])),
)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def quantise_positive(x: jax.Array, bound: jax.Array, bits: int) -> jax.Array:
    """Unsigned activations of `bits` bits: level = clip(floor(x * 2**bits / bound), 0, 2**bits-1).

    The level rounds down, as in the reference code. Gradient 1 for 0 <= x <= bound, else 0.
    """
    steps = float(2**bits)
    t = steps / (bound + BOUND_EPSILON)
    levels = jnp.clip(jnp.floor(x.astype(jnp.float32) * t), 0.0, steps - 1.0)
    return (levels / t).astype(x.dtype)


quantise_positive.defvjp(
    lambda x, bound, bits: (
        quantise_positive(x, bound, bits),
        ((x >= 0) & (x <= bound), bound),
    ),
    lambda bits, saved, gradient: (jnp.where(saved[0], gradient, 0), jnp.zeros_like(saved[1])),
)
