"""The training run: epochs, resumable state, log, evaluation and the final checkpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from hwflow.errors import FlowError
from models.checkpoint import save_checkpoint, write_atomically
from models.config import PokeBNNConfig
from models.data import ImageSet
from models.train.augment import shift_and_flip
from models.train.config import TrainConfig
from models.train.step import (
    TrainState,
    Tree,
    init_state,
    make_batch_statistics,
    make_predict,
    make_train_step,
)
from models.train.teacher import Teacher

STATE = "train_state.msgpack"
LOG = "train_log.jsonl"
SETTINGS = "train_config.json"
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


def evaluate(config: PokeBNNConfig, variables: Tree, data: ImageSet) -> float:
    """Top-1 accuracy (0 to 1) of the float32 network on every image of `data`."""
    return evaluate_with(make_predict(config), variables, data)


def evaluate_with(
    predict: Callable[[Tree, jax.Array], jax.Array], variables: Tree, data: ImageSet
) -> float:
    """Like `evaluate`, with a jitted predict function that is used again and again."""
    correct = 0
    for start in range(0, len(data), EVALUATION_BATCH):
        part = slice(start, start + EVALUATION_BATCH)
        predicted = np.asarray(predict(variables, jnp.asarray(data.images[part])))
        correct += int(np.sum(predicted == data.labels[part]))
    return correct / len(data)


def recalibrate(config: PokeBNNConfig, variables: Tree, data: ImageSet, batch_size: int) -> Tree:
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
    return {**variables, "batch_stats": jax.tree.map(lambda leaf: leaf / batches, total)}


def train(
    config: PokeBNNConfig,
    settings: TrainConfig,
    data: ImageSet,
    test: ImageSet,
    folder: str | Path,
    *,
    teacher: Teacher | None = None,
    progress: Progress | None = None,
) -> TrainResult:
    """Trains to the end, resuming where an interrupted run in `folder` left off.

    After each epoch `folder` holds the resumable state, the log (one JSON object per epoch) and
    a checkpoint of the network so far. A run that is resumed equals one that was not
    interrupted. `teacher` is needed when `settings.distillation` > 0. Raises FlowError when the
    folder holds another run.
    """
    if (teacher is None) != (settings.distillation == 0):
        raise FlowError(
            f"distillation={settings.distillation} with{'out' if teacher is None else ''} a "
            "teacher: give both or neither"
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder, config, settings)
    per_epoch = len(data) // settings.batch_size
    if per_epoch < 1:
        raise FlowError(f"batch_size={settings.batch_size}: more than the {len(data)} images")
    steps = settings.epochs * per_epoch
    state, log = _restore(folder, init_state(config, settings, steps))
    predict = make_predict(config)
    freeze_step = int(settings.freeze_bounds_at * steps)
    functions = {
        moving: make_train_step(config, settings, steps, update_bounds=moving)
        for moving in (True, False)
    }
    bar = progress or Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"), TimeRemainingColumn(),
    )
    with bar:
        for epoch in range(len(log), settings.epochs):
            started = time.monotonic()
            task = bar.add_task(
                f"epoch {epoch + 1}/{settings.epochs}", total=per_epoch, loss=float("nan")
            )
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
                    bar.update(task, completed=index + 1, loss=float(losses[-1]))
            bar.update(task, completed=per_epoch)
            loss = float(np.mean(np.asarray(losses)))
            if not np.isfinite(loss):
                raise FlowError(f"{folder}: the loss became {loss}; lower learning_rate")
            entry = {
                "epoch": epoch + 1,
                "loss": round(loss, 5),
                "train_accuracy": round(float(np.mean(np.asarray(accuracies))), 5),
                "test_accuracy": evaluate_with(predict, inference_collections(state), test),
                "minutes": round((time.monotonic() - started) / 60, 3),
            }
            log.append(entry)
            bar.console.print(json.dumps(entry))
            _store(folder, state, log)
            save_checkpoint(folder, config, inference_collections(state))
    return _finish(config, settings, inference_collections(state), data, test, folder, log)


def _finish(
    config: PokeBNNConfig,
    settings: TrainConfig,
    variables: Tree,
    data: ImageSet,
    test: ImageSet,
    folder: Path,
    log: list[dict[str, Any]],
) -> TrainResult:
    """Recalibrates the batch norms, keeps the better of the two by *training* accuracy."""
    predict = make_predict(config)
    sample = data.subset(SELECTION_IMAGES)
    recalibrated = recalibrate(config, variables, data, settings.batch_size)
    before, after = (evaluate_with(predict, v, sample) for v in (variables, recalibrated))
    chosen = recalibrated if after >= before else variables
    accuracy = evaluate_with(predict, chosen, test)
    entry = {
        "final": True,
        "recalibrated": after >= before,
        "train_accuracy_running_statistics": before,
        "train_accuracy_recalibrated": after,
        "test_accuracy": accuracy,
    }
    save_checkpoint(folder, config, chosen)
    lines = [*log, entry]
    write_atomically(folder / LOG, "".join(json.dumps(e) + "\n" for e in lines).encode())
    return TrainResult(chosen, accuracy)


def _claim(folder: Path, config: PokeBNNConfig, settings: TrainConfig) -> None:
    """Records what is trained here; FlowError when the folder belongs to another run."""
    wanted = {"network": config.to_dict(), "training": settings.to_dict()}
    text = json.dumps(wanted, indent=2, sort_keys=True) + "\n"
    path = folder / SETTINGS
    if path.exists() and path.read_text() != text:
        raise FlowError(f"{path}: describes a different run; use another folder or remove it")
    write_atomically(path, text.encode())


def _restore(folder: Path, fresh: TrainState) -> tuple[TrainState, list[dict[str, Any]]]:
    path = folder / STATE
    if not path.exists():
        return fresh, []
    try:
        stored: Any = flax.serialization.msgpack_restore(path.read_bytes())
        log = [json.loads(line) for line in stored["log"]]
        state: Any = flax.serialization.from_state_dict(fresh, stored["state"])
    except Exception as error:  # msgpack and flax raise many kinds on damaged bytes
        raise FlowError(f"{path}: cannot be resumed ({error}); remove it to start over") from error
    return jax.tree.map(jnp.asarray, state), log


def _store(folder: Path, state: TrainState, log: list[dict[str, Any]]) -> None:
    lines = [json.dumps(entry) for entry in log]
    stored = {
        "state": flax.serialization.to_state_dict(jax.tree.map(np.asarray, state)),
        "log": lines,
    }
    write_atomically(folder / STATE, flax.serialization.msgpack_serialize(stored))
    write_atomically(folder / LOG, "".join(line + "\n" for line in lines).encode())
