"""Ranges of the float network's tensors over calibration images, and bounds that were never set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from hwflow.errors import FlowError
from models.config import PokeBNNConfig
from models.float import Mode, PokeBNN
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


def set_missing_bounds(
    config: PokeBNNConfig, variables: Mapping[str, Any], images: Images
) -> dict[str, Any]:
    """Variables in which activation bounds that are all -1 are set to what the images need."""
    mode = Mode(dtype=jnp.float32, update_bounds=True)
    stored = dict(variables["get_bounds"])
    missing = [
        name
        for name, layer in stored.items()
        if np.all(np.asarray(layer["GetBounds_0"]["bounds"]) == -1)
    ]
    if missing:
        model = PokeBNN(config, mode)

        @jax.jit
        def updated(arrays: Mapping[str, Any], pixels: jax.Array) -> Any:
            x = normalise(pixels, config, mode)
            fresh = model.init(jax.random.key(0), x)["get_bounds"]
            return model.apply({**arrays, "get_bounds": fresh}, x, mutable=["get_bounds"])[1]

        found = updated(variables, jnp.asarray(images[:BATCH]))["get_bounds"]
        stored |= {name: found[name] for name in missing}
    return {**variables, "get_bounds": stored}


def calibrate(
    config: PokeBNNConfig,
    variables: Mapping[str, Any],
    folded: Mapping[str, Folded],
    images: Images,
) -> Ranges:
    """Runs the float network (float32) on uint8 images and keeps the largest magnitudes.

    folded: the constants of every PokeConv by name, which give t from the binary sums.
    """
    if len(images) == 0:
        raise FlowError("calibration: no images; give at least one")
    mode = Mode(dtype=jnp.float32)
    model = PokeBNN(config, mode)
    constants = {
        name: tuple(jnp.asarray(c, jnp.float32) for c in (layer.gain, layer.beta - layer.bias_x))
        for name, layer in folded.items()
    }

    @jax.jit
    def largest(arrays: Mapping[str, Any], pixels: jax.Array) -> dict[str, jax.Array]:
        x = normalise(pixels, config, mode)
        _, state = model.apply(arrays, x, mutable=["intermediates"])
        kept: dict[str, Any] = dict(state["intermediates"])
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
        return {name: jnp.max(jnp.abs(value)) for name, value in found.items()}

    seen: dict[str, float] = {}
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        # A repeated image fills the last batch, so that only one shape is compiled.
        batch = np.concatenate([batch, np.repeat(batch[:1], BATCH - len(batch), axis=0)])
        for name, value in largest(variables, jnp.asarray(batch)).items():
            seen[name] = max(seen.get(name, 0.0), float(value))
    names = [spec.name for spec in config.poke_convs()]
    return Ranges(
        poke_init=seen["poke_init"],
        t={name: seen[f"t/{name}"] for name in names},
        output={name: seen[f"out/{name}"] for name in names},
    )
