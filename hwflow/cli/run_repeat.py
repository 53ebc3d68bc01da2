"""`hwflow run --repeat`: the same frames again and again between markers, for power meters."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hwflow.cli.output import counted_progress
from hwflow.energy.measure.markers import Marker, Markers, check
from hwflow.isa import Op

if TYPE_CHECKING:
    from hwflow.compiler.program import Program
    from hwflow.host.accelerator import Accelerator
    from hwflow.host.protocol import Keep
    from hwflow.host.results import Repetition

UNEQUAL = (1.0, 1.37, 0.81, 1.61, 1.13, 0.69, 1.49)
"""Pauses between markers over the asked one: their pattern fits a power log in one place only."""


def repeat_images(
    board: Accelerator,
    images: npt.NDArray[np.uint8],
    runs: int,
    *,
    keep: Keep,
    pause: float,
) -> list[Repetition]:
    """Every image `runs` times without a pause; the board waits before, between and after.

    Args:
        board: with a program.
        images: uint8 (N, H, W, c).
        runs: of each.
        keep: which records the board keeps of an image's last run.
        pause: seconds, about.
    """
    found: list[Repetition] = []
    with counted_progress(f"repeating {len(images)} images {runs} times each") as progress:
        time.sleep(pause)
        for number, image in enumerate(images):
            found.append(board.repeat(image, runs, keep=keep))
            progress(number + 1, len(images))
            time.sleep(pause * UNEQUAL[number % len(UNEQUAL)])
    return found


def repeated_layer(program: Program) -> tuple[str, int]:
    """The layer that a program computes more than once, and how often; ("", 1) for a plain one."""
    passes = Counter(i["layer"] for i in program.instructions if i["op"] == Op.CONV)
    layer, times = max(passes.items(), key=lambda item: item[1])
    return (program.manifest.layer_name(layer), times) if times > 1 else ("", 1)


def write_markers(
    path: Path, board: Accelerator, program: Program, repetitions: Sequence[Repetition]
) -> None:
    """The markers of these repetitions; FlowError where the file cannot be written."""
    layer, times = repeated_layer(program)
    manifest, capabilities = program.manifest, board.capabilities
    markers = Markers(
        network=manifest.network,
        target=capabilities.target,
        network_hash=manifest.network_hash,
        target_hash=capabilities.target_hash,
        gateware_hash=capabilities.gateware_hash,
        clock_hz=float(capabilities.clock_hz),
        images=len(repetitions),
        markers=tuple(
            Marker(
                start_s=each.start_s,
                late_s=each.late_s,
                cycles=each.cycles,
                runs=each.runs,
                layer=layer,
                times=times,
            )
            for each in repetitions
        ),
    )
    check(markers, str(path))
    markers.save(path)
