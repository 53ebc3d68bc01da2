"""A checkpoint of the reference implementation as configuration and inference variables."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax.traverse_util import unflatten_dict

from hwflow.errors import FlowError
from models.aqt.architecture import infer_config
from models.aqt.files import Arrays, read_checkpoint
from models.checkpoint import Variables, expected_shapes
from models.config import BINARY_ACTIVATION, PokeBNNConfig

BINARY_BOUNDS = "get_bounds/conv-resblock*/GetBounds_0/bounds"
"""Bounds of binary activations: twice their magnitude, the same everywhere."""
UNREAD = (
    "get_bounds/*/GetBounds_0/stats/*",  # where the bounds come from
    BINARY_BOUNDS,
)


@dataclass(frozen=True, kw_only=True)
class Imported:
    """config, variables: as models.checkpoint has them. arrays: read; unread: left out."""

    config: PokeBNNConfig
    variables: Variables
    arrays: int
    unread: int


def import_checkpoint(
    path: str | Path, *, name: str, image_size: tuple[int, int], init_stride: int | None = None
) -> Imported:
    """Reads and checks a checkpoint.

    Raises FlowError when it is no checkpoint, or that names every array that is missing,
    misshapen, not finite or not expected.
    """
    try:
        found = read_checkpoint(path)
        config = infer_config(found, name, image_size, init_stride)
        wanted = expected_shapes(config)
        if problems := [*_missing(found, wanted), *_unexpected(found, wanted)]:
            plural = "" if len(problems) == 1 else "s"
            raise FlowError(
                f"{len(problems)} problem{plural} with the arrays of a network of width "
                f"{config.width} and {config.blocks} blocks: {'; '.join(problems)}. Save the "
                "checkpoint again, or name one of a network that was not changed"
            )
    except FlowError as error:
        text = str(error)
        raise FlowError(text if text.startswith(str(path)) else f"{path}: {text}") from error
    kept = {key: found[key].astype(np.float32) for key in wanted}
    variables: dict[str, Any] = unflatten_dict(kept, sep="/")
    return Imported(
        config=config, variables=variables, arrays=len(kept), unread=len(found) - len(kept)
    )


def _missing(found: Arrays, wanted: dict[str, tuple[int, ...]]) -> list[str]:
    """Arrays that are not there, or not what the network needs."""
    problems: list[str] = []
    for key, shape in wanted.items():
        array = found.get(key)
        if array is None:
            problems.append(f"{key} is missing, expected shape {shape}")
        elif array.shape != shape:
            problems.append(f"{key} has shape {array.shape}, expected {shape}")
        elif not jnp.issubdtype(array.dtype, jnp.floating):
            problems.append(f"{key} holds {array.dtype}, expected floating-point numbers")
        elif not np.isfinite(array.astype(np.float32)).all():
            problems.append(f"{key} holds NaN or infinity")
    return problems


def _unexpected(found: Arrays, wanted: dict[str, tuple[int, ...]]) -> list[str]:
    """Arrays that no network of this architecture has, or that mean another one."""
    problems: list[str] = []
    for key, array in sorted(found.items()):
        if key in wanted:
            continue
        if not any(fnmatch.fnmatchcase(key, pattern) for pattern in UNREAD):
            problems.append(f"{key} is not expected")
        elif fnmatch.fnmatchcase(key, BINARY_BOUNDS) and np.any(array != 2 * BINARY_ACTIVATION):
            problems.append(
                f"{key} is not {2 * BINARY_ACTIVATION} everywhere, which binary activations need"
            )
    return problems
