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
from hwflow.errors import FlowError
from models.integer.params import IntegerNetwork

COMPARED = ("cycles", "lut4", "flip_flops", "block_rams", "multipliers")
SDRAM_ERROR = 0.1
"""Error of the cycle model in front of SDRAM beyond which it is a fault (docs/sdram.md)."""
Told = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Verified:
    """A design with what was predicted and measured of it, by name of `COMPARED`.

    equal: every stored value, logit and count of cycles of the image as the integer network and the cycle model have
    them; in front of SDRAM, where cycles are an estimate, that within `SDRAM_ERROR`. differences: the first lines of what
    is not. fits: the part has what was measured.
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


def check(board: str, part: str, memory: str) -> None:
    """Raises FlowError where a design of a space cannot be verified for a board: before a search, not after it.

    part, memory: the space's. The board must have that part and such a memory, and the tools must be there.
    """
    from rtl_gen.boards.board import board as named
    from rtl_gen.synthesis.yosys import check_installed
    from sim.simulators import find_simulator

    chosen = named(board)
    if not chosen.part.name.startswith(part):
        raise FlowError(
            f"--board {board}: its part is {chosen.part.name}, the space's {part}; name a board with that part"
        )
    if memory == "sdram" and chosen.sdram is None:
        raise FlowError(
            f"--board {board}: it has no SDRAM, which the space asks for; give a space with memory: block-ram"
        )
    check_installed()
    find_simulator()


def verify(
    result: Mapping[str, Any],
    network: IntegerNetwork,
    image: npt.NDArray[np.uint8],
    *,
    board: str,
    block_ram: bool,
    latency: int,
    clock_mhz: float,
    told: Told,
) -> Verified:
    """Simulates one image in RTL and synthesises the board's top level, as `hwflow bitstream` does before it places.

    image: uint8 (height, width, channels). block_ram: the memory image lies on the chip, that many cycles of latency away;
    else it lies in the model of the board's SDRAM at that clock.

    Raises:
        FlowError: no such board, or a tool is missing or fails.
    """
    from rtl_gen.boards.bitstream import TOP, generate
    from rtl_gen.boards.board import board as named
    from rtl_gen.synthesis.ecp5 import Options, synthesise
    from sim.memory import MemoryTiming
    from sim.network import simulate
    from sim.sdram import board_model

    config = AcceleratorConfig(name="explored", **result["config"])
    chosen = named(board)
    program = lower(network, config)
    told("an image through the RTL")
    folder = Path(tempfile.mkdtemp(prefix="hwflow-explore-"))
    try:
        run = simulate(
            program,
            image[None],
            folder=folder,
            network=network,
            trace=True,
            timing=MemoryTiming(latency=latency) if block_ram else None,
            sdram=None if block_ram else board_model(config, round(clock_mhz * 1e6)),
        )
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
    told_apart = wrong_cycles(int(result["cycles"]), measured["cycles"], exact=block_ram)
    if told_apart is not None:
        differences.append(told_apart)
    return Verified(
        config=dict(result["config"]),
        predicted={name: int(result[name]) for name in COMPARED},
        measured=measured,
        equal=run.passed and told_apart is None,
        differences=tuple(differences),
        fits=not chosen.part.excess(taken),
        yosys=netlist.yosys,
    )


def wrong_cycles(predicted: int, measured: int, *, exact: bool) -> str | None:
    """A line on a prediction that is wrong: by a cycle where it is exact, else by more than `SDRAM_ERROR`."""
    if abs(predicted - measured) <= (0 if exact else SDRAM_ERROR * measured):
        return None
    return f"cycles: {measured:,} in RTL, {predicted:,} predicted"
