"""Evaluated points on disk: a line of JSON each, appended in batches, so that an interrupted search goes on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from hwflow.errors import FlowError
from hwflow.interruption import put_off

FILE = "points.jsonl"


def point_key(point: Mapping[str, Any], setup: str) -> str:
    """SHA-256 of a point and of what it is evaluated with."""
    return hashlib.sha256(f"{setup} {json.dumps(point)}".encode()).hexdigest()


class Store:
    """Results by key in `folder`, which must be locked (`hwflow.files.locked`).

    What was cut off or damaged is dropped, from the first such line on: it is evaluated again.

    Raises:
        FlowError: the file cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._results: dict[str, dict[str, Any]] = {}
        whole = 0
        try:
            with self._path.open("ab+") as stream:
                stream.seek(0)
                for line in stream:
                    entry = _entry(line)
                    if entry is None:
                        break
                    self._results[entry[0]] = entry[1]
                    whole += len(line)
                stream.truncate(whole)
            self._stream: IO[bytes] = self._path.open("ab")
        except OSError as error:
            raise self._unusable(error) from error

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
        lines = [json.dumps({"key": key, "result": result}) + "\n" for key, result in entries]
        try:
            with put_off():
                self._stream.write("".join(lines).encode())
                self._stream.flush()
                os.fsync(self._stream.fileno())
        except OSError as error:
            raise self._unusable(error) from error
        self._results.update(entries)

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()


def _entry(line: bytes) -> tuple[str, dict[str, Any]] | None:
    """Key and result of a line; None where it is cut off or damaged."""
    if not line.endswith(b"\n"):
        return None
    try:
        entry = json.loads(line)
        key, result = entry["key"], entry["result"]
    except (ValueError, KeyError, TypeError):
        return None
    return (key, result) if isinstance(key, str) and isinstance(result, dict) else None
