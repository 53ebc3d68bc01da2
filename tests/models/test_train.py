"""Training: it learns, it can be interrupted, and the same seed gives the same network."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import models.train.loop as loop
from hwflow.errors import FlowError
from models.checkpoint import ARRAYS, load_checkpoint
from models.config import PokeBNNConfig, StageConfig
from models.data import ImageSet
from models.train.augment import shift_and_flip
from models.train.config import TrainConfig
from models.train.loop import evaluate, train
from models.train.run_folder import LOG, STATE
from models.train.run_folder import SETTINGS as SETTINGS_FILE
from models.train.step import learning_rate
from models.train.teacher import TEACHER, prepare_teacher

TINY = PokeBNNConfig(
    name="tiny",
    image_size=(8, 8),
    image_channels=1,
    classes=2,
    width=0.125,
    stages=(StageConfig(blocks=1, base_width=64, stride=2),),
    init_stride=1,
    mean=(0.5,),
    std=(0.3,),
)
SETTINGS = TrainConfig(
    epochs=3, batch_size=32, warmup_steps=4, learning_rate=1e-2, shift=1, freeze_bounds_at=0.5
)


def stripes(count: int, seed: int) -> ImageSet:
    """Noisy horizontal (0) or vertical (1) stripes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count).astype(np.int32)
    pattern = np.where(np.arange(8)[:, None] // 2 % 2, 200, 50) + np.zeros((8, 8))
    images = np.where(labels[:, None, None] == 1, pattern.T, pattern)
    noisy = images + rng.normal(0, 30, images.shape)
    return ImageSet(np.clip(noisy, 0, 255).astype(np.uint8)[..., None], labels)


DATA, TEST = stripes(320, 0), stripes(100, 1)


def log_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(TINY, SETTINGS, DATA, TEST, folder)
    return folder


def test_learns_and_logs(finished: Path) -> None:
    *epochs, final = log_of(finished)
    assert [entry["epoch"] for entry in epochs] == [1, 2, 3]
    assert epochs[-1]["loss"] < epochs[0]["loss"]
    assert final["test_accuracy"] >= 0.9
    config, variables = load_checkpoint(finished)
    assert evaluate(config, variables, TEST) == final["test_accuracy"]


def test_bounds_move_then_freeze(finished: Path) -> None:
    _, variables = load_checkpoint(finished)
    bounds = variables["get_bounds"]["init_conv"]["GetBounds_0"]["bounds"]
    assert bounds.shape == (1, 1, 1, 1)
    assert 1.0 < bounds.item() < 2.0


def interrupted(folder: Path, settings: TrainConfig = SETTINGS) -> None:
    """Trains one epoch, and is stopped."""

    def stop(*arguments: object) -> None:
        save(*arguments)  # pyright: ignore[reportArgumentType]  passed on as they came
        raise KeyboardInterrupt

    save = loop.save_checkpoint
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "save_checkpoint", stop)
        with pytest.raises(KeyboardInterrupt):
            train(TINY, settings, DATA, TEST, folder)
    assert len(log_of(folder)) == 1


@pytest.mark.slow
def test_interrupted_run_ends_with_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    interrupted(tmp_path)
    train(TINY, SETTINGS, DATA, TEST, tmp_path)
    assert (tmp_path / ARRAYS).read_bytes() == (finished / ARRAYS).read_bytes()
    assert json.loads((tmp_path / SETTINGS_FILE).read_text())["epochs_changed"] == []


