"""Files that are whole or not there, and folders that one process writes to at a time."""

from __future__ import annotations

import fcntl
import os
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from hwflow.errors import FlowError

LOCK = ".lock"
DAMAGED_ARCHIVE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What zipfile, and numpy through it, raise for a file that is no archive, cut short or altered.

NotImplementedError is zipfile's for a compression method it cannot read: what altered bytes of an entry's
header look like.
"""


def check_file(path: Path, *, makes_folder: bool = False) -> None:
    """Raises FlowError unless `path` is a file to replace or a name in a folder.

    makes_folder: the folder need not exist yet, because who writes the file makes it.
    """
    if path.is_dir():
        raise FlowError(f"{path} is a folder; give a file to write")
    for folder in path.parents:
        if folder.exists() and not folder.is_dir():
            raise FlowError(f"{path}: {folder} is a file, not a folder; give another file to write")
    if not makes_folder and not path.parent.is_dir():
        raise FlowError(f"{path}: folder {path.parent} does not exist; make it first")


def write_atomically(path: Path, data: bytes) -> None:
    """Writes the whole file or, when interrupted, nothing: a reader never sees a part.

    Raises:
        FlowError: no file can be written there.
    """
    check_file(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise FlowError(f"{path}: cannot be written ({reason}); name another place") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Makes `folder` and keeps other processes that lock it out; the lock ends with the process.

    Raises:
        FlowError: another process holds it, or it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("wb")
    except OSError as error:
        raise FlowError(
            f"{folder}: cannot be written ({error.strerror or error}); give another folder"
        ) from error
    with lock as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FlowError(
                f"{folder}: another process writes to it; wait for it or give another --out"
            ) from error
        yield
