"""How the commands get an integer network: from its own file, or from a trained checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwflow.cli.output import progress_console
from hwflow.errors import FlowError
from hwflow.numerics import RESIDUAL_BITS, STORED_BITS

if TYPE_CHECKING:
    from models.integer.params import IntegerNetwork

Checkpoint = Annotated[
    Path, typer.Option(help="folder of a trained checkpoint, or an integer network's file")
]
Calibration = Annotated[
    Path,
    typer.Option(
        help="images that set the exponents: .npz file or folder (training split); 512 at most are used"
    ),
]
SEBits = Annotated[
    int, typer.Option(help="width of the SE's input: 4 as trained, 8 for imported checkpoints")
]

SEWeights = Annotated[
    int, typer.Option(help="width of the SE's weights: 4 as trained, 8 to fold bounds per channel")
]

ResidualBits = Annotated[
    int,
    typer.Option(
        min=RESIDUAL_BITS.start,
        max=RESIDUAL_BITS[-1],
        help="width of every stored element; the target's must be the same",
    ),
]

QUANTISED_BY = ("calibration", "se_bits")
"""Options that say how a checkpoint is quantised; nothing else reads them."""

CALIBRATION_IMAGES = 512
"""Calibration takes so many images at most: ranges hardly move beyond, time and memory do."""

INTEGER_SUFFIX = ".network"
"""Suffix of an integer network's file."""


def network_input(checkpoint: Path) -> tuple[str, tuple[int, int, int], int]:
    """(name, image shape, classes) of what `checkpoint` names, read without its float arrays.

    Raises:
        FlowError: no usable configuration or network.
    """
    from models.checkpoint import ARRAYS, CONFIG
    from models.config import PokeBNNConfig
    from models.integer.params import IntegerNetwork

    if not checkpoint.exists():
        raise FlowError(
            f"{checkpoint}: not found; a checkpoint is a folder with {ARRAYS}, {CONFIG}"
        )
    if checkpoint.suffix == INTEGER_SUFFIX:
        network = IntegerNetwork.load(checkpoint)
        return network.name, network.image_shape, network.classes
    folder = checkpoint.parent if checkpoint.is_file() else checkpoint
    config = PokeBNNConfig.load(folder / CONFIG)
    return config.name, config.image_shape, config.classes


def integer_network(
    checkpoint: Path,
    calibration: Path,
    se_bits: int = 4,
    se_weights: int = 4,
    residual_bits: int = STORED_BITS,
) -> IntegerNetwork:
    """Reads a file of suffix `INTEGER_SUFFIX`, or quantises a float checkpoint.

    Raises:
        FlowError: an unusable checkpoint, network or set of calibration images.
    """
    from models.integer.params import IntegerNetwork

    if checkpoint.suffix == INTEGER_SUFFIX:
        return IntegerNetwork.load(checkpoint)
    from models.checkpoint import load_checkpoint
    from models.data import check_images, load_images
    from models.integer.export import export_network

    with progress_console().status(f"reading {checkpoint}") as status:
        config, variables = load_checkpoint(checkpoint)
        images = load_images(calibration, "train")
        check_images(images, config.image_shape, config.classes, config.name, calibration)
        status.update(f"quantising {config.name}")
        # At even distances, since a folder of classes is read class by class.
        step = max(1, len(images) // CALIBRATION_IMAGES)
        chosen = images.images[::step][:CALIBRATION_IMAGES]
        return export_network(
            config,
            variables,
            chosen,
            se_act_bits=se_bits,
            se_weight_bits=se_weights,
            residual_bits=residual_bits,
        )
