"""Frozen dataclasses as JSON and back, every field checked: for the records of energy figures."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from pathlib import Path
from typing import Any, Literal, TypeVar

from hwflow.errors import FlowError
from hwflow.files import write_atomically

T = TypeVar("T")

LONGEST_SHOWN = 80
"""Characters of a wrong value that a message repeats."""


def save(path: Path, kind: str, version: int, record: Any) -> None:
    """Writes a dataclass as a JSON document: same record, same bytes. Raises FlowError."""
    write_atomically(path, text(kind, version, record).encode())


def text(kind: str, version: int, record: Any) -> str:
    """The document that `save` writes."""
    document = {"format": kind, "version": version, "record": dataclasses.asdict(record)}
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def load(path: Path, kind: str, version: int, record: type[T]) -> T:
    """Inverse of `save`.

    Raises:
        FlowError: no such file, no JSON, another format or version, or a field that is missing, unknown,
            of another type or not finite; names file and field.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FlowError(f"{path}: cannot be read ({error.strerror}); name another file") from error
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, a number too long, too deep
        raise FlowError(f"{path}: not JSON ({error}); name a file of format {kind}") from error
    if not isinstance(document, dict) or document.get("format") != kind:
        raise FlowError(f"{path}: not of format {kind}; name such a file")
    if document.get("version") != version:
        raise FlowError(
            f"{path}: version {document.get('version')} of {kind}, expected {version}; make it again"
        )
    return build(record, document.get("record"), str(path))


def build(record: type[T], values: Any, source: str) -> T:
    """A dataclass from what `dataclasses.asdict` made of it; FlowError names `source` and the field."""
    if not isinstance(values, dict):
        raise FlowError(
            f"{source}: expected an object with the fields of {record.__name__}; make it so"
        )
    fields = typing.get_type_hints(record)
    if unknown := sorted(set(values) - set(fields)):
        raise FlowError(f"{source}: unknown field {unknown[0]!r}; remove it")
    if missing := sorted(set(fields) - set(values)):
        raise FlowError(f"{source}: field {missing[0]!r} is missing; add it")
    return record(
        **{name: _value(hint, values[name], f"{source}: {name}") for name, hint in fields.items()}
    )


def _value(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        (hint,) = (each for each in arguments if each is not type(None))
        return _value(hint, value, where)
    if origin is tuple:
        if isinstance(value, list):
            return tuple(_value(arguments[0], v, f"{where}[{i}]") for i, v in enumerate(value))
    elif origin is Literal:
        if value in arguments:
            return value
        hint = f"one of {', '.join(map(str, arguments))}"
    elif origin is dict:
        if isinstance(value, dict):
            return {str(k): _value(arguments[1], v, f"{where}.{k}") for k, v in value.items()}
    elif dataclasses.is_dataclass(hint):
        return build(typing.cast(type[Any], hint), value, where)
    elif hint is float:
        number = _float(value)
        if math.isfinite(number):
            return number
    elif type(value) is hint:
        return value
    shown = repr(value)
    if len(shown) > LONGEST_SHOWN:
        shown = f"{shown[:LONGEST_SHOWN]}.. ({len(shown)} characters)"
    raise FlowError(f"{where}: {shown} is no {getattr(hint, '__name__', hint)}; correct it")


def _float(value: Any) -> float:
    """A number as float, infinite where none is that large; NaN for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
