"""Frozen dataclasses of numpy arrays in one deterministic zip file.

The file holds `tree.json` (the fields, with every array replaced by its type and shape) and
`arrays.bin` (the arrays in the tree's order, little endian, C order, booleans packed eight a byte,
first in bit 7). `tree.json` also records the SHA-256 of the content, checked when reading.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
import types
import typing
import zipfile
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from hwflow.errors import FlowError
from hwflow.files import DAMAGED_ARCHIVE, write_atomically

FORMAT = "hwflow-integer-network-1"
TREE, ARRAYS = "tree.json", "arrays.bin"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time stamp of the members: the earliest a zip file can hold."""
ARRAY_TYPES = ("bool", "int8", "int32")
T = TypeVar("T")


def _pack(array: npt.NDArray[Any]) -> bytes:
    if array.dtype == np.bool_:
        return np.packbits(array.ravel()).tobytes()
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def _encode(value: Any, arrays: list[bytes]) -> Any:
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: _encode(getattr(value, name), arrays) for name in names}
    if isinstance(value, tuple):
        return [_encode(item, arrays) for item in value]
    if isinstance(value, np.ndarray):
        arrays.append(_pack(value))
        return {"dtype": value.dtype.name, "shape": list(value.shape)}
    return value


def _serialise(value: Any) -> tuple[Any, bytes, str]:
    """(tree, bytes of all arrays, SHA-256 of both)."""
    arrays: list[bytes] = []
    tree = _encode(value, arrays)
    data = b"".join(arrays)
    return tree, data, _digest(tree, data)


def _digest(tree: Any, data: bytes) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode() + b"\0" + data).hexdigest()


def content_hash(value: Any) -> str:
    """SHA-256 (hex) of every field and array of a dataclass tree."""
    return _serialise(value)[2]


def save(value: Any, path: Path) -> None:
    """Writes the dataclass tree `value` to `path`, replacing it in one step."""
    tree, data, digest = _serialise(value)
    header = {"format": FORMAT, "sha256": digest, "tree": tree}
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        archive.writestr(_member(TREE), json.dumps(header, sort_keys=True))
        archive.writestr(_member(ARRAYS), data)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, stored.getvalue())


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


class _Reader:
    """Hands out consecutive arrays of the data member."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def array(self, dtype: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        count = math.prod(shape)
        size = -(-count // 8) if dtype == "bool" else count * np.dtype(dtype).itemsize
        chunk = self._data[self._at : self._at + size]
        if len(chunk) != size:
            raise ValueError("fewer array bytes than the tree names")
        self._at += size
        if dtype == "bool":
            bits = np.unpackbits(np.frombuffer(chunk, np.uint8), count=count)
            return bits.astype(np.bool_).reshape(shape)
        stored = np.frombuffer(chunk, np.dtype(dtype).newbyteorder("<"))
        return stored.astype(dtype).reshape(shape)


def _decode(kind: Any, value: Any, reader: _Reader, field: str) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        names = [f.name for f in dataclasses.fields(kind)]
        if not isinstance(value, dict) or set(value) != set(names):
            raise ValueError(f"{field or 'network'}: fields differ from {', '.join(names)}")
        decoded = {n: _decode(hints[n], value[n], reader, f"{field}.{n}") for n in names}
        return typing.cast(Any, kind)(**decoded)
    if origin is tuple:
        if not isinstance(value, list) or (args[-1] is not ... and len(args) != len(value)):
            raise ValueError(f"{field}: expected a list")
        kinds = [args[0]] * len(value) if args[-1] is ... else list(args)
        items = enumerate(zip(kinds, value, strict=True))
        return tuple(_decode(k, v, reader, f"{field}[{i}]") for i, (k, v) in items)
    if origin is np.ndarray:
        if not isinstance(value, dict) or value.get("dtype") not in ARRAY_TYPES:
            raise ValueError(f"{field}: expected an array of {', '.join(ARRAY_TYPES)}")
        return reader.array(value["dtype"], tuple(int(n) for n in value["shape"]))
    if origin is typing.Literal:
        allowed: tuple[Any, ...] = args
        if value not in allowed:
            raise ValueError(f"{field}: {value!r} is not one of {allowed}")
        return value
    expected = args if origin is types.UnionType else (kind,)
    if type(value) not in expected:
        raise ValueError(f"{field}: {value!r} has the wrong type")
    return value


def load(kind: type[T], path: Path) -> T:
    """Reads what `save` wrote as an instance of the dataclass `kind`.

    Raises FlowError when the file is missing, cut short, altered or of another layout.
    """
    if not path.is_file():
        raise FlowError(f"{path}: not found; expected an integer network file")
    try:
        with zipfile.ZipFile(path) as archive:
            header = json.loads(archive.read(TREE))
            data = archive.read(ARRAYS)
        if header["format"] != FORMAT:
            raise ValueError(f"format is {header['format']!r}, expected {FORMAT!r}")
        if _digest(header["tree"], data) != header["sha256"]:
            raise ValueError("its content does not match its checksum")
        return _decode(kind, header["tree"], _Reader(data), "")
    except (*DAMAGED_ARCHIVE, TypeError) as error:
        raise FlowError(
            f"{path}: not a usable integer network ({error}); export it again"
        ) from error
