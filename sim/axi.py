"""The simulation model of the AXI top, and whole frames through it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hwflow.compiler.program import Program
from hwflow.config import AcceleratorConfig
from hwflow.host.results import FrameRecords, decode_results
from rtl_gen.axi import verilog
from sim import runner
from sim.accelerator import kept_verilog
from sim.memory import MemoryTiming
from sim.network import frame_limit

BENCH = "sim.benches.axi_frames"
RESULT_SIZE = 1 << 13
SLOWEST = 12
"""A frame behind stalling channels takes no more than this many times `sim.network.frame_limit`."""


def build_axi_model(config: AcceleratorConfig) -> runner.BuiltModel:
    """The compiled model of `config`'s AXI top."""
    folder = Path(verilog.__file__).parent
    source = kept_verilog(config, verilog.TOP, lambda: verilog.generate(config).text, folder)
    return runner.build(f"{config.name}-axi", source, verilog.TOP)


@dataclass(frozen=True)
class AxiFrames:
    """What a run left: records and CYCLES an image; bursts (channel, address, beats); bytes written an image."""

    records: list[FrameRecords]
    cycles: list[int]
    written: list[int]
    bursts: list[tuple[str, int, int]]
    most_outstanding: int
    seconds: float


def run_frames(
    program: Program,
    images: npt.NDArray[np.uint8],
    *,
    folder: Path,
    memory_base: int,
    result_base: int,
    stall: float = 0.0,
    seed: int = 1,
) -> AxiFrames:
    """Images through the AXI top with cocotbext-axi's memory behind it.

    memory_base, result_base: byte addresses, multiples of a beat. stall: chance of a pause on each of the ten channels.

    Raises:
        AssertionError: the bench found something wrong.
        FlowError: no simulator, or records that cannot be decoded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.bin").write_bytes(program.memory)
    names: list[str] = []
    for number, image in enumerate(images):
        path = folder / f"image{number}.bin"
        path.write_bytes(program.pack_image(image))
        names.append(str(path.resolve()))
    settings: dict[str, Any] = {
        "memory": str((folder / "memory.bin").resolve()),
        "images": names,
        "memory_base": memory_base,
        "result_base": result_base,
        "result_size": RESULT_SIZE,
        "image_address": program.manifest.image.address,
        "beat_bytes": program.config.memory_bytes,
        "schedule": program.manifest.schedule_address,
        "stall": stall,
        "seed": seed,
        "limit": SLOWEST * frame_limit(program, MemoryTiming()),
        "out": str((folder / "out.json").resolve()),
    }
    described = folder / "frames.json"
    described.write_text(json.dumps(settings, indent=1))
    result = runner.run(
        build_axi_model(program.config),
        BENCH,
        folder=folder / "run",
        environment={"AXI_FRAMES": str(described.resolve())},
    )
    result.check()
    out = json.loads((folder / "out.json").read_text())
    records: list[FrameRecords] = []
    for frame in out["frames"]:
        records += decode_results(bytes.fromhex(frame["results"]), program.manifest.classes)
    return AxiFrames(
        records=records,
        cycles=[frame["cycles"] for frame in out["frames"]],
        written=[frame["written"] for frame in out["frames"]],
        bursts=[(channel, address, beats) for channel, address, beats in out["bursts"]],
        most_outstanding=out["most_outstanding"],
        seconds=result.seconds,
    )
