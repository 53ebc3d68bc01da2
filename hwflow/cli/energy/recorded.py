"""What the commands share that need operands recorded from the accelerator's RTL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwflow.cli.network import integer_network
from hwflow.cli.output import progress_console, simulation_progress
from hwflow.cli.sim import chosen_images, compile_network
from hwflow.paths import MODELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hwflow.config import AcceleratorConfig
    from hwflow.energy.cells import Library
    from models.integer.params import IntegerNetwork
    from sim.energy.units import Unit
    from sim.recording import Recording

RECORDED = MODELS / "trained" / "fmnist-tiny"
"""The trained network that is recorded unless another is named."""
RECORDED_ON = "ecp5-85f"
"""The target on which it is."""

Liberty = Annotated[
    list[Path], typer.Option(help="Liberty file, .gz too; repeat it for a library of several")
]
RecordedNetwork = Annotated[
    Path, typer.Option(help="folder of a trained checkpoint, or an integer network's file")
]
RecordedImages = Annotated[int, typer.Option(min=1, help="how many images to record")]
RecordedData = Annotated[Path, typer.Option(help=".npz file or folder of images; its test split")]


def read_library(liberty: Sequence[Path]) -> Library:
    """The library of these files, kept beside the simulations' models.

    Raises:
        FlowError: what hwflow.energy.liberty.read_libraries refuses.
    """
    from hwflow.energy.liberty import read_libraries
    from sim import runner

    with progress_console().status("reading the library"):
        return read_libraries(liberty, keep=runner.cache_folder())


def record_units(
    config: AcceleratorConfig,
    units: Iterable[Unit],
    checkpoint: Path,
    calibration: Path,
    data: Path,
    images: int,
) -> tuple[IntegerNetwork, Recording]:
    """The integer network of a checkpoint, and all instances of the units at work on `images` test images.

    Give all units, whatever is asked for: the recording is kept and serves every later call.

    Raises:
        FlowError: an input that cannot be used, or a simulation that fails.
    """
    from sim.recording import record

    shown = chosen_images(data, images, checkpoint)
    network = integer_network(checkpoint, calibration, residual_bits=config.residual_bits)
    program = compile_network(network, config)
    paths = sorted({path for unit in units for path in unit.instances})
    with simulation_progress("recording", images) as report:
        recorded = record(program, network, shown.images, paths, progress=report.from_image(0, 0))
        report.reached(images, 0)
    return network, recorded
