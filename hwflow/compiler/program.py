"""A compiled network: schedule, memory image and manifest, and the folder that holds them."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hwflow.compiler import container, image, schedule
from hwflow.compiler.counts import LayerCounts, count
from hwflow.compiler.manifest import Manifest
from hwflow.config import AcceleratorConfig
from hwflow.errors import FlowError

SCHEDULE, SCHEDULE_JSON, MEMORY, MANIFEST = (
    "schedule.bin",
    "schedule.json",
    "memory.bin",
    "manifest.json",
)


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
            FlowError: the path exists and is not a build folder.
        """
        folder = Path(folder)
        if folder.exists() and not (folder / MANIFEST).is_file():
            raise FlowError(f"{folder}: exists and is no build folder; name another or remove it")
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        (partial / SCHEDULE).write_bytes(self.schedule)
        (partial / SCHEDULE_JSON).write_text(schedule.to_json(self.instructions))
        (partial / MEMORY).write_bytes(self.memory)
        (partial / MANIFEST).write_text(self.manifest.to_json())
        if folder.exists():
            shutil.rmtree(folder)
        partial.replace(folder)

    @staticmethod
    def load(folder: str | Path) -> Program:
        """Reads and verifies what `save` wrote.

        Raises:
            FlowError: a file is missing, damaged, of another version or build, or the schedule
                breaks a rule of the verifier.
        """
        from hwflow.verifier.verify import verify

        folder = Path(folder)
        for name in (SCHEDULE, SCHEDULE_JSON, MEMORY, MANIFEST):
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
        verify(program)
        if schedule.from_json(text, str(folder / SCHEDULE_JSON)) != program.instructions:
            raise FlowError(
                f"{folder / SCHEDULE_JSON}: differs from {SCHEDULE}; run `hwflow lower` again"
            )
        return program


def sha256(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
