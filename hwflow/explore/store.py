"""Evaluated points on disk: a line of JSON each, appended in batches, so that an interrupted search goes on."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from hwflow.errors import FlowError
from hwflow.interruption import put_off

FILE = "points.jsonl"
HEADER = b'{"format": "hwflow-explore-points", "version": 1}\n'
"""The file's first line; every other begins with the CRC-32 of what follows its first `PREFIX` bytes."""
PREFIX = len('{"crc": "01234567", ')


def point_key(point: Mapping[str, Any], setup: str) -> str:
    """SHA-256 of a point and of what it is evaluated with."""
    return hashlib.sha256(f"{setup} {json.dumps(point)}".encode()).hexdigest()


class Store:
    """Results by key in `folder`, which must be locked (`hwflow.files.locked`).

    A last line that was cut off is written over. damaged: how many other lines are not as they were written; they stay
    where they are, and what they held is evaluated again.

    Raises:
        FlowError: the file cannot be read or written, or is not such a store.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._results: dict[str, dict[str, Any]] = {}
        self.damaged = 0
        try:
            with self._path.open("ab+") as stream:
                stream.seek(0)
                first = stream.readline()
                if first != HEADER and not HEADER.startswith(first):
                    raise FlowError(
                        f"{self._path}: holds no points of this version of hwflow; give another --out, or remove the file"
                    )
                whole = 0 if first != HEADER else len(first) + self._read(stream)
                stream.truncate(whole)
            self._stream: IO[bytes] = self._path.open("ab")
            if not whole:
                self._append(HEADER)
        except OSError as error:
            raise self._unusable(error) from error

    def _read(self, stream: IO[bytes]) -> int:
        """Takes the lines up to the end; how many bytes of them are whole lines."""
        whole = 0
        for line in stream:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            if (entry := _entry(line)) is None:
                self.damaged += 1
            else:
                self._results[entry[0]] = entry[1]
        return whole

    def _append(self, data: bytes) -> None:
        with put_off():
            self._stream.write(data)
            self._stream.flush()
            os.fsync(self._stream.fileno())

    def _unusable(self, error: OSError) -> FlowError:
        return FlowError(
            f"{self._path}: cannot be written ({error.strerror or error}); give another --out"
        )

    def __len__(self) -> int:
        return len(self._results)

    def get(self, key: str) -> dict[str, Any] | None:
        """The result with that key."""
        return self._results.get(key)

    def put(self, entries: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Keeps results; they are on disk when this returns.

        Raises:
            FlowError: the file cannot be written.
        """
        try:
            self._append(b"".join(_line(key, result) for key, result in entries))
        except OSError as error:
            raise self._unusable(error) from error
        self._results.update(entries)

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()


def _line(key: str, result: Mapping[str, Any]) -> bytes:
    body = json.dumps({"key": key, "result": result}, allow_nan=False)[1:].encode() + b"\n"
    return _crc(body) + body


def _crc(body: bytes) -> bytes:
    return f'{{"crc": "{zlib.crc32(body):08x}", '.encode()


def _entry(line: bytes) -> tuple[str, dict[str, Any]] | None:
    """Key and result of a line; None where it is damaged."""
    if line[:PREFIX] != _crc(line[PREFIX:]):
        return None
    entry = json.loads(line)
    return entry["key"], entry["result"]
