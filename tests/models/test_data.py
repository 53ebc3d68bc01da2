"""Reading image sets, and the errors for damaged ones."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwflow.errors import FlowError
from models.data import load_images, read_idx

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
LABELS = np.asarray([7, 1], np.uint8)


def idx(array: np.ndarray) -> bytes:
    header = bytes((0, 0, 8, array.ndim)) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.tobytes()


def write_idx_folder(folder: Path, compressed: bool) -> None:
    for name, array in (
        ("t10k-images-idx3-ubyte", IMAGES),
        ("t10k-labels-idx1-ubyte", LABELS),
    ):
        data = idx(array)
        if compressed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(data))
        else:
            (folder / name).write_bytes(data)


@pytest.mark.parametrize("compressed", [False, True])
def test_idx_folder(tmp_path: Path, compressed: bool) -> None:
    write_idx_folder(tmp_path, compressed)
    data = load_images(tmp_path, "test")
    assert data.images.dtype == np.uint8
    np.testing.assert_array_equal(data.images, IMAGES[..., None])
    np.testing.assert_array_equal(data.labels, LABELS)
    assert len(data.subset(1)) == 1


def test_idx_errors(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(idx(IMAGES)[:-1])
    with pytest.raises(FlowError, match=r"shape \(2, 3, 4\) but 23 bytes"):
        read_idx(path)
    path.write_bytes(b"hello")
    with pytest.raises(FlowError, match="not an IDX file"):
        read_idx(path)
    path.write_bytes(gzip.compress(idx(IMAGES))[:-10])
    with pytest.raises(FlowError, match="cannot be read"):
        read_idx(path)
    path.write_bytes(idx(IMAGES)[:9])
    with pytest.raises(FlowError, match="cut short"):
        read_idx(path)
    write_idx_folder(tmp_path, compressed=False)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FlowError, match="t10k-labels"):
        load_images(tmp_path, "test")


def test_npz(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, images=IMAGES, labels=LABELS)
    assert load_images(path).images.shape == (2, 3, 4, 1)
    np.savez(path, images=IMAGES)
    with pytest.raises(FlowError, match="'labels' is missing"):
        load_images(path)
    np.savez(path, images=IMAGES.astype(np.float32), labels=LABELS)
    with pytest.raises(FlowError, match="images are float32"):
        load_images(path)
    np.savez(path, images=IMAGES, labels=LABELS[:1])
    with pytest.raises(FlowError, match="labels are"):
        load_images(path)
    np.savez(path, images=IMAGES[:0], labels=LABELS[:0])
    with pytest.raises(FlowError, match="no images"):
        load_images(path)
    path.write_bytes(b"PK damaged")
    with pytest.raises(FlowError, match="cannot be read"):
        load_images(path)


def test_image_folder(tmp_path: Path) -> None:
    for name, value in (("cat", 10), ("dog", 20)):
        folder = tmp_path / "test" / name
        folder.mkdir(parents=True)
        Image.new("RGB", (5, 4), (value, 0, 255)).save(folder / "a.png")
    data = load_images(tmp_path, "test")
    assert data.images.shape == (2, 4, 5, 3)
    assert data.classes == ("cat", "dog")
    assert data.images[1, 0, 0].tolist() == [20, 0, 255]
    assert data.labels.tolist() == [0, 1]
    Image.new("L", (5, 5)).save(tmp_path / "test" / "dog" / "b.png")
    with pytest.raises(FlowError, match=r"b\.png: shape"):
        load_images(tmp_path, "test")
    (tmp_path / "test" / "dog" / "b.png").write_bytes(b"no image")
    with pytest.raises(FlowError, match="not a readable image"):
        load_images(tmp_path, "test")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(FlowError, match="no images"):
        load_images(tmp_path)
    with pytest.raises(FlowError, match="not found"):
        load_images(tmp_path / "absent")
