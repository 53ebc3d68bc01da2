"""`hwflow quantise`: the integer network of a checkpoint, and how far it is from the float one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwflow.cli.network import (
    INTEGER_SUFFIX,
    Calibration,
    Checkpoint,
    ResidualBits,
    SEBits,
    SEWeights,
    integer_network,
)
from hwflow.cli.output import Json, console, counted_progress, number, print_json, table
from hwflow.errors import FlowError
from hwflow.files import check_file
from hwflow.numerics import STORED_BITS
from hwflow.paths import BUILD, CALIBRATION, TEST_IMAGES, TRAINED

if TYPE_CHECKING:
    from models.integer.compare import LayerComparison, NetworkComparison


def quantise(
    checkpoint: Checkpoint = TRAINED,
    data: Annotated[
        Path, typer.Option(help="images to compare on: .npz file or folder (test split)")
    ] = TEST_IMAGES,
    images: Annotated[
        int | None, typer.Option(min=1, help="only the first N of them; default all")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="file of the integer network; default build/NETWORK.network")
    ] = None,
    calibration: Calibration = CALIBRATION,
    se_bits: SEBits = 4,
    se_weights: SEWeights = 4,
    residual_bits: ResidualBits = STORED_BITS,
    layers: Annotated[bool, typer.Option(help="a row for every layer, not only blocks")] = False,
    json: Json = False,
) -> None:
    """Quantise a trained network to integers and report exponents, saturations, error, accuracy."""
    from models.checkpoint import load_checkpoint
    from models.data import check_images, load_images

    if checkpoint.suffix == INTEGER_SUFFIX:
        raise FlowError(f"{checkpoint} is an integer network already; name a trained checkpoint")
    if out is not None and out.suffix != INTEGER_SUFFIX:
        raise FlowError(f"{out}: an integer network's file ends in {INTEGER_SUFFIX}; rename it")
    if out is not None:
        check_file(out, makes_folder=True)
    config, variables = load_checkpoint(checkpoint)
    chosen = load_images(data, "test")
    check_images(chosen, config.image_shape, config.classes, config.name, data)
    chosen = chosen.subset(images) if images is not None else chosen
    network = integer_network(checkpoint, calibration, se_bits, se_weights, residual_bits)
    with counted_progress(f"comparing on {len(chosen)} images") as report:
        from models.integer.compare import compare_networks

        found = compare_networks(
            network, config, variables, chosen.images, chosen.labels, progress=report
        )
    path = out or BUILD / f"{config.name}{INTEGER_SUFFIX}"
    network.save(path)
    if json:
        extra = {
            "file": str(path),
            "sha256": network.content_hash(),
            "residual_bits": residual_bits,
            "evidence": "integer",
        }
        print_json({**extra, **found.to_dict()})
        return
    _print(found, found.layers if layers else found.blocks())
    console().print(
        f"{path}: stored elements of {residual_bits} bits; sha256 {network.content_hash()}"
    )


def _print(found: NetworkComparison, rows: tuple[LayerComparison, ...]) -> None:
    shown = table(
        "Integer against float, each block from the float network's input (evidence: integer)",
        ("block", "layer", "exponent", "t saturated", "y saturated", "SNR dB", "flipped signs %"),
        left=2,
    )
    for row in rows:
        shown.add_row(
            "" if row.block is None else str(row.block),
            row.name,
            str(row.exponent),
            number(row.t_saturated),
            number(row.y_saturated),
            number(row.snr_db, 1),
            number(100 * row.flipped, 3),
        )
    screen = console()
    screen.print(shown)
    tops = [
        f"{name} top-1 {number(100 * top, 2)}%"
        for name, top in (("float", found.float_top1), ("integer", found.integer_top1))
        if top is not None
    ]
    screen.print(
        f"{found.images} images: {', '.join(tops)}; same choice on {number(100 * found.agreement, 2)}%"
    )
