"""Reads a checkpoint of the reference implementation into flat arrays, whatever its form and age.

Forms: one msgpack file `checkpoint_<step>` (Flax of 2022) or an Orbax folder of that name. Layouts:
`params` and `mutable_vars/{batch_stats,get_bounds}`, or the older `optimizer/target` and
`model_state/{batch_stats,get_bounds}`. The state of an optimizer may be there or not.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import flax.serialization
import jax
import numpy as np
import numpy.typing as npt
import orbax.checkpoint as ocp
from flax.traverse_util import flatten_dict

from hwflow.errors import FlowError

Arrays = dict[str, npt.NDArray[Any]]
CHECKPOINT = re.compile(r"checkpoint_(\d+)$")
ORBAX_MARKS = ("_METADATA", "_CHECKPOINT_METADATA", "checkpoint")
"""Files of which an Orbax folder has at least one."""
NO_ARRAYS = ("params_axes", "opt_state", "step", "dynamic_scale")
"""Top-level entries and collections that inference does not read."""
COLLECTIONS = ("mutable_vars", "model_state")
PARAMETERS = "params"


def read_checkpoint(path: str | Path) -> Arrays:
    """Every array by its path, e.g. `params/init_conv/kernel`, `get_bounds/.../bounds`.

    `path` is a msgpack file, an Orbax folder, or a folder of checkpoints, of which the one with
    the highest step is read. Raises FlowError when there is none or it is damaged.
    """
    path = _latest(Path(path))
    tree = _read_orbax(path) if path.is_dir() else _read_msgpack(path)
    return _by_path(tree)


def _latest(path: Path) -> Path:
    if not path.exists():
        raise FlowError(f"{path}: not found; name a file or folder checkpoint_<step>")
    if path.is_file() or any((path / mark).is_file() for mark in ORBAX_MARKS):
        return path
    steps = {
        int(found[1]): child
        for child in path.iterdir()
        if (found := CHECKPOINT.fullmatch(child.name))
    }
    if not steps:
        raise FlowError(
            f"{path}: no checkpoint; expected a msgpack file or Orbax folder checkpoint_<step>"
        )
    return steps[max(steps)]


def _read_msgpack(path: Path) -> Mapping[str, Any]:
    try:
        tree = flax.serialization.msgpack_restore(path.read_bytes())
    except Exception as error:  # msgpack and numpy raise many kinds on damaged bytes
        raise FlowError(f"{path}: damaged or no msgpack file ({error}); copy it again") from error
    return _mapping(path, tree)


def _read_orbax(path: Path) -> Mapping[str, Any]:
    reader = ocp.PyTreeCheckpointer()
    try:
        with _quiet():
            stored = _stored_tree(reader, path)
            # As numpy arrays: the devices that wrote them need not be here.
            as_numpy = ocp.RestoreArgs(restore_type=np.ndarray)
            kinds = jax.tree.map(lambda _: as_numpy, stored)
            tree = reader.restore(path.absolute(), restore_args=kinds) if kinds else None
    except Exception as error:  # a damaged folder shows as errors of many libraries
        reason = " ".join(str(error).split())
        raise FlowError(f"{path}: damaged or no Orbax folder ({reason}); copy it again") from error
    finally:
        reader.close()
    if tree is None:
        raise FlowError(f"{path}: holds no arrays; expected a checkpoint of a train state")
    return _mapping(path, tree)


def _stored_tree(reader: ocp.PyTreeCheckpointer, path: Path) -> Any:
    """What the folder's metadata say it holds; None when they name nothing."""
    try:
        metadata: Any = reader.metadata(path.absolute())
    except KeyError:  # metadata without an entry for the arrays
        return None
    return getattr(metadata.item_metadata, "tree", None)


@contextmanager
def _quiet() -> Generator[None]:
    """Keeps Orbax's warnings back: what is wrong is said in one line."""
    log = logging.getLogger("absl")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _mapping(path: Path, tree: Any) -> Mapping[str, Any]:
    if not isinstance(tree, Mapping):
        raise FlowError(f"{path}: holds no named arrays; expected a checkpoint of a train state")
    return tree


def _by_path(tree: Mapping[str, Any]) -> Arrays:
    """Flat arrays without the layout's outer levels, the optimizer's state and `params_axes`."""
    top: dict[str, Any] = {}
    for name, part in tree.items():
        if name == "optimizer" and isinstance(part, Mapping):
            target = part.get("target", {})
            inner = isinstance(target, Mapping) and set(target) == {PARAMETERS}
            top[PARAMETERS] = target[PARAMETERS] if inner else target
        elif name in COLLECTIONS and isinstance(part, Mapping):
            top |= part
        else:
            top[name] = part
    kept = {name: part for name, part in top.items() if name not in NO_ARRAYS}
    flat: dict[str, Any] = flatten_dict(kept, sep="/")
    return {name: np.asarray(array) for name, array in flat.items() if array is not None}
