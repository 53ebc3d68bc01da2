"""Ranges of the float network's tensors over calibration images, and bounds that were never set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from hwflow.errors import FlowError
from models.config import PokeBNNConfig
from models.float import Mode, PokeBNN
from models.float.forward import apply_with_intermediates
from models.float.network import normalise
from models.float.reshape_add import reshape_add
from models.integer.fixed_point import Folded

BATCH = 64
Images = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """Largest magnitudes seen. poke_init: PokeInit's output; by PokeConv name: t and output."""

    poke_init: float
    t: dict[str, float]
    output: dict[str, float]


def _batches(images: Images) -> Iterator[jax.Array]:
    """Batches of BATCH images; a repeated one fills the last, so that one shape is compiled."""
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        missing = np.repeat(batch[:1], BATCH - len(batch), axis=0)
        yield jnp.asarray(np.concatenate([batch, missing]))


def set_missing_bounds(
    config: PokeBNNConfig, variables: Mapping[str, Any], images: Images
) -> dict[str, Any]:
    """Variables in which activation bounds that are all -1 are set to what the images need.

    Every image counts: a bound is the running average of the batches' extremes, as in training.
    All other bounds stay as they are. Raises FlowError when a bound found is not finite.
    """
    stored = dict(variables["get_bounds"])
    missing = [
        name
        for name, layer in stored.items()
        if np.all(np.asarray(layer["GetBounds_0"]["bounds"]) == -1)
    ]
    if missing:
        fresh = _fresh_bounds(config)
        kept = {
            name: {"GetBounds_0": {"bounds": layer["GetBounds_0"]["bounds"]}}
            for name, layer in stored.items()
        }
        found = {**kept, **{name: fresh[name] for name in missing}}
        for batch in _batches(images):
            found = _updated_bounds(config, {**variables, "get_bounds": found}, batch)
        for name in missing:
            if not np.all(np.isfinite(np.asarray(found[name]["GetBounds_0"]["bounds"]))):
                raise FlowError(f"calibration: the bounds of {name} become NaN or infinite")
        stored |= {name: found[name] for name in missing}
    return {**variables, "get_bounds": stored}


@partial(jax.jit, static_argnames="config")
def _fresh_bounds(config: PokeBNNConfig) -> dict[str, Any]:
    mode = Mode(dtype=jnp.float32)
    images = jnp.zeros((1, *config.image_shape), jnp.float32)
    return dict(PokeBNN(config, mode).init(jax.random.key(0), images)["get_bounds"])


@partial(jax.jit, static_argnames="config")
def _updated_bounds(
    config: PokeBNNConfig, variables: Mapping[str, Any], images: jax.Array
) -> dict[str, Any]:
    mode = Mode(dtype=jnp.float32, update_bounds=True)
    x = normalise(images, config, mode)
    result: Any = PokeBNN(config, mode).apply(variables, x, mutable=["get_bounds"])
    return dict(result[1]["get_bounds"])


@partial(jax.jit, static_argnames="config")
def _largest(
    config: PokeBNNConfig,
    variables: Mapping[str, Any],
    constants: Mapping[str, tuple[jax.Array, jax.Array]],
    images: jax.Array,
) -> dict[str, jax.Array]:
    """Largest magnitudes of one batch. constants: (gain, beta - bias_x) of every PokeConv."""
    _, kept = apply_with_intermediates(config, Mode(dtype=jnp.float32), variables, images)
    r = block_input = kept["poke_init"][0]
    found = {"poke_init": r}
    for spec in config.poke_convs():
        if spec.j == 1:
            block_input = r
        gain, offset = constants[spec.name]
        t = reshape_add(kept[spec.conv_name]["sum"][0] * gain + offset, r, "zero_pad")
        if spec.r1_shape is not None:
            t = reshape_add(t, block_input, "tile")
        r = kept[f"out-{spec.name}"][0]
        found |= {f"t/{spec.name}": t, f"out/{spec.name}": r}
    return {name: _magnitude(value) for name, value in found.items()}


def _magnitude(x: jax.Array) -> jax.Array:
    """max|x|, NaN if any element is not finite: XLA's maximum on a CPU drops NaN."""
    return jnp.where(jnp.all(jnp.isfinite(x)), jnp.max(jnp.abs(x)), jnp.nan)


def calibrate(
    config: PokeBNNConfig,
    variables: Mapping[str, Any],
    folded: Mapping[str, Folded],
    images: Images,
) -> Ranges:
    """Runs the float network (float32) on uint8 images and keeps the largest magnitudes.

    folded: the constants of every PokeConv by name, which give t from the binary sums. Raises
    FlowError when there is no image, or a value is NaN or infinite.
    """
    if len(images) == 0:
        raise FlowError("calibration: no images; give at least one")
    constants = {
        name: (
            jnp.asarray(layer.gain, jnp.float32),
            jnp.asarray(layer.beta - layer.bias_x, jnp.float32),
        )
        for name, layer in folded.items()
    }
    seen: dict[str, float] = {}
    for batch in _batches(images):
        for name, value in _largest(config, variables, constants, batch).items():
            largest = float(value)
            if not np.isfinite(largest):
                raise FlowError(
                    f"calibration: {name} of network {config.name} reaches {largest}; its "
                    "variables are unusable, train it again"
                )
            seen[name] = max(seen.get(name, 0.0), largest)
    names = [spec.name for spec in config.poke_convs()]
    return Ranges(
        poke_init=seen["poke_init"],
        t={name: seen[f"t/{name}"] for name in names},
        output={name: seen[f"out/{name}"] for name in names},
    )
