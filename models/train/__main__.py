"""Command line: python -m models.train --out FOLDER [--network NAME] [--data PATH] ..."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import typer

from hwflow.errors import FlowError
from models.config import preset
from models.data import FASHION_MNIST, load_images
from models.train.config import TrainConfig
from models.train.loop import train
from models.train.teacher import prepare_teacher
from models.train.xla import restart_with_settings

DEFAULTS = TrainConfig()


def main(
    out: Annotated[Path, typer.Option(help="folder of the run; resumed when it exists")],
    network: Annotated[str, typer.Option(help="name of a preset")] = "fmnist-small",
    data: Annotated[Path, typer.Option(help="IDX folder or image folder")] = FASHION_MNIST,
    width: Annotated[float | None, typer.Option(help="filter multiplier, if not the preset's")]
    = None,
    clip_bound: Annotated[float | None, typer.Option(help="binarisation gradient bound")] = None,
    epochs: int = DEFAULTS.epochs,
    batch_size: int = DEFAULTS.batch_size,
    learning_rate: float = DEFAULTS.learning_rate,
    l2: float = DEFAULTS.l2,
    shift: Annotated[int, typer.Option(help="random translation, pixels")] = DEFAULTS.shift,
    label_smoothing: float = DEFAULTS.label_smoothing,
    distillation: Annotated[float, typer.Option(help="weight of the teacher's predictions")]
    = DEFAULTS.distillation,
    teacher_epochs: Annotated[int, typer.Option(help="epochs the teacher is trained")] = 6,
    seed: int = DEFAULTS.seed,
    limit: Annotated[int | None, typer.Option(help="use only the first N images of a set")] = None,
) -> None:
    """Trains a network and writes its checkpoint and log to OUT."""
    try:
        config = preset(network)
        if width is not None:
            config = dataclasses.replace(config, width=width)
        if clip_bound is not None:
            config = dataclasses.replace(config, binary_clip_bound=clip_bound)
        settings = TrainConfig(
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            l2=l2,
            shift=shift,
            label_smoothing=label_smoothing,
            distillation=distillation,
            seed=seed,
        )
        sets = [load_images(data, split) for split in ("train", "test")]
        if limit is not None:
            sets = [images.subset(limit) for images in sets]
        teacher = None
        if distillation > 0:
            teacher = prepare_teacher(config, settings, sets[0], teacher_epochs, out)
        result = train(config, settings, sets[0], sets[1], out, teacher=teacher)
    except FlowError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    typer.echo(f"test top-1 {100 * result.accuracy:.2f}%")


if __name__ == "__main__":
    restart_with_settings("models.train")
    typer.run(main)
