"""`hwflow train`: quantisation-aware training."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from hwflow.cli.output import Json, number, print_json, progress_console
from hwflow.paths import BUILD
from models.data import FASHION_MNIST, load_images
from models.train.config import TrainConfig

DEFAULTS = TrainConfig()


def train(
    out: Annotated[
        Path, typer.Option(help="folder of the run; an interrupted run in it is resumed")
    ] = BUILD / "train" / "fmnist-small",
    preset: Annotated[str, typer.Option(help="name of a network preset")] = "fmnist-small",
    data: Annotated[
        Path, typer.Option(help=".npz file, folder of IDX files or of one folder a class")
    ] = FASHION_MNIST,
    width: Annotated[
        float | None, typer.Option(help="filter multiplier, if not the preset's")
    ] = None,
    clip_bound: Annotated[
        float | None, typer.Option(help="bound of the binarisation's gradient")
    ] = None,
    epochs: Annotated[int, typer.Option(help="passes over the training set")] = DEFAULTS.epochs,
    batch_size: Annotated[int, typer.Option(help="images a step")] = DEFAULTS.batch_size,
    learning_rate: Annotated[float, typer.Option(help="peak of Adam")] = DEFAULTS.learning_rate,
    l2: Annotated[float, typer.Option(help="weight decay of the kernels")] = DEFAULTS.l2,
    shift: Annotated[int, typer.Option(help="random translation, pixels")] = DEFAULTS.shift,
    label_smoothing: Annotated[
        float, typer.Option(help="of the label term, 0 to 1")
    ] = DEFAULTS.label_smoothing,
    seed: Annotated[int, typer.Option(help="same seed, same run")] = DEFAULTS.seed,
    limit: Annotated[
        int | None, typer.Option(min=1, help="only the first N images of each set")
    ] = None,
    json: Json = False,
) -> None:
    """Train a network; the folder gets its checkpoint, its log and the resumable state."""
    from models.train.xla import restart_with_settings

    restart_with_settings("hwflow.cli.main")
    from models.config import preset as named
    from models.train.loop import train as run

    config = named(preset)
    changes = {"width": width, "binary_clip_bound": clip_bound}
    config = dataclasses.replace(config, **{k: v for k, v in changes.items() if v is not None})
    settings = TrainConfig(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        l2=l2,
        shift=shift,
        label_smoothing=label_smoothing,
        seed=seed,
    )
    sets = [load_images(data, split) for split in ("train", "test")]
    if limit is not None:
        sets = [images.subset(limit) for images in sets]
    result = run(config, settings, sets[0], sets[1], out)
    if json:
        print_json({"folder": str(out), "evidence": "float", "test_top1": result.accuracy})
    else:
        progress_console().print(
            f"{out}: test top-1 {number(100 * result.accuracy, 2)}% of {len(sets[1])} images"
        )
