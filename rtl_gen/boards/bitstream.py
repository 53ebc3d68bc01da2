"""From a target to a board's bitstream: Verilog, synthesis, place and route, report."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import amaranth

from hwflow.config import AcceleratorConfig
from hwflow.errors import FlowError
from hwflow.sdram import SdramTiming
from rtl_gen.bindings.block_ram import BlockRam
from rtl_gen.bindings.sdram import Sdram
from rtl_gen.board_core import BoardCore
from rtl_gen.boards.board import Board
from rtl_gen.boards.place import DENSITY, ECPPACK, NEXTPNR, pack, place_and_route, tool
from rtl_gen.boards.pll import Pll
from rtl_gen.boards.report import (
    array_luts,
    critical_path,
    resources_by_unit,
    slowest_clock,
    utilisation,
)
from rtl_gen.boards.sdram_clock import SdramClock
from rtl_gen.boards.top import BoardTop
from rtl_gen.instances import emit
from rtl_gen.synthesis.carry_popcount import with_carry_cells
from rtl_gen.synthesis.ecp5 import ROUTED_WIRE_PS, Options, Synthesis, synthesise
from rtl_gen.synthesis.resources import DPR_BITS, DPR_LUTS, EBR_BITS, Resources
from rtl_gen.synthesis.yosys import Progress

TOP = "board"

LOWER = {
    "LUT4": "pixel_lanes or cols",
    "FF": "rows or cols",
    "EBR": "main_rows, side_rows or pool_rows, or a network with fewer weights",
    "MULT18X18D": "mac_depth or pixel_lanes",
}
"""Resource -> fields of the target that it depends on most."""


@dataclass(frozen=True)
class Bitstream:
    """A bitstream and what is to be said of it (JSON types only)."""

    data: bytes = field(repr=False)
    verilog: str = field(repr=False)
    report: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Generated:
    """A board's top level.

    Attributes:
        text: its Verilog, mapped for ECP5.
        sdram_clock: the phase of the SDRAM's clock, if the SDRAM is the accelerator's memory.
        beats: what the memory holds.
    """

    text: str = field(repr=False)
    sdram_clock: SdramClock | None
    beats: int


def generate(
    board: Board, config: AcceleratorConfig, *, beats: int | None, clock_hz: int
) -> Generated:
    """A board's top level with `beats` of block RAM as the accelerator's memory, or None: with the board's SDRAM.

    Raises:
        FlowError: the PLL does not make the clock, or the serial line's rate is more than 2% off; or the board has no
            SDRAM, or none for that clock.
    """
    divisor = board.divisor(clock_hz)
    pll = Pll.of(board.oscillator_hz, clock_hz)
    binding, sdram = _memory(board, config, pll, beats=beats, clock_hz=clock_hz)
    core = BoardCore(config, binding, divisor=divisor, clock_hz=clock_hz)
    text = emit(BoardTop(core, pll, sdram), TOP)
    if not config.for_routing:
        text = with_carry_cells(text, config.popcount_width, delay=config.popcount_stages - 1)
    return Generated(
        text=text,
        sdram_clock=sdram[1] if sdram else None,
        beats=binding.beats,
    )


def synthesis_options(config: AcceleratorConfig) -> Options:
    """How a board's design is synthesised."""
    return Options(dsp_registers=True, free_constants=config.for_routing, wire_ps=ROUTED_WIRE_PS)


def _memory(
    board: Board, config: AcceleratorConfig, pll: Pll, *, beats: int | None, clock_hz: int
) -> tuple[BlockRam | Sdram, tuple[SdramTiming, SdramClock] | None]:
    if beats is not None:
        return BlockRam(config, beats), None
    if board.sdram is None:
        raise FlowError(f"{board.name} has no SDRAM; use --memory block-ram")
    clock = SdramClock.of(board.sdram, clock_hz, pll.output)
    timing = SdramTiming(
        chip=board.sdram,
        clock_hz=clock_hz,
        memory_bytes=config.memory_bytes,
        board_cycles=clock.board_cycles,
    )
    return Sdram(config, timing), (timing, clock)


