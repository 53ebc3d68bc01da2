"""CIFAR-10 as published: the binary version's batches, or the same batches as PNG files.

Binary: `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`, one record of 1 + 3072 bytes
an image: label, then the red, green and blue plane, each 32 rows of 32 pixels. PNG: files of the
same names, one row of 1024 RGB pixels an image, with the labels as a JSON list in
`train_lables.json` and `test_lables.json` (spelt so in the package that publishes them).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from hwflow.errors import FlowError

SIZE = 32
PIXELS = SIZE * SIZE
RECORD = 1 + 3 * PIXELS
CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
BATCHES: dict[str, tuple[str, ...]] = {
    "train": tuple(f"data_batch_{index}" for index in range(1, 6)),
    "test": ("test_batch",),
}
LABELS = {"train": "train_lables.json", "test": "test_lables.json"}

Arrays = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]


def is_cifar10(folder: Path) -> bool:
    """Whether `folder` holds a batch of either split in either form."""
    return _holds(folder, ".bin") or _holds(folder, ".png")


def _holds(folder: Path, suffix: str) -> bool:
    return any(
        (folder / f"{name}{suffix}").is_file() for names in BATCHES.values() for name in names
    )


def load_cifar10(folder: Path, split: Literal["train", "test"]) -> Arrays:
    """Images uint8 (N, 32, 32, 3) and labels int32 (N,); FlowError names a missing or bad file."""
    if _holds(folder, ".bin"):
        parts = [_binary_batch(folder / f"{name}.bin") for name in BATCHES[split]]
        images = np.concatenate([part[0] for part in parts])
        labels = np.concatenate([part[1] for part in parts])
    else:
        images = np.concatenate([_png_batch(folder / f"{name}.png") for name in BATCHES[split]])
        labels = _json_labels(folder / LABELS[split])
    if len(labels) != len(images):
        raise FlowError(f"{folder}: {len(images)} {split} images but {len(labels)} labels")
    return images, labels


def _binary_batch(path: Path) -> Arrays:
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise FlowError(f"{path}: cannot be read ({error}); add the file") from error
    if len(data) == 0 or len(data) % RECORD:
        raise FlowError(
            f"{path}: {len(data)} bytes are not whole records of {RECORD}; fetch the file again"
        )
    records = data.reshape(-1, RECORD)
    planes = records[:, 1:].reshape(-1, 3, SIZE, SIZE)
    labels = _checked_labels(path, records[:, 0].tolist())
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels


def _png_batch(path: Path) -> npt.NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            rows = np.asarray(image.convert("RGB"), np.uint8)
    except (OSError, UnidentifiedImageError) as error:
        raise FlowError(f"{path}: not a readable image ({error}); fetch it again") from error
    if rows.shape[1] != PIXELS:
        raise FlowError(f"{path}: {rows.shape[1]} pixels a row, expected {PIXELS}, an image each")
    return rows.reshape(-1, SIZE, SIZE, 3)


def _json_labels(path: Path) -> npt.NDArray[np.int32]:
    try:
        labels = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FlowError(f"{path}: cannot be read ({error}); fetch it again") from error
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise FlowError(f"{path}: expected a JSON list of class numbers; fetch it again")
    return _checked_labels(path, labels)


def _checked_labels(path: Path, labels: list[int]) -> npt.NDArray[np.int32]:
    last = len(CLASSES) - 1
    for index, label in enumerate(labels):
        if not 0 <= label <= last:
            raise FlowError(
                f"{path}: label {label} of image {index}, expected 0..{last}; fetch it again"
            )
    return np.asarray(labels, np.int32)
