"""Checkpoints of trained networks: a folder with `checkpoint.msgpack` and `config.json`.

Only what inference reads is stored. Kernels are stored as bfloat16: every quantiser rounds them to
bfloat16 first, so no inference result changes. Everything is float32 again once loaded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flax.serialization
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import numpy.typing as npt
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.typing import DTypeLike

from hwflow.errors import FlowError
from models.config import PokeBNNConfig
from models.float import Mode, PokeBNN
from models.float.network import normalise

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


def write_atomically(path: Path, data: bytes) -> None:
    """Writes the whole file or, when interrupted, nothing: a reader never sees a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


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
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(
        folder / ARRAYS, flax.serialization.msgpack_serialize(unflatten_dict(stored, sep="/"))
    )
    write_atomically(folder / CONFIG, config.to_json().encode())


def load_checkpoint(path: str | Path) -> tuple[PokeBNNConfig, Variables]:
    """(configuration, inference variables as nested dicts of float32 numpy arrays).

    `path` is the folder or the msgpack file in it. Raises FlowError when a file is missing or
    damaged, or an array is missing or misshapen.
    """
    path = Path(path)
    arrays_path = path / ARRAYS if path.is_dir() else path
    config_path = arrays_path.with_name(CONFIG)
    for file in (arrays_path, config_path):
        if not file.is_file():
            raise FlowError(f"{file}: not found; a checkpoint is a folder with {ARRAYS}, {CONFIG}")
    config = PokeBNNConfig.from_json(config_path.read_text())
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
    mode = Mode(dtype=dtype)
    model = PokeBNN(config, mode)

    def run(arrays: Mapping[str, Any], pixels: jax.Array) -> tuple[jax.Array, Variables]:
        x = normalise(pixels, config, mode)
        result: Any = model.apply(arrays, x, mutable=["intermediates"])
        logits, kept = result
        return logits, kept["intermediates"]

    with jax.disable_jit(exact):
        logits, kept = jax.jit(run)(variables, jnp.asarray(images))

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