def build(
    board: Board,
    config: AcceleratorConfig,
    folder: Path,
    *,
    beats: int | None,
    clock_hz: int,
    seed: int,
    progress: Callable[[str], Progress],
) -> Bitstream:
    """A bitstream from nothing but the parameters; intermediate files and logs stay in `folder`.

    Args:
        board: where it runs.
        config: the accelerator.
        folder: for what the tools read and write.
        beats: size of the memory image in beats of the target, which goes to block RAM; None: the SDRAM is the memory.
        clock_hz: clock of the design.
        seed: of place and route; same seed, same bytes.
        progress: given the stage's name, makes what is told how far it is.

    Raises:
        FlowError: a tool is missing or fails, or the design is too large for the part.
    """
    check_tools()
    check_memories(board, config, beats)
    generated = generate(board, config, beats=beats, clock_hz=clock_hz)
    text, phase = generated.text, generated.sdram_clock
    (folder / f"{TOP}.sv").write_text(text)
    netlist = synthesise(text, TOP, synthesis_options(config), progress=progress("synthesis"))
    check_size(board, netlist.resources)
    placed = place_and_route(
        netlist.json,
        board.constraints(sdram=phase is not None),
        board.part,
        folder,
        clock_hz=clock_hz,
        seed=seed,
        density=DENSITY if config.for_routing else None,
        progress=progress("place and route"),
    )
    bits = pack(placed.config, folder)
    report = {
        "board": board.name,
        "part": board.part.name,
        "target": config.to_dict(),
        "memory": "block-ram" if phase is None else "sdram",
        "memory_beats": generated.beats,
        "sdram_clock": None if phase is None else dataclasses.asdict(phase),
        "clock_hz": clock_hz,
        **timing(netlist, placed.report, clock_hz),
        **_resources(board, config, netlist),
        "seed": seed,
        "tools": {
            "amaranth": amaranth.__version__,
            "yosys": netlist.yosys,
            "nextpnr": placed.nextpnr,
        },
        "sha256": {
            "bitstream": hashlib.sha256(bits).hexdigest(),
            "netlist": hashlib.sha256(netlist.json).hexdigest(),
            "verilog": hashlib.sha256(text.encode()).hexdigest(),
        },
        "evidence": "post-route",
    }
    return Bitstream(bits, text, report)


def check_tools() -> None:
    """Raises FlowError when place and route, or what packs its result, is missing."""
    for name in (NEXTPNR, ECPPACK):
        tool(name)


def check_memories(board: Board, config: AcceleratorConfig, beats: int | None) -> None:
    """Raises FlowError when the memories' bits alone are too many for the part, before a synthesis of many minutes.

    A lower bound: all LUT4 are taken to be memory, and block RAMs to be filled.
    """
    bits = 8 * (config.on_chip_bytes + (beats or 0) * config.memory_bytes)
    left = bits - board.part.lut4 // DPR_LUTS * DPR_BITS
    check_size(board, Resources(ebr=max(0, -(-left // EBR_BITS))), least="at least ")


def check_size(board: Board, needed: Resources, *, least: str = "") -> None:
    """Raises FlowError when the part is too small: by how much, and what to lower. least: said before the numbers."""
    excess = board.part.excess(needed)
    if not excess:
        return
    parts = (
        f"{least}{taken:,} {name} of {there:,} ({taken - there:,} too many: lower {LOWER[name]})"
        for name, (taken, there) in excess.items()
    )
    raise FlowError(f"the design does not fit {board.part.name}: {'; '.join(parts)}")


def check_timing(report: dict[str, Any]) -> None:
    """Raises FlowError when a built design misses its clock: by how much, where, and what would help."""
    if report["slack_ns"] >= 0:
        return
    path = " -> ".join(part["unit"] for part in report["critical_path"])
    raise FlowError(
        f"timing not met: {report['fmax_mhz']:.1f} MHz of {report['clock_hz'] / 1e6:g} MHz, slack "
        f"{report['slack_ns']:.2f} ns, on the path {path}; lower --clock-mhz, try another --seed, or raise popcount_stages"
    )


def timing(netlist: Synthesis, report: dict[str, Any], clock_hz: int) -> dict[str, Any]:
    """What a bitstream's report says of timing: MHz reached, slack against `clock_hz`, slowest path by unit.

    report: nextpnr's.
    """
    _, mhz = slowest_clock(report)
    return {
        "fmax_mhz": round(mhz, 2),
        "slack_ns": round(1e9 / clock_hz - 1e3 / mhz, 3),
        "critical_path": critical_path(report, netlist.cells),
    }


def _resources(board: Board, config: AcceleratorConfig, netlist: Synthesis) -> dict[str, Any]:
    array, per_mac = array_luts(netlist.cells, config.binary_macs)
    return {
        "utilisation": utilisation(netlist.resources, board.part),
        "array": {
            "binary_macs": config.binary_macs,
            "luts": array.luts,
            "luts_per_binary_mac": round(per_mac, 3),
        },
        "units": {
            unit: {**dataclasses.asdict(taken), "luts": taken.luts}
            for unit, taken in resources_by_unit(netlist.cells).items()
        },
    }
