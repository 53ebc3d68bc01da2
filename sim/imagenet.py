"""One random network of a preset, drawn, lowered, simulated and compared; every stage timed."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hwflow.bound import frame_bound
from hwflow.compiler.fit import fitted
from hwflow.compiler.lower import lower
from hwflow.compiler.program import Program
from hwflow.config import AcceleratorConfig
from models.config import preset as named
from models.integer.params import IntegerNetwork
from models.integer.random import reported_network
from models.synthetic import photo_images
from sim.definition import definition_digest
from sim.expected_store import stored_expected
from sim.memory import MemoryTiming
from sim.network import Progress, SimResult, conv_instructions, simulate
from sim.stages import Stages

IMAGE_SEED = 1 << 20
"""Added to a network's seed for its test images, so that they are not those it was scaled on."""
BARS = {"lowering": 30.0, "model": 300.0, "simulated and compared": 20.0}
"""Stage -> seconds it may take on two idle cores."""
MEMORY_BAR = 16 << 30
WORK = "simulated and compared"


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A network, its program for a target and test images (uint8 (N, H, W, c))."""

    network: IntegerNetwork
    program: Program
    images: npt.NDArray[np.uint8]
    drawn: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class TimedRun:
    """A simulation and what its stages took.

    seconds, cpu_seconds: by stage, wall and CPU time; of "simulated and compared" the CPU time is that
    of its parts that must follow one another. kept: images whose
    expected values were there already; expected_seconds: what evaluating all of them took, now or
    then. memory: bytes of the larger of this process and its largest child at their peak.
    """

    result: SimResult
    prepared: Prepared
    seconds: dict[str, float]
    cpu_seconds: dict[str, float]
    kept: int
    expected_seconds: float
    memory: int

    @property
    def over(self) -> list[str]:
        """One line for every bar that is not met."""
        return bars_missed(self.seconds, self.cpu_seconds, self.memory)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready dictionary."""
        result, manifest = self.result, self.prepared.program.manifest
        bound = frame_bound(self.prepared.program)
        cycles = result.frames[0].records.counters["cycles"]
        return {
            "evidence": "rtl-sim",
            "network": manifest.network,
            "network_hash": manifest.network_hash,
            "target": self.prepared.program.config.name,
            "passed": result.passed,
            "images": len(result.frames),
            "cycles": [frame.cycles for frame in result.frames],
            "cycle_model": result.predicted and result.predicted.total,
            "frame_bound": bound,
            "utilisation": round(bound / cycles, 4),
            "cycles_per_second": round(result.cycles_per_second),
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "cpu_seconds": {name: round(value, 3) for name, value in self.cpu_seconds.items()},
            "expected_kept": self.kept,
            "expected_seconds": round(self.expected_seconds, 3),
            "peak_memory_bytes": self.memory,
            "bars_missed": self.over,
            "mismatches": list(result.mismatches),
            "difference": None if result.difference is None else result.difference.describe(),
        }


def bars_missed(
    seconds: Mapping[str, float], cpu_seconds: Mapping[str, float], memory: int
) -> list[str]:
    """One line for every bar that seconds by stage and bytes of memory do not meet."""
    lines = [
        f"{stage}: {seconds[stage]:.1f} s, at most {bar:.0f} s wanted "
        f"({cpu_seconds[stage]:.1f} s of CPU time)"
        for stage, bar in BARS.items()
        if seconds[stage] > bar
    ]
    if memory > MEMORY_BAR:
        lines.append(f"memory: {memory / 2**30:.1f} GiB, at most {MEMORY_BAR >> 30} wanted")
    return lines


def network_file(preset: str, seed: int, bits: int, folder: Path) -> Path:
    """Where a drawn network is kept; its name changes with the code that draws it."""
    return folder / f"{preset}-{seed}-s{bits}-{definition_digest()[:12]}.network"


def prepare_run(
    preset: str,
    seed: int,
    images: int,
    config: AcceleratorConfig,
    folder: Path,
    stages: Stages,
    status: Callable[[str], None],
) -> Prepared:
    """Draws the network, or reads it where `folder` keeps it, and lowers it.

    Where it does not fit, the target's memory is shared out anew for it, as `hwflow fit` does.

    Raises:
        FlowError: an unknown preset, or a network that does not fit even then.
    """
    status(f"drawing {preset}")
    path = network_file(preset, seed, config.residual_bits, folder / "networks")
    drawn = not path.is_file()
    with stages.stage("network"):
        if drawn:
            network, _ = reported_network(seed, named(preset), residual_bits=config.residual_bits)
            network.save(path)
        else:
            network = IntegerNetwork.load(path)
    status(f"lowering {preset} for {config.name}")
    with stages.stage("lowering"):
        program = lower(network, fitted(network, config))
    chosen = photo_images(seed + IMAGE_SEED, images, network.image_shape)
    return Prepared(network=network, program=program, images=chosen, drawn=drawn)


def timed_run(
    prepared: Prepared,
    folder: Path,
    expected_folder: Path,
    stages: Stages,
    *,
    timing: MemoryTiming | None = None,
    status: Callable[[str], None],
    progress: Progress | None = None,
) -> TimedRun:
    """Evaluates the images, simulates them traced in `folder` and compares every stored value.

    Raises:
        FlowError: as `sim.network.simulate`.
    """
    program, network = prepared.program, prepared.network
    status("integer network")
    with stages.stage("integer network"):
        convs = conv_instructions(program)
        expected, kept, expected_seconds = stored_expected(
            network, convs, prepared.images, expected_folder
        )
    status("compiling or reusing the model, then simulating")
    began = time.monotonic()
    result = simulate(
        program,
        prepared.images,
        folder=folder,
        network=network,
        trace=True,
        timing=timing,
        expected=expected,
        progress=progress,
    )
    wall = time.monotonic() - began
    spent, used = result.stages.seconds, result.stages.cpu_seconds
    for name in spent:
        if name != "integer network":
            stages.add(name, spent[name], used[name])
    in_a_row = ("inputs", "simulation", "reading taps", "comparison")
    cpu = sum(used[name] for name in in_a_row if name in used)
    stages.add(WORK, wall - spent["Verilog"] - spent["model"], cpu)
    own, child = (
        resource.getrusage(who).ru_maxrss << 10
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return TimedRun(
        result=result,
        prepared=prepared,
        seconds=stages.seconds,
        cpu_seconds=stages.cpu_seconds,
        kept=kept,
        expected_seconds=expected_seconds,
        memory=max(own, child),
    )
