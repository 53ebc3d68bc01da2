"""Parameter dataclasses as JAX pytrees, so that compiled functions take them as arguments."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

import jax
import numpy as np


def register(kind: type[Any]) -> None:
    """Registers a frozen dataclass and all dataclasses in it; once for each.

    Fields that are arrays or hold some are data; all others shape the compiled function.
    """
    for found in _tree(kind):
        hints = typing.get_type_hints(found)
        data = [field.name for field in dataclasses.fields(found) if _has_arrays(hints[field.name])]
        meta = [field.name for field in dataclasses.fields(found) if field.name not in data]
        jax.tree_util.register_dataclass(found, data_fields=data, meta_fields=meta)


def _tree(kind: Any) -> list[type[Any]]:
    """The dataclasses that a type is made of, each once."""
    found: dict[type[Any], None] = {}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        found[kind] = None
        parts: typing.Iterable[Any] = typing.get_type_hints(kind).values()
    else:
        parts = typing.get_args(kind)
    for part in parts:
        found |= dict.fromkeys(_tree(part))
    return list(found)


def _has_arrays(kind: Any) -> bool:
    if dataclasses.is_dataclass(kind):
        return True
    if typing.get_origin(kind) is np.ndarray:
        return True
    return any(_has_arrays(part) for part in typing.get_args(kind))
