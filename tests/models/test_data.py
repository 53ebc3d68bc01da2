"""Reading image sets, and the errors for damaged ones."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwflow.errors import FlowError
from models.data import ImageSet, check_images, load_images, read_idx

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


def test_npz_with_both_splits(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    np.savez(
        path,
        train_images=IMAGES[:1], train_labels=LABELS[:1], test_images=IMAGES, test_labels=LABELS,
    )  # fmt: skip
    assert len(load_images(path, "train")) == 1
    assert len(load_images(path, "test")) == 2
    np.savez(path, test_images=IMAGES, test_labels=LABELS)
    with pytest.raises(FlowError, match="'train_images' is missing"):
        load_images(path, "train")


def test_npz_that_is_an_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "set.npy", IMAGES)
    (tmp_path / "set.npy").rename(tmp_path / "set.npz")
    with pytest.raises(FlowError, match="one array without a name"):
        load_images(tmp_path / "set.npz")


def test_labels_beyond_32_bits(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", images=IMAGES, labels=np.asarray([0, 1 << 32]))
    with pytest.raises(FlowError, match="does not fit 32 bits"):
        load_images(tmp_path / "set.npz")


def test_images_are_checked_against_the_network() -> None:
    data = ImageSet(IMAGES[..., None], np.asarray([0, 1], np.int32))
    check_images(data, (3, 4, 1), 2, "net", "here")
    with pytest.raises(FlowError, match=r"here: images are \(3, 4, 1\), network net takes"):
        check_images(data, (4, 4, 1), 2, "net", "here")
    for labels, wrong in (([0, 2], 2), ([-1, 0], -1)):
        odd = ImageSet(data.images, np.asarray(labels, np.int32))
        with pytest.raises(FlowError, match=f"here: label {wrong}, but network net has 2"):
            check_images(odd, (3, 4, 1), 2, "net", "here")


def test_equal_sets_have_equal_hashes() -> None:
    data = ImageSet(IMAGES[..., None], np.asarray([0, 1], np.int32))
    same = ImageSet(IMAGES[..., None].copy(), np.asarray([0, 1], np.int32))
    other = ImageSet(IMAGES[..., None], np.asarray([1, 1], np.int32))
    reshaped = ImageSet(IMAGES.reshape(2, 4, 3, 1), data.labels)
    assert data.sha256() == same.sha256()
    assert len({data.sha256(), other.sha256(), reshaped.sha256()}) == 3


@pytest.mark.parametrize(("dtype", "suffix"), [(np.uint16, "png"), (np.float32, "tif")])
def test_deep_pixels_are_refused(dtype: type[np.generic], suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "cat" / f"deep.{suffix}"
    path.parent.mkdir()
    Image.fromarray(np.full((4, 4), 300, dtype)).save(path)
    with pytest.raises(FlowError, match=r"deep\..*wider than 8 bits"):
        load_images(tmp_path)


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
