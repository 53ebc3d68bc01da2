"""The training run: epochs, evaluation and the final checkpoint."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.progress import Progress

from hwflow.errors import FlowError
from models.checkpoint import save_checkpoint
from models.config import PokeBNNConfig
from models.data import ImageSet, check_images
from models.train import run_folder
from models.train.augment import shift_and_flip
from models.train.config import TrainConfig
from models.train.progress import Report, reporter, shown
from models.train.run_folder import Run
from models.train.step import (
    TrainState,
    Tree,
    init_state,
    make_batch_statistics,
    make_predict,
    make_train_step,
)
from models.train.teacher import Teacher

EVALUATION_BATCH = 250
RECALIBRATION_BATCHES = 100
SELECTION_IMAGES = 10_000


class TrainResult(NamedTuple):
    """variables: inference collections. accuracy: top-1 on the test set, 0 to 1."""

    variables: Tree
    accuracy: float


def inference_collections(state: TrainState) -> Tree:
    """The collections that inference reads."""
    return {
        "params": state.params,
        "batch_stats": state.batch_stats,
        "get_bounds": state.get_bounds,
    }


def evaluate(
    config: PokeBNNConfig, variables: Tree, data: ImageSet, progress: Report | None = None
) -> float:
    """Top-1 accuracy (0 to 1) of the float32 network on every image of `data`.

    progress is called with (images done, of how many).
    """
    predict = make_predict(config)
    correct = 0
    for start in range(0, len(data), EVALUATION_BATCH):
        part = slice(start, start + EVALUATION_BATCH)
        predicted = np.asarray(predict(variables, jnp.asarray(data.images[part])))
        correct += int(np.sum(predicted == data.labels[part]))
        if progress:
            progress(min(start + EVALUATION_BATCH, len(data)), len(data))
    return correct / len(data)


def recalibrate(
    config: PokeBNNConfig,
    variables: Tree,
    data: ImageSet,
    batch_size: int,
    progress: Report | None = None,
) -> Tree:
    """Batch-norm statistics averaged over unaugmented training batches; the rest unchanged."""
    statistics = make_batch_statistics(config)
    batches = max(min(len(data) // batch_size, RECALIBRATION_BATCHES), 1)
    stride = max(len(data) // (batches * batch_size), 1)
    total: Tree | None = None
    for index in range(batches):
        start = index * batch_size * stride
        images = jnp.asarray(data.images[start : start + batch_size])
        batch = statistics(variables, images)
        total = batch if total is None else jax.tree.map(jnp.add, total, batch)
        if progress:
            progress(index + 1, batches)
    return {**variables, "batch_stats": jax.tree.map(lambda leaf: leaf / batches, total)}


def open_run(
    config: PokeBNNConfig,
    settings: TrainConfig,
    data: ImageSet,
    test: ImageSet,
    folder: str | Path,
    *,
    change_epochs: bool = False,
) -> Run:
    """Checks data, settings and folder, and reads the run the folder holds; writes nothing.

    Raises FlowError when the images do not fit the network, are fewer than a batch, or the folder
    holds another run.
    """
    for images, name in ((data, "training set"), (test, "test set")):
        check_images(images, config.image_shape, config.classes, config.name, name)
    if len(data) < settings.batch_size:
        raise FlowError(f"batch_size={settings.batch_size}: more than the {len(data)} images")
    identity = run_folder.identify(config, settings, data, test)
    return run_folder.open_run(Path(folder), identity, change_epochs)


def train(
    config: PokeBNNConfig,
    settings: TrainConfig,
    data: ImageSet,
    test: ImageSet,
    folder: str | Path,
    *,
    teacher: Teacher | None = None,
    change_epochs: bool = False,
    progress: Progress | None = None,
) -> TrainResult:
    """Trains to the end, resuming where an interrupted run in `folder` left off.

    After each epoch `folder` holds the resumable state, the log (one JSON object per epoch) and
    a checkpoint of the network so far. A run that is resumed equals one that was not
    interrupted. With change_epochs a run may be resumed with another number of epochs: the
    learning rate goes on along the schedule of that length, and the log says so. `teacher` is
    needed when `settings.distillation` > 0. progress: a running display of
    `progress.training_progress`. Raises FlowError as `open_run`, and when the loss is not finite.
    """
    if (teacher is None) != (settings.distillation == 0):
        raise FlowError(
            f"distillation={settings.distillation} with{'out' if teacher is None else ''} a "
            "teacher: give both or neither"
        )
    folder = Path(folder)
    run = open_run(config, settings, data, test, folder, change_epochs=change_epochs)
    per_epoch = len(data) // settings.batch_size
    steps = settings.epochs * per_epoch
    state = run_folder.restore(folder, run, init_state(config, settings, steps))
    folder.mkdir(parents=True, exist_ok=True)
    run_folder.write_settings(folder, run)
    freeze_step = int(settings.freeze_bounds_at * steps)
    functions = {
        moving: make_train_step(config, settings, steps, update_bounds=moving)
        for moving in (True, False)
    }
    with shown(progress) as bar:
        for epoch in range(run.epochs_done, settings.epochs):
            started = time.monotonic()
            task = bar.add_task(f"epoch {epoch + 1}/{settings.epochs}", total=per_epoch, note="")
            rng = np.random.default_rng([settings.seed, epoch])
            order = rng.permutation(len(data))
            losses: list[jax.Array] = []
            accuracies: list[jax.Array] = []
            for index in range(per_epoch):
                chosen = order[index * settings.batch_size : (index + 1) * settings.batch_size]
                images = jnp.asarray(
                    shift_and_flip(data.images[chosen], rng, settings.shift, settings.flip)
                )
                soft = teacher(images) if teacher else None
                moving = epoch * per_epoch + index < freeze_step
                state, metrics = functions[moving](
                    state, images, jnp.asarray(data.labels[chosen]), soft
                )
                losses.append(metrics.loss)
                accuracies.append(metrics.accuracy)
                if index % 8 == 7:
                    note = f"loss {float(losses[-1]):.3f}"
                    bar.update(task, completed=index + 1, note=note)
            bar.update(task, completed=per_epoch)
            loss = float(np.mean(np.asarray(losses)))
            if not np.isfinite(loss):
                raise FlowError(f"{folder}: the loss became {loss}; lower learning_rate")
            variables = inference_collections(state)
            entry = {
                "epoch": epoch + 1,
                "loss": round(loss, 5),
                "train_accuracy": round(float(np.mean(np.asarray(accuracies))), 5),
                "test_accuracy": evaluate(config, variables, test, reporter(bar, "  test set")),
                "minutes": round((time.monotonic() - started) / 60, 3),
            }
            run.log.append(entry)
            bar.console.print(json.dumps(entry), soft_wrap=True)
            run_folder.store(folder, run, state)
            save_checkpoint(folder, config, variables)
        variables = inference_collections(state)
        return _finish(config, settings, variables, data, test, folder, run.log, bar)


def _finish(
    config: PokeBNNConfig,
    settings: TrainConfig,
    variables: Tree,
    data: ImageSet,
    test: ImageSet,
    folder: Path,
    log: list[dict[str, Any]],
    bar: Progress,
) -> TrainResult:
    """Recalibrates the batch norms, keeps the better of the two by *training* accuracy."""
    sample = data.subset(SELECTION_IMAGES)
    recalibrated = recalibrate(
        config, variables, data, settings.batch_size, reporter(bar, "recalibrating")
    )
    before, after = (
        evaluate(config, found, sample, reporter(bar, f"training set, {name}"))
        for found, name in ((variables, "running statistics"), (recalibrated, "recalibrated"))
    )
    chosen = recalibrated if after >= before else variables
    accuracy = evaluate(config, chosen, test, reporter(bar, "test set"))
    entry = {
        "final": True,
        "recalibrated": after >= before,
        "train_accuracy_running_statistics": before,
        "train_accuracy_recalibrated": after,
        "test_accuracy": accuracy,
    }
    save_checkpoint(folder, config, chosen)
    run_folder.write_log(folder, [*log, entry])
    return TrainResult(chosen, accuracy)
