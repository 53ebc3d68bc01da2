"""Checkpoints of trained networks: a folder with `checkpoint.msgpack` and `config.json`.

Only what inference reads is stored. Kernels are stored as bfloat16: every quantiser rounds them to
bfloat16 first, so no inference result changes. Everything is float32 again once loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flax.serialization
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import numpy.typing as npt
from flax.traverse_util import flatten_dict, unflatten_dict

from hwflow import interruption
from hwflow.errors import FlowError
from hwflow.files import write_atomically
from models.config import PokeBNNConfig
from models.float import Mode, PokeBNN

Variables = dict[str, Any]
ARRAYS = "checkpoint.msgpack"
CONFIG = "config.json"


def expected_shapes(config: PokeBNNConfig) -> dict[str, tuple[int, ...]]:
    """Shape of every inference array by its path, e.g. `params/init_conv/kernel`, sorted."""
    model = PokeBNN(config, Mode(dtype=jnp.float32))
    image = jax.ShapeDtypeStruct((1, *config.image_shape), jnp.float32)
    variables: Any = jax.eval_shape(model.init, jax.random.key(0), image)
    arrays: dict[str, Any] = flatten_dict(variables, sep="/")
    shapes = {
        name: tuple(array.shape)
        for name, array in arrays.items()
        if "/stats/" not in name and not name.startswith("intermediates/")
    }
    return dict(sorted(shapes.items()))


def inference_variables(config: PokeBNNConfig, variables: Mapping[str, Any]) -> Variables:
    """The arrays that inference reads as nested dicts of float32 numpy arrays, names sorted.

    Raises FlowError that names the first array that is missing, misshapen or not finite.
    """
    found: dict[str, Any] = flatten_dict(variables, sep="/")
    kept: dict[str, npt.NDArray[np.float32]] = {}
    for name, shape in expected_shapes(config).items():
        if name not in found:
            raise FlowError(f"checkpoint: array {name} is missing; expected shape {shape}")
        array = np.asarray(found[name])
        if array.shape != shape:
            raise FlowError(
                f"checkpoint: array {name} has shape {array.shape}, but network "
                f"{config.name!r} needs {shape}; use the configuration it was trained with"
            )
        kept[name] = array.astype(np.float32)
        if not np.isfinite(kept[name]).all():
            raise FlowError(f"checkpoint: array {name} holds NaN or infinity; train it again")
    return unflatten_dict(kept, sep="/")


def save_checkpoint(
    folder: str | Path, config: PokeBNNConfig, variables: Mapping[str, Any]
) -> None:
    """Writes a checkpoint folder; each file atomically, the same network as the same bytes."""
    folder = Path(folder)
    arrays: dict[str, Any] = flatten_dict(inference_variables(config, variables), sep="/")
    stored = {
        name: array.astype(ml_dtypes.bfloat16) if name.endswith("/kernel") else array
        for name, array in arrays.items()
    }
    packed = flax.serialization.msgpack_serialize(unflatten_dict(stored, sep="/"))
    with interruption.put_off():
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / ARRAYS, packed)
        write_atomically(folder / CONFIG, config.to_json().encode())


def load_checkpoint(path: str | Path) -> tuple[PokeBNNConfig, Variables]:
    """(configuration, inference variables as nested dicts of float32 numpy arrays).

    `path` is the folder or the msgpack file in it. Raises FlowError when a file is missing or
    damaged, or an array is missing or misshapen.
    """
    path = Path(path)
    arrays_path = path / ARRAYS if path.is_dir() else path
    config_path = arrays_path.with_name(CONFIG)
    if not arrays_path.is_file():
        raise FlowError(
            f"{arrays_path}: not found; a checkpoint is a folder with {ARRAYS}, {CONFIG}"
        )
    config = PokeBNNConfig.load(config_path)
    try:
        variables = flax.serialization.msgpack_restore(arrays_path.read_bytes())
    except Exception as error:  # msgpack and numpy raise many kinds on damaged bytes
        raise FlowError(f"{arrays_path}: damaged or cut short ({error}); copy it again") from error
    if not isinstance(variables, dict):
        raise FlowError(f"{arrays_path}: holds no arrays; expected a checkpoint, copy it again")
    try:
        return config, inference_variables(config, variables)
    except FlowError as error:
        raise FlowError(f"{arrays_path}: {error}") from error
