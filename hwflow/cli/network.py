"""How the commands get an integer network: from its own file, or from a trained checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwflow.cli.output import progress_console
from hwflow.errors import FlowError

if TYPE_CHECKING:
    from models.data import ImageSet
    from models.integer.params import IntegerNetwork

Checkpoint = Annotated[
    Path, typer.Option(help="folder of a trained checkpoint, or an integer network's file")
]
Calibration = Annotated[
    Path, typer.Option(help="images that set the exponents: .npz file or folder (train split)")
]
SEBits = Annotated[
    int, typer.Option(help="width of the SE's input: 4 as trained, 8 for imported checkpoints")
]

INTEGER_SUFFIX = ".network"
"""Suffix of an integer network's file."""


def integer_network(checkpoint: Path, calibration: Path, se_bits: int = 4) -> IntegerNetwork:
    """Reads a file of suffix `INTEGER_SUFFIX`, or quantises a float checkpoint.

    Raises:
        FlowError: an unusable checkpoint, network or set of calibration images.
    """
    from models.integer.params import IntegerNetwork

    if checkpoint.suffix == INTEGER_SUFFIX:
        return IntegerNetwork.load(checkpoint)
    from models.checkpoint import load_checkpoint
    from models.data import load_images
    from models.integer.export import export_network

    with progress_console().status(f"reading {checkpoint}") as status:
        config, variables = load_checkpoint(checkpoint)
        images = load_images(calibration, "train")
        check_images(images, config.image_shape, config.classes, config.name, calibration)
        status.update(f"quantising {config.name}")
        return export_network(config, variables, images.images, se_act_bits=se_bits)


def check_images(
    images: ImageSet, shape: tuple[int, int, int], classes: int, name: str, source: Path
) -> None:
    """Raises FlowError unless the images have `shape` and labels below `classes`."""
    if images.images.shape[1:] != shape:
        raise FlowError(
            f"{source}: images are {images.images.shape[1:]}, network {name} takes {shape}; "
            "give images of that size"
        )
    if int(images.labels.max()) >= classes or int(images.labels.min()) < 0:
        raise FlowError(
            f"{source}: label {int(images.labels.max())}, but network {name} has {classes} "
            "classes; give the data set it was trained on"
        )
