"""Image sets as uint8 NHWC arrays: IDX folders (MNIST layout), CIFAR-10, .npz files, images."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from hwflow.errors import FlowError
from hwflow.files import DAMAGED_ARCHIVE
from models.cifar import CLASSES, is_cifar10, load_cifar10

Split = Literal["train", "test"]
IDX_PREFIX: dict[Split, str] = {"train": "train", "test": "t10k"}
IDX_UBYTE = 0x08
IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff"}
)
DEEP_MODES = frozenset({"I", "F"})
"""Pillow's modes of 32-bit pixels: 8 bits of them would be a guess at their range."""
FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts its files."""


@dataclass(frozen=True)
class ImageSet:
    """images: uint8 (N, H, W, C). labels: int32 (N,). classes: names, or () when unknown."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int32]
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, count: int) -> ImageSet:
        """The first `count` images."""
        return ImageSet(self.images[:count], self.labels[:count], self.classes)

    def sha256(self) -> str:
        """SHA-256 (hex) of the shape, the pixels and the labels."""
        digest = hashlib.sha256(repr(self.images.shape).encode())
        digest.update(self.images.tobytes())
        digest.update(self.labels.astype("<i4").tobytes())
        return digest.hexdigest()


def check_images(
    images: ImageSet, shape: tuple[int, int, int], classes: int, name: str, source: Path | str
) -> None:
    """Raises FlowError unless the images have `shape` and labels 0 to classes - 1."""
    if images.images.shape[1:] != shape:
        raise FlowError(
            f"{source}: images are {images.images.shape[1:]}, network {name} takes {shape}; "
            "give images of that size"
        )
    wrong = images.labels[(images.labels < 0) | (images.labels >= classes)]
    if len(wrong):
        raise FlowError(
            f"{source}: label {int(wrong[0])}, but network {name} has {classes} classes; give the "
            "data set it was trained on"
        )


def load_images(path: str | Path, split: Split = "test") -> ImageSet:
    """Loads `path`: an .npz file, or a folder of IDX files, of CIFAR-10 batches or of classes.

    A folder of classes has one subfolder of images for each.

    `split` chooses between train-* and t10k-* IDX files, training and test batches, the arrays
    train_images, train_labels and test_images, test_labels of an .npz file, or the subfolder of
    that name when an image folder has one. An .npz file with images and labels, and an image folder
    without such subfolders, give the same set for both. Raises FlowError when there is nothing
    usable.
    """
    path = Path(path)
    if path.is_file() and path.suffix == ".npz":
        return _load_npz(path, split)
    if not path.is_dir():
        raise FlowError(f"{path}: not found; expected an .npz file or a folder of images")
    if _idx_file(path, f"{IDX_PREFIX[split]}-images-idx3-ubyte"):
        return _load_idx_folder(path, split)
    if is_cifar10(path):
        return ImageSet(*load_cifar10(path, split), CLASSES)
    return _load_image_folder(path / split if (path / split).is_dir() else path)


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """One IDX file of unsigned bytes, gzip-compressed or not, with the shape its header says."""
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise FlowError(f"{path}: cannot be read ({error}); fetch the file again") from error
    if len(data) < 4 or data[:3] != bytes((0, 0, IDX_UBYTE)):
        raise FlowError(f"{path}: not an IDX file of unsigned bytes; fetch the file again")
    rank = data[3]
    start = 4 + 4 * rank
    shape = tuple(int.from_bytes(data[i : i + 4], "big") for i in range(4, start, 4))
    if len(data) - start != int(np.prod(shape, dtype=np.int64)):
        raise FlowError(
            f"{path}: header says shape {shape} but {max(len(data) - start, 0)} bytes follow; "
            "the file is cut short or damaged, fetch it again"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _idx_file(folder: Path, name: str) -> Path | None:
    return next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)


def _load_idx_folder(folder: Path, split: Split) -> ImageSet:
    arrays: list[npt.NDArray[np.uint8]] = []
    for kind, rank in (("images-idx3-ubyte", 3), ("labels-idx1-ubyte", 1)):
        path = _idx_file(folder, f"{IDX_PREFIX[split]}-{kind}")
        if path is None:
            raise FlowError(f"{folder}/{IDX_PREFIX[split]}-{kind}[.gz]: not found; add the file")
        array = read_idx(path)
        if array.ndim != rank:
            raise FlowError(f"{path}: has {array.ndim} dimensions, expected {rank}")
        arrays.append(array)
    images, labels = arrays
    return _checked(folder, images[..., None], labels)


def _load_npz(path: Path, split: Split) -> ImageSet:
    try:
        arrays = np.load(path, allow_pickle=False)
        if not isinstance(arrays, np.lib.npyio.NpzFile):
            raise ValueError("it holds one array without a name")
        with arrays:
            parted = any(name.startswith(("train_", "test_")) for name in arrays.files)
            names = [f"{split}_{kind}" if parted else kind for kind in ("images", "labels")]
            if missing := [name for name in names if name not in arrays.files]:
                raise FlowError(f"{path}: array {missing[0]!r} is missing; add it")
            images, labels = (arrays[name] for name in names)
    except DAMAGED_ARCHIVE as error:
        raise FlowError(f"{path}: cannot be read as .npz ({error}); write it again") from error
    return _checked(path, images[..., None] if images.ndim == 3 else images, labels)


def _load_image_folder(folder: Path) -> ImageSet:
    classes = tuple(sorted(p.name for p in folder.iterdir() if p.is_dir()))
    images: list[npt.NDArray[np.uint8]] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        for path in sorted((folder / name).iterdir()):
            if path.suffix.lower() in IMAGE_SUFFIXES:
                images.append(_read_image(path))
                labels.append(label)
                if images[-1].shape != images[0].shape:
                    raise FlowError(
                        f"{path}: shape {images[-1].shape} differs from {images[0].shape}; "
                        "resize all images of the folder to one size"
                    )
    if not images:
        raise FlowError(
            f"{folder}: no images; expected IDX files, CIFAR-10 batches (data_batch_1.bin or .png "
            "and so on), or one subfolder of images per class"
        )
    return ImageSet(np.stack(images), np.asarray(labels, np.int32), classes)


def _read_image(path: Path) -> npt.NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            if image.mode in DEEP_MODES or image.mode.startswith("I;16"):
                raise FlowError(
                    f"{path}: its pixels are of mode {image.mode}, wider than 8 bits; convert it to "
                    "8 bits a channel"
                )
            mode = "L" if image.mode in ("1", "L") else "RGB"
            pixels = np.asarray(image.convert(mode), np.uint8)
    except (OSError, UnidentifiedImageError) as error:
        raise FlowError(f"{path}: not a readable image ({error}); remove or replace it") from error
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _checked(path: Path, images: npt.NDArray[Any], labels: npt.NDArray[Any]) -> ImageSet:
    if images.dtype != np.uint8 or images.ndim != 4:
        raise FlowError(
            f"{path}: images are {images.dtype} {images.shape}; expected uint8 (N, H, W, C)"
        )
    if labels.ndim != 1 or len(labels) != len(images) or labels.dtype.kind not in "iu":
        raise FlowError(
            f"{path}: labels are {labels.dtype} {labels.shape}; expected integers ({len(images)},)"
        )
    if len(images) == 0:
        raise FlowError(f"{path}: holds no images; expected at least one")
    if int(labels.max()) >= 2**31 or int(labels.min()) < -(2**31):
        raise FlowError(f"{path}: a label does not fit 32 bits; number the classes from 0")
    return ImageSet(np.ascontiguousarray(images), labels.astype(np.int32))
