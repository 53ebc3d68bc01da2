"""`hwflow train`: quantisation-aware training."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwflow.cli import complete
from hwflow.cli.output import Json, number, print_json, progress_console
from hwflow.errors import FlowError
from hwflow.paths import BUILD
from models.data import FASHION_MNIST, ImageSet, check_images, load_images
from models.train.config import TrainConfig

if TYPE_CHECKING:
    from models.config import PokeBNNConfig

DEFAULTS = TrainConfig()


def train(
    out: Annotated[
        Path, typer.Option(help="folder of the run; an interrupted run in it is resumed")
    ] = BUILD / "train" / "fmnist-small",
    preset: Annotated[
        str, typer.Option(help="name of a network preset", autocompletion=complete.presets)
    ] = "fmnist-small",
    data: Annotated[
        Path, typer.Option(help=".npz file, folder of IDX files or of one folder a class")
    ] = FASHION_MNIST,
    width: Annotated[
        float | None, typer.Option(help="filter multiplier, if not the preset's")
    ] = None,
    clip_bound: Annotated[
        float | None, typer.Option(help="bound of the binarisation's gradient")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help=f"passes over the training set, default {DEFAULTS.epochs}; given for a run that is "
            "resumed, changes its length"
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="images a step")] = DEFAULTS.batch_size,
    learning_rate: Annotated[float, typer.Option(help="peak of Adam")] = DEFAULTS.learning_rate,
    l2: Annotated[float, typer.Option(help="weight decay of the kernels")] = DEFAULTS.l2,
    shift: Annotated[int, typer.Option(help="random translation, pixels")] = DEFAULTS.shift,
    label_smoothing: Annotated[
        float, typer.Option(help="of the label term, 0 to 1")
    ] = DEFAULTS.label_smoothing,
    distillation: Annotated[
        float, typer.Option(help="weight of a teacher's predictions, 0 to 1")
    ] = DEFAULTS.distillation,
    teacher_epochs: Annotated[
        int, typer.Option(min=1, help="epochs the teacher is trained, if there is one")
    ] = 6,
    seed: Annotated[int, typer.Option(min=0, help="same seed, same run")] = DEFAULTS.seed,
    limit: Annotated[
        int | None, typer.Option(min=1, help="only the first N images of each set")
    ] = None,
    json: Json = False,
) -> None:
    """Train a network; the folder gets its checkpoint, its log and the resumable state."""
    from models.train.xla import restart_with_settings

    restart_with_settings("hwflow.cli.entry")
    from models.config import preset as named
    from models.train.loop import open_run
    from models.train.loop import train as run
    from models.train.progress import training_progress
    from models.train.teacher import prepare_teacher

    config = named(preset)
    changes = {"width": width, "binary_clip_bound": clip_bound}
    config = dataclasses.replace(config, **{k: v for k, v in changes.items() if v is not None})
    settings = TrainConfig(
        epochs=DEFAULTS.epochs if epochs is None else epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        l2=l2,
        shift=shift,
        label_smoothing=label_smoothing,
        distillation=distillation,
        seed=seed,
    )
    sets = image_sets(data, config, limit)
    changing = epochs is not None
    open_run(config, settings, *sets, out, change_epochs=changing)
    with training_progress() as bar:
        teacher = None
        if distillation > 0:
            teacher = prepare_teacher(config, settings, sets[0], teacher_epochs, out, bar)
        result = run(
            config, settings, *sets, out, teacher=teacher, change_epochs=changing, progress=bar
        )
    if json:
        print_json({"folder": str(out), "evidence": "float", "test_top1": result.accuracy})
    else:
        progress_console().print(
            f"{out}: test top-1 {number(100 * result.accuracy, 2)}% of {len(sets[1])} images"
        )


def image_sets(source: Path, config: PokeBNNConfig, limit: int | None) -> tuple[ImageSet, ImageSet]:
    """Training and test set of `source`, the first `limit` images of each.

    Raises:
        FlowError: images the network cannot take, or a source without a test set of its own.
    """
    data, test = (load_images(source, split) for split in ("train", "test"))
    for images in (data, test):
        check_images(images, config.image_shape, config.classes, config.name, source)
    if data.sha256() == test.sha256():
        raise FlowError(
            f"{source}: gives the same images for training and testing; give folders train and test, "
            "or an .npz file with train_images, train_labels, test_images, test_labels"
        )
    return (data, test) if limit is None else (data.subset(limit), test.subset(limit))
