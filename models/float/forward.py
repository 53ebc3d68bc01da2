"""The float network applied to uint8 images, compiled once for each configuration and mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax.typing import DTypeLike

from hwflow.errors import FlowError
from models.config import PokeBNNConfig
from models.float.mode import Mode
from models.float.network import PokeBNN, normalise


@dataclass(frozen=True)
class PokeConvResult:
    """What one PokeConv computed for a batch of N images.

    r: its input, (N, *in_shape). sum: the binary convolution's integer sum S, int32
    (N, *out_shape). se: the SE scale in 0..1, (N, 1, 1, Cout). output: what it stores,
    (N, *out_shape). All but `sum` are float32 arrays that hold values of the chosen dtype.
    """

    r: npt.NDArray[np.float32]
    sum: npt.NDArray[np.int32]
    se: npt.NDArray[np.float32]
    output: npt.NDArray[np.float32]


@dataclass(frozen=True)
class ForwardResult:
    """logits (N, classes), PokeInit's output (N, *init_out_shape), every PokeConv by name."""

    logits: npt.NDArray[np.float32]
    poke_init: npt.NDArray[np.float32]
    poke_convs: dict[str, PokeConvResult]


@partial(jax.jit, static_argnames=("config", "mode"))
def apply_with_intermediates(
    config: PokeBNNConfig, mode: Mode, variables: Mapping[str, Any], images: jax.Array
) -> tuple[jax.Array, dict[str, Any]]:
    """(logits, collection `intermediates`) of uint8 images (N, H, W, C); compiled once a mode."""
    x = normalise(images, config, mode)
    result: Any = PokeBNN(config, mode).apply(variables, x, mutable=["intermediates"])
    logits, kept = result
    return logits, kept["intermediates"]


@partial(jax.jit, static_argnames=("config", "mode"))
def apply(
    config: PokeBNNConfig, mode: Mode, variables: Mapping[str, Any], images: jax.Array
) -> jax.Array:
    """Logits (N, classes), in the mode's type, of uint8 images (N, H, W, C)."""
    result: Any = PokeBNN(config, mode).apply(variables, normalise(images, config, mode))
    return result


def forward(
    config: PokeBNNConfig,
    variables: Mapping[str, Any],
    images: npt.NDArray[np.uint8],
    dtype: DTypeLike = jnp.float32,
    *,
    exact: bool = False,
) -> ForwardResult:
    """Runs the float network on uint8 images (N, H, W, C) and keeps the intermediate results.

    dtype: float32 or bfloat16 activations. exact: evaluate operation by operation, so that a
    bfloat16 value is really rounded where the definition says so; compiled code may keep more
    precision. Raises FlowError when the images do not fit the network.
    """
    if images.dtype != np.uint8 or images.shape[1:] != config.image_shape:
        raise FlowError(
            f"images are {images.dtype} {images.shape[1:]}; network {config.name!r} needs "
            f"uint8 {config.image_shape}"
        )
    with jax.disable_jit(exact):
        logits, kept = apply_with_intermediates(
            config, Mode(dtype=dtype), variables, jnp.asarray(images)
        )

    def to_float(array: jax.Array) -> npt.NDArray[np.float32]:
        return np.asarray(array.astype(jnp.float32))

    results: dict[str, PokeConvResult] = {}
    r = poke_init = to_float(kept["poke_init"][0])
    for spec in config.poke_convs():
        result = PokeConvResult(
            r=r,
            sum=np.rint(np.asarray(kept[spec.conv_name]["sum"][0])).astype(np.int32),
            se=to_float(kept[f"se-{spec.name}"][0]),
            output=to_float(kept[f"out-{spec.name}"][0]),
        )
        results[spec.name] = result
        r = result.output
    return ForwardResult(logits=to_float(logits), poke_init=poke_init, poke_convs=results)
