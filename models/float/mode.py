"""How a network is evaluated: activation type, training or inference."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike


@dataclass(frozen=True, kw_only=True)
class Mode:
    """Evaluation mode shared by every module of a network.

    dtype: type of every stored activation: bfloat16 is the definition, float32 is what training
    uses (same formulas, fewer roundings). train: batch norm uses and updates batch statistics.
    update_bounds: activation bounds of the 8- and 4-bit layers follow their running average;
    otherwise they are frozen. momentum: of the running batch statistics.
    """

    dtype: DTypeLike = jnp.bfloat16
    train: bool = False
    update_bounds: bool = False
    momentum: float = 0.9


def barrier(x: jax.Array) -> jax.Array:
    """Keeps XLA from recomputing x in every consumer (see `models.train.xla`); x unchanged."""
    return jax.lax.optimization_barrier(x)