@pytest.mark.slow
def test_a_run_is_resumed_only_as_itself(tmp_path: Path) -> None:
    interrupted(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    shorter = dataclasses.replace(SETTINGS, epochs=2)
    with pytest.raises(FlowError, match=r"training\.epochs is 3 there, 2 here"):
        train(TINY, shorter, DATA, TEST, tmp_path)
    with pytest.raises(FlowError, match=r"data\.train is \w+ there, \w+ here; use"):
        train(TINY, SETTINGS, stripes(320, 2), TEST, tmp_path)
    wider = dataclasses.replace(TINY, std=(0.4,))
    both = dataclasses.replace(shorter, learning_rate=1e-3)
    with pytest.raises(FlowError, match=r"network\.std.*training\.learning_rate is 0\.01 there"):
        train(wider, both, DATA, TEST, tmp_path, change_epochs=True)
    # The settings file is for people: without it the state still knows what it is.
    (tmp_path / SETTINGS_FILE).unlink()
    with pytest.raises(FlowError, match=r"training\.seed is 0 there, 1 here"):
        train(TINY, dataclasses.replace(SETTINGS, seed=1), DATA, TEST, tmp_path)
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert after == {name: data for name, data in before.items() if name != SETTINGS_FILE}


@pytest.mark.slow
def test_a_change_of_epochs_is_recorded(tmp_path: Path) -> None:
    interrupted(tmp_path)
    shorter = dataclasses.replace(SETTINGS, epochs=2)
    train(TINY, shorter, DATA, TEST, tmp_path, change_epochs=True)
    change = {"after_epoch": 1, "from": 3, "to": 2}
    first, changed, second, final = log_of(tmp_path)
    assert (first["epoch"], second["epoch"], final["final"]) == (1, 2, True)
    assert changed == {"epochs_changed": change}
    settings = json.loads((tmp_path / SETTINGS_FILE).read_text())
    assert settings["training"]["epochs"] == 2
    assert settings["epochs_changed"] == [change]
    with pytest.raises(FlowError, match="2 epochs are done, 1 wanted"):
        fewer = dataclasses.replace(SETTINGS, epochs=1)
        train(TINY, fewer, DATA, TEST, tmp_path, change_epochs=True)


def test_a_checkpoint_without_its_state_is_kept(finished: Path, tmp_path: Path) -> None:
    for name in (ARRAYS, SETTINGS_FILE):
        (tmp_path / name).write_bytes((finished / name).read_bytes())
    with pytest.raises(FlowError, match=f"holds a checkpoint but no {STATE}"):
        train(TINY, SETTINGS, DATA, TEST, tmp_path)
    assert (tmp_path / ARRAYS).read_bytes() == (finished / ARRAYS).read_bytes()


def test_a_run_of_other_settings_without_a_state(finished: Path, tmp_path: Path) -> None:
    (tmp_path / SETTINGS_FILE).write_bytes((finished / SETTINGS_FILE).read_bytes())
    with pytest.raises(FlowError, match=r"training\.l2"):
        train(TINY, dataclasses.replace(SETTINGS, l2=0.5), DATA, TEST, tmp_path)
    for text in ("{", "[]", '{"training": {"epochs": "many"}}'):
        (tmp_path / SETTINGS_FILE).write_text(text)
        with pytest.raises(FlowError, match="not the settings of a run"):
            train(TINY, SETTINGS, DATA, TEST, tmp_path)


def test_data_that_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    wrong = ImageSet(TEST.images, TEST.labels + 1)
    for config, data, test, message in (
        (TINY, DATA, wrong, "test set: label 2, but network tiny has 2 classes"),
        (dataclasses.replace(TINY, image_size=(8, 10)), DATA, TEST, "training set: images are"),
    ):
        with pytest.raises(FlowError, match=message):
            train(config, SETTINGS, data, test, folder)
    assert not folder.exists()


@pytest.mark.slow
def test_teacher_is_trained_once_and_teaches(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, epochs=2, distillation=0.9)
    teacher = prepare_teacher(TINY, settings, DATA, 3, tmp_path)
    probabilities = np.asarray(teacher(jnp.asarray(TEST.images)))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)
    assert np.mean(probabilities.argmax(axis=1) == TEST.labels) >= 0.9
    again = prepare_teacher(TINY, settings, DATA, 3, tmp_path)
    np.testing.assert_array_equal(again(jnp.asarray(TEST.images)), probabilities)
    train(TINY, settings, DATA, TEST, tmp_path, teacher=teacher)
    assert log_of(tmp_path)[-1]["test_accuracy"] >= 0.8
    more = dataclasses.replace(TINY, classes=3)
    with pytest.raises(FlowError, match="other shapes"):
        prepare_teacher(more, settings, DATA, 3, tmp_path)
    (tmp_path / TEACHER).write_bytes(b"damaged")
    with pytest.raises(FlowError, match="not a teacher"):
        prepare_teacher(TINY, settings, DATA, 3, tmp_path)


def test_distillation_needs_a_teacher(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, distillation=0.5)
    with pytest.raises(FlowError, match="without a teacher"):
        train(TINY, settings, DATA, TEST, tmp_path)


def test_folder_of_another_run_is_refused(finished: Path) -> None:
    with pytest.raises(FlowError, match="different run"):
        train(TINY, dataclasses.replace(SETTINGS, seed=1), DATA, TEST, finished)


def test_damaged_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / STATE).write_bytes(b"damaged")
    with pytest.raises(FlowError, match="cannot be resumed"):
        train(TINY, SETTINGS, DATA, TEST, tmp_path)


def test_batch_larger_than_the_set(tmp_path: Path) -> None:
    with pytest.raises(FlowError, match="batch_size=32"):
        train(TINY, SETTINGS, DATA.subset(31), TEST, tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_settings_are_checked() -> None:
    with pytest.raises(FlowError, match="epochs=0"):
        TrainConfig(epochs=0)
    with pytest.raises(FlowError, match="distillation=2"):
        TrainConfig(distillation=2)


def test_schedule_warms_up_and_ends_at_zero() -> None:
    schedule = learning_rate(TrainConfig(learning_rate=1.0, warmup_steps=10), 100)
    rates = [float(schedule(step)) for step in range(101)]
    assert rates[0] == 0.0
    assert max(rates) == rates[10] == 1.0
    assert rates[100] == pytest.approx(0.0, abs=1e-6)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_shift_and_flip() -> None:
    images = np.zeros((64, 5, 5, 1), np.uint8)
    images[:, 2, 1] = 9
    moved = shift_and_flip(images, np.random.default_rng(0), shift=1, flip=True)
    assert moved.shape == images.shape
    assert np.all(moved.sum(axis=(1, 2, 3)) == 9)
    rows, columns = np.nonzero(moved[..., 0])[1:]
    assert set(rows) == {1, 2, 3}
    assert set(columns) == {0, 1, 2, 3, 4}
    still = shift_and_flip(images, np.random.default_rng(0), shift=0, flip=False)
    np.testing.assert_array_equal(still, images)
