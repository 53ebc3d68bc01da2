"""CIFAR-10 in both published forms, and what is said of damaged files."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwflow.errors import FlowError
from models.cifar import BATCHES, CLASSES, LABELS, RECORD
from models.data import Split, load_images

COUNT = 3
SPLITS: tuple[Split, ...] = ("train", "test")


def batch(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random images uint8 (COUNT, 32, 32, 3) and labels."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (COUNT, 32, 32, 3), dtype=np.uint8)
    return images, rng.integers(0, 10, COUNT).astype(np.uint8)


def write_binary(folder: Path) -> None:
    """The binary version: label, then the three planes of each image."""
    for split in SPLITS:
        for index, name in enumerate(BATCHES[split]):
            images, labels = batch(10 * len(split) + index)
            planes = images.transpose(0, 3, 1, 2).reshape(COUNT, -1)
            (folder / f"{name}.bin").write_bytes(np.column_stack([labels, planes]).tobytes())


def write_png(folder: Path) -> None:
    """The PNG version: one row an image."""
    for split in SPLITS:
        every: list[int] = []
        for index, name in enumerate(BATCHES[split]):
            images, labels = batch(10 * len(split) + index)
            Image.fromarray(images.reshape(COUNT, -1, 3)).save(folder / f"{name}.png")
            every += labels.tolist()
        (folder / LABELS[split]).write_text(json.dumps(every), encoding="utf-8")


@pytest.mark.parametrize("write", [write_binary, write_png])
@pytest.mark.parametrize("split", SPLITS)
def test_both_forms(tmp_path: Path, write: Callable[[Path], None], split: Split) -> None:
    write(tmp_path)
    found = load_images(tmp_path, split)
    expected = [batch(10 * len(split) + index) for index in range(len(BATCHES[split]))]
    np.testing.assert_array_equal(found.images, np.concatenate([part[0] for part in expected]))
    np.testing.assert_array_equal(found.labels, np.concatenate([part[1] for part in expected]))
    assert found.classes == CLASSES


def damage_binary(folder: Path) -> None:
    write_binary(folder)
    path = folder / "data_batch_2.bin"
    path.write_bytes(path.read_bytes()[: RECORD + 7])


def damage_missing(folder: Path) -> None:
    write_binary(folder)
    (folder / "data_batch_5.bin").unlink()


def damage_labels(folder: Path) -> None:
    write_png(folder)
    (folder / LABELS["train"]).write_text("[1, 2]", encoding="utf-8")


def damage_json(folder: Path) -> None:
    write_png(folder)
    (folder / LABELS["train"]).write_text('{"a": 1}', encoding="utf-8")


def damage_huge_label(folder: Path) -> None:
    write_png(folder)
    (folder / LABELS["train"]).write_text("[99999999999]", encoding="utf-8")


def damage_negative_label(folder: Path) -> None:
    write_png(folder)
    (folder / LABELS["train"]).write_text("[-5]", encoding="utf-8")


def damage_nested_json(folder: Path) -> None:
    write_png(folder)
    (folder / LABELS["train"]).write_text("[" * 100_000 + "]" * 100_000, encoding="utf-8")


def damage_long_number(folder: Path) -> None:
    write_png(folder)
    (folder / LABELS["train"]).write_text("[" + "9" * 5000 + "]", encoding="utf-8")


def damage_binary_label(folder: Path) -> None:
    write_binary(folder)
    path = folder / "data_batch_4.bin"
    data = bytearray(path.read_bytes())
    data[RECORD] = 10
    path.write_bytes(data)


def damage_png(folder: Path) -> None:
    write_png(folder)
    (folder / "data_batch_3.png").write_bytes(b"no image")


def damage_width(folder: Path) -> None:
    write_png(folder)
    Image.new("RGB", (1000, 3)).save(folder / "data_batch_3.png")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_binary, "data_batch_2.bin.*whole records"),
        (damage_missing, "data_batch_5.bin.*add the file"),
        (damage_labels, "15 train images but 2 labels"),
        (damage_json, "expected a JSON list"),
        (damage_huge_label, "train_lables.json: label 99999999999 of image 0, expected 0..9"),
        (damage_negative_label, "train_lables.json: label -5 of image 0"),
        (damage_nested_json, "train_lables.json: cannot be read"),
        (damage_long_number, "train_lables.json: cannot be read"),
        (damage_binary_label, "data_batch_4.bin: label 10 of image 1"),
        (damage_png, "data_batch_3.png.*fetch it again"),
        (damage_width, "1000 pixels a row"),
    ],
)
def test_damaged_files(tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(tmp_path)
    with pytest.raises(FlowError, match=message):
        load_images(tmp_path, "train")


@pytest.mark.parametrize("write", [write_binary, write_png])
@pytest.mark.parametrize("split", SPLITS)
def test_a_folder_of_one_split(tmp_path: Path, write: Callable[[Path], None], split: Split) -> None:
    write(tmp_path)
    other: Split = "test" if split == "train" else "train"
    for name in BATCHES[other]:
        for path in tmp_path.glob(f"{name}.*"):
            path.unlink()
    assert len(load_images(tmp_path, split).images) == COUNT * len(BATCHES[split])
    with pytest.raises(FlowError, match=f"{BATCHES[other][0]}.*(add the file|fetch it again)"):
        load_images(tmp_path, other)


def test_an_empty_folder_names_the_form(tmp_path: Path) -> None:
    with pytest.raises(FlowError, match=r"no images.*CIFAR-10 batches"):
        load_images(tmp_path)
