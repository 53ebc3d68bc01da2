"""`hwflow blame`: which operation keeps the integer network from the float one, block by block."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
import typer

from hwflow.cli.network import (
    INTEGER_SUFFIX,
    Calibration,
    Checkpoint,
    SEBits,
    SEWeights,
    integer_network,
)
from hwflow.cli.output import Json, console, counted_progress, number, print_json, table
from hwflow.errors import FlowError
from hwflow.files import DAMAGED_ARCHIVE
from hwflow.paths import CALIBRATION, TEST_IMAGES, TRAINED

if TYPE_CHECKING:
    from models.config import PokeBNNConfig
    from models.integer.blame import BlockBlame
    from models.integer.params import IntegerNetwork

Floats = npt.NDArray[np.float32]
INIT_OUTPUT = "poke_init_out"


def blame(
    checkpoint: Checkpoint = TRAINED,
    network: Annotated[
        Path | None, typer.Option(help="its integer network's file; default: quantise it now")
    ] = None,
    data: Annotated[
        Path, typer.Option(help="images whose block inputs are forced (test split)")
    ] = TEST_IMAGES,
    images: Annotated[int, typer.Option(min=1, help="only the first N of them")] = 4,
    inputs: Annotated[
        Path | None,
        typer.Option(help=".npz of recorded block inputs instead: poke_init_out, block0_out, .."),
    ] = None,
    calibration: Calibration = CALIBRATION,
    se_bits: SEBits = 4,
    se_weights: SEWeights = 4,
    json: Json = False,
) -> None:
    """Replace operations by their float counterparts and say which one costs most in each block.

    The reference is the float network in bfloat16, the definition, with each block's input forced.
    """
    from models.checkpoint import load_checkpoint
    from models.integer.blame import blame as measure

    if checkpoint.suffix == INTEGER_SUFFIX:
        raise FlowError(
            f"{checkpoint} is an integer network; name its trained checkpoint with --checkpoint, "
            "and this file with --network"
        )
    if network is not None and network.suffix != INTEGER_SUFFIX:
        raise FlowError(f"{network}: an integer network's file ends in {INTEGER_SUFFIX}; name one")
    config, variables = load_checkpoint(checkpoint)
    integers = integer_network(network or checkpoint, calibration, se_bits, se_weights)
    if network is not None:
        check_same(integers, network, config)
    forced = _own(checkpoint, data, images) if inputs is None else recorded_inputs(inputs, config)
    with counted_progress("comparing blocks") as report:
        found = measure(integers, config, variables, forced, report)
    if json:
        rows = [{**dataclasses.asdict(row), "operation": row.operation} for row in found]
        print_json({"evidence": "integer", "network": integers.name, "blocks": rows})
        return
    _print(found)


def check_same(network: IntegerNetwork, path: Path, config: PokeBNNConfig) -> None:
    """Raises FlowError unless the integer network can be that of the float one."""
    remedy = "name the network that `hwflow quantise` made of this checkpoint"
    found = (network.name, network.image_shape, network.classes)
    wanted = (config.name, config.image_shape, config.classes)
    for what, have, want in zip(("name", "image shape", "classes"), found, wanted, strict=True):
        if have != want:
            raise FlowError(f"{path}: its {what} is {have}, the checkpoint's {want}; {remedy}")
    layers = [(conv.name, conv.in_shape, conv.out_shape) for conv in network.convs]
    specs = [(spec.name, spec.in_shape, spec.out_shape) for spec in config.poke_convs()]
    if len(layers) != len(specs):
        raise FlowError(
            f"{path}: has {len(layers)} PokeConvs, the checkpoint {len(specs)}; {remedy}"
        )
    for have, want in zip(layers, specs, strict=True):
        if have != want:
            raise FlowError(f"{path}: has layer {have}, the checkpoint {want}; {remedy}")


def _own(checkpoint: Path, data: Path, images: int) -> list[Floats]:
    """Block inputs of the float network on images."""
    import jax.numpy as jnp

    from models.checkpoint import load_checkpoint
    from models.data import check_images, load_images
    from models.float.forward import forward

    config, variables = load_checkpoint(checkpoint)
    chosen = load_images(data, "test")
    check_images(chosen, config.image_shape, config.classes, config.name, data)
    run = forward(config, variables, chosen.images[:images], jnp.bfloat16)
    return [run.poke_convs[spec.name].r for spec in config.poke_convs() if spec.j == 1]


def recorded_inputs(path: Path, config: PokeBNNConfig) -> list[Floats]:
    """Block inputs of a file, float32 (N, height, width, channels) each.

    Raises:
        FlowError: no such file, or an array that is missing, misshapen or not of finite numbers.
    """
    names = [INIT_OUTPUT, *(f"block{block}_out" for block in range(config.blocks - 1))]
    shapes = [spec.in_shape for spec in config.poke_convs() if spec.j == 1]
    if not path.is_file():
        raise FlowError(f"{path}: not found; name an .npz file with {names[0]}, .. {names[-1]}")
    try:
        with path.open("rb") as stream:  # numpy leaves a file it opened itself open where it fails
            stored = np.load(stream, allow_pickle=False)
            if not isinstance(stored, np.lib.npyio.NpzFile):
                raise ValueError("it holds one array without a name")
            arrays = {name: stored[name] for name in names if name in stored.files}
    except DAMAGED_ARCHIVE as error:
        raise FlowError(f"{path}: cannot be read as .npz ({error}); write it again") from error
    for name, shape in zip(names, shapes, strict=True):
        if name not in arrays:
            raise FlowError(f"{path}: array {name} is missing; add it, {shape} an image")
        array = arrays[name]
        if array.shape[1:] != shape or not len(array):
            raise FlowError(
                f"{path}: array {name} has shape {array.shape}, expected (N, {str(shape)[1:]} with "
                "N >= 1; record it on this network"
            )
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise FlowError(f"{path}: array {name} must hold finite numbers; record it again")
    return [arrays[name].astype(np.float32) for name in names]


def _print(found: tuple[BlockBlame, ...]) -> None:
    shown = table(
        "Against the bfloat16 network, block inputs forced: SNR dB, flipped signs % (evidence: integer)",
        (
            "block", "integer", "%", "float32", "%", "conv inputs forced", "%",
            "and float SE", "%", "costs most",
        ),
    )  # fmt: skip
    for row in found:
        cells: list[str] = []
        for part in (row.integer, row.float32, row.forced, row.float_se):
            cells += [number(part.snr_db, 1), number(100 * part.flipped, 2)]
        shown.add_row(str(row.block), *cells, row.operation)
    screen = console()
    screen.print(shown)
    layers = [(part.snr_db, name) for row in found for name, part in row.layers.items()]
    flipped = max(part.flipped for row in found for part in row.layers.values())
    worst = min(layers)
    screen.print(
        f"every layer's input forced: at least {number(worst[0], 1)} dB ({worst[1]}), at most "
        f"{number(100 * flipped, 2)}% flipped signs"
    )
