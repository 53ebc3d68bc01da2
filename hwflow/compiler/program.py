"""A compiled network: schedule, memory image and manifest, and the folder that holds them."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hwflow import interruption
from hwflow.compiler import container, image, schedule
from hwflow.compiler.counts import LayerCounts, count
from hwflow.compiler.manifest import Manifest
from hwflow.config import AcceleratorConfig
from hwflow.errors import FlowError
from hwflow.verifier.verify import verify

SCHEDULE, SCHEDULE_JSON, MEMORY, MANIFEST = (
    "schedule.bin",
    "schedule.json",
    "memory.bin",
    "manifest.json",
)
FILES = (SCHEDULE, SCHEDULE_JSON, MEMORY, MANIFEST)


@dataclass(frozen=True, kw_only=True)
class Program:
    """`schedule` and `memory` are the files schedule.bin and memory.bin."""

    schedule: bytes
    memory: bytes
    manifest: Manifest

    @cached_property
    def config(self) -> AcceleratorConfig:
        """The configuration the program is for."""
        return self.manifest.config

    @cached_property
    def instructions(self) -> list[dict[str, int]]:
        """The decoded schedule.

        Raises:
            FlowError: a damaged schedule.
        """
        _, body = container.unseal(self.schedule, container.SCHEDULE_MAGIC, SCHEDULE)
        return schedule.decode(body)

    def counts(self) -> list[LayerCounts]:
        """The operations the schedule will execute, one entry for each CONV, FC, MEAN, AFFINE."""
        names = {layer.number: layer.name for layer in self.manifest.layers}
        return count(self.instructions, self.config, names)

    def pack_image(self, pixels: npt.NDArray[np.uint8]) -> bytes:
        """A uint8 image (height, width, channels) as the bytes of the image area."""
        return image.pack_image(pixels, self.manifest.image, self.config)

    def save(self, folder: str | Path) -> None:
        """Writes the four files; the folder appears complete or not at all.

        Raises:
            FlowError: as `check_folder`.
        """
        check_folder(folder)
        final = Path(folder).resolve()
        final.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{final.name}-", dir=final.parent) as scratch:
            new, old = Path(scratch) / "new", Path(scratch) / "old"
            new.mkdir()
            (new / SCHEDULE).write_bytes(self.schedule)
            (new / SCHEDULE_JSON).write_text(schedule.to_json(self.instructions))
            (new / MEMORY).write_bytes(self.memory)
            (new / MANIFEST).write_text(self.manifest.to_json())
            with interruption.put_off():
                if final.exists():
                    final.replace(old)
                try:
                    new.replace(final)
                except OSError:
                    if old.exists():
                        old.replace(final)
                    raise

    @staticmethod
    def load(folder: str | Path) -> Program:
        """Reads and verifies what `save` wrote.

        Raises:
            FlowError: a file is missing, damaged, of another version or build, or the schedule
                breaks a rule of the verifier.
        """
        folder = Path(folder)
        for name in FILES:
            if not (folder / name).is_file():
                raise FlowError(f"{folder / name}: not found; run `hwflow lower` first")
        try:
            manifest = Manifest.from_json((folder / MANIFEST).read_text(), str(folder / MANIFEST))
            text = (folder / SCHEDULE_JSON).read_text()
        except UnicodeDecodeError as error:
            raise FlowError(f"{folder}: {error}; run `hwflow lower` again") from error
        program = Program(
            schedule=(folder / SCHEDULE).read_bytes(),
            memory=(folder / MEMORY).read_bytes(),
            manifest=manifest,
        )
        try:
            verify(program)
        except FlowError as error:
            raise FlowError(f"{folder}: {error}") from error
        if schedule.from_json(text, str(folder / SCHEDULE_JSON)) != program.instructions:
            raise FlowError(
                f"{folder / SCHEDULE_JSON}: differs from {SCHEDULE}; run `hwflow lower` again"
            )
        return program


def check_folder(folder: str | Path) -> None:
    """Whether `Program.save` may replace `folder`: absent, empty, or a build and nothing else.

    Raises:
        FlowError: a file, or a folder with something in it that `save` did not write.
    """
    folder = Path(folder)
    remedy = "name another folder or remove it"
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FlowError(f"{folder}: is a file, a build is a folder; {remedy}")
    found = {path.name for path in folder.iterdir()}
    if foreign := sorted(found - set(FILES)):
        raise FlowError(f"{folder}: holds {foreign[0]}, which is no part of a build; {remedy}")
    if not found:
        return
    try:
        Manifest.from_json((folder / MANIFEST).read_text(), MANIFEST)
    except (FlowError, OSError, UnicodeDecodeError) as error:
        raise FlowError(f"{folder / MANIFEST}: not the manifest of a build; {remedy}") from error


def sha256(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
