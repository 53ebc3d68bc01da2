"""Designs of a search held against what they stand for: an image through the RTL, and synthesis for the board."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hwflow.compiler.lower import lower
from hwflow.config import AcceleratorConfig
from models.integer.params import IntegerNetwork

COMPARED = ("cycles", "lut4", "flip_flops", "block_rams", "multipliers")
Told = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Verified:
    """A design with what was predicted and measured of it, by name of `COMPARED`.

    equal: every stored value, logit and count of cycles of the image as the integer network and the cycle model have
    them. differences: the first lines of what is not. fits: the part has what was measured.
    """

    config: dict[str, int]
    predicted: dict[str, int]
    measured: dict[str, int]
    equal: bool
    differences: tuple[str, ...]
    fits: bool
    yosys: str

    def error(self, name: str) -> float:
        """Predicted over measured, less 1."""
        return self.predicted[name] / self.measured[name] - 1 if self.measured[name] else 0.0

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        errors = {name: round(self.error(name), 4) for name in COMPARED}
        evidence = dict.fromkeys(COMPARED, "synthesis") | {"cycles": "rtl-sim"}
        return dataclasses.asdict(self) | {"errors": errors, "evidence": evidence}


def verify(
    result: Mapping[str, Any],
    network: IntegerNetwork,
    image: npt.NDArray[np.uint8],
    *,
    board: str,
    block_ram: bool,
    clock_mhz: float,
    told: Told,
) -> Verified:
    """Simulates one image in RTL and synthesises the board's top level, as `hwflow bitstream` does before it places.

    image: uint8 (height, width, channels). block_ram: the memory image lies on the chip.

    Raises:
        FlowError: no such board, or a tool is missing or fails.
    """
    from rtl_gen.boards.bitstream import TOP, generate
    from rtl_gen.boards.board import board as named
    from rtl_gen.synthesis.ecp5 import Options, synthesise
    from sim.network import simulate

    config = AcceleratorConfig(name="explored", **result["config"])
    chosen = named(board)
    program = lower(network, config)
    told("an image through the RTL")
    folder = Path(tempfile.mkdtemp(prefix="hwflow-explore-"))
    try:
        run = simulate(program, image[None], folder=folder, network=network, trace=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    beats = len(program.memory) // config.memory_bytes if block_ram else None
    told("writing the board's Verilog")
    made = generate(chosen, config, beats=beats, clock_hz=round(clock_mhz * 1e6))
    netlist = synthesise(
        made.text, TOP, Options(dsp_registers=True), progress=lambda at: told(f"synthesis: {at}")
    )
    taken = netlist.resources
    measured = {
        "cycles": run.frames[0].cycles,
        "lut4": taken.luts,
        "flip_flops": taken.ff,
        "block_rams": taken.ebr,
        "multipliers": taken.mult,
    }
    differences = list(run.mismatches[:3])
    if run.difference is not None:
        differences.append(run.difference.describe())
    return Verified(
        config=dict(result["config"]),
        predicted={name: int(result[name]) for name in COMPARED},
        measured=measured,
        equal=run.passed and measured["cycles"] == result["cycles"],
        differences=tuple(differences),
        fits=not chosen.part.excess(taken),
        yosys=netlist.yosys,
    )
