"""What is known of a board: its part, its oscillator, its pins. Pins come from amaranth-boards."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hwflow.errors import FlowError, get_extra, suggestion
from hwflow.host.protocol import BAUD
from hwflow.sdram import ULX3S, SdramChip
from rtl_gen.synthesis.resources import Resources


@dataclass(frozen=True, kw_only=True)
class Part:
    """An ECP5: nextpnr's names, and what it has (Lattice FPGA-DS-02012, ECP5 family selection guide).

    Attributes:
        device: nextpnr's switch without dashes. package, speed: nextpnr's.
        lut4, ff, ebr, mult: how many there are.
    """

    name: str
    device: str
    package: str
    speed: str
    lut4: int
    ff: int
    ebr: int
    mult: int

    def excess(self, needed: Resources) -> dict[str, tuple[int, int]]:
        """What is needed beyond what there is: name -> (needed, available)."""
        pairs = {
            "LUT4": (needed.luts, self.lut4),
            "FF": (needed.ff, self.ff),
            "EBR": (needed.ebr, self.ebr),
            "MULT18X18D": (needed.mult, self.mult),
        }
        return {name: pair for name, pair in pairs.items() if pair[0] > pair[1]}


LFE5U_85F = Part(
    name="LFE5U-85F-6BG381C",
    device="85k",
    package="CABGA381",
    speed="6",
    lut4=83640,
    ff=83640,
    ebr=208,
    mult=156,
)
LFE5U_25F = Part(
    name="LFE5U-25F-6BG381C",
    device="25k",
    package="CABGA381",
    speed="6",
    lut4=24288,
    ff=24288,
    ebr=56,
    mult=28,
)


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board that bitstreams are made for.

    Attributes:
        name: as in `--board`.
        part: its FPGA.
        oscillator_hz: of the input `clk25`.
        target: the accelerator that its bitstream has, and programs for it are lowered for, unless another is named
            (hwflow/targets): one whose routing was seen to finish.
        network: likewise the trained network (models/trained): its memory image fits into the part's block RAM.
        clock_hz: of the design.
        baud: of the serial link.
        platform: module and class of amaranth-boards that hold the pins.
        pins: port of the top -> (resource, number, subsignal or None) there; vectors get a pin a bit.
        sdram: the SDRAM it carries, or None. sdram_pins: the same for that.
    """

    name: str
    part: Part
    oscillator_hz: int
    target: str
    network: str
    clock_hz: int
    baud: int
    platform: tuple[str, str]
    pins: Mapping[str, tuple[str, int, str | None]]
    sdram: SdramChip | None = None
    sdram_pins: Mapping[str, tuple[str, int, str | None]] = field(default_factory=dict)

    def constraints(self, *, sdram: bool = False) -> str:
        """Pin and clock constraints (LPF), with those of the SDRAM if the design has them.

        Raises:
            FlowError: amaranth-boards is not installed.
        """
        resources = {(r.name, r.number): r for r in self._resources()}
        lines = [
            "BLOCK RESETPATHS;",
            "BLOCK ASYNCPATHS;",
            f'FREQUENCY PORT "clk25" {self.oscillator_hz / 1e6:g} MHZ;',
        ]
        pins = {**self.pins, **self.sdram_pins} if sdram else self.pins
        for port, (resource, number, subsignal) in pins.items():
            names, attributes = _pins(resources[resource, number], subsignal)
            for bit, pin in enumerate(names):
                site = port if len(names) == 1 else f"{port}[{bit}]"
                lines.append(f'LOCATE COMP "{site}" SITE "{pin}";')
                options = " ".join(f"{name}={value}" for name, value in attributes.items())
                lines.append(f'IOBUF PORT "{site}" {options};')
        return "\n".join(lines) + "\n"

    def divisor(self, clock_hz: int) -> int:
        """Cycles of that clock for one bit of the serial link.

        Raises:
            FlowError: they make a rate more than 2% off.
        """
        divisor = max(1, round(clock_hz / self.baud))
        if abs(clock_hz / divisor - self.baud) > self.baud / 50:
            raise FlowError(
                f"a clock of {clock_hz / 1e6:g} MHz divides to {clock_hz / divisor:.0f} baud, more than 2% from "
                f"{self.baud}; nearest valid clock: {divisor * self.baud / 1e6:g} MHz"
            )
        return divisor

    def _resources(self) -> list[Any]:
        module, platform = self.platform
        if importlib.util.find_spec("amaranth_boards") is None:
            raise FlowError(f"package amaranth-boards is missing; {get_extra('board')}")
        return getattr(importlib.import_module(module), platform).resources


def _pins(resource: Any, subsignal: str | None) -> tuple[list[str], dict[str, str]]:
    """Pin names, bit 0 first, and attributes of a resource or of a part of it."""
    part = resource
    if subsignal is not None:
        part = next(signal for signal in resource.ios if signal.name == subsignal)
    attributes = {**resource.attrs, **part.attrs}
    return list(part.ios[0].names), {name: str(value) for name, value in attributes.items()}


ULX3S_85F = Board(
    name="ulx3s-85f",
    part=LFE5U_85F,
    oscillator_hz=25_000_000,
    target="ecp5-4k",
    network="fmnist-tiny",
    clock_hz=60_000_000,
    baud=BAUD,
    platform=("amaranth_boards.ulx3s", "ULX3S_85F_Platform"),
    pins={
        "clk25": ("clk25", 0, None),
        "uart_rx": ("uart", 0, "rx"),
        "uart_tx": ("uart", 0, "tx"),
        **{f"led_{n}": ("led", n, None) for n in range(4)},
    },
    sdram=ULX3S,
    sdram_pins={
        "sdram_cke": ("sdram", 0, "clk_en"),
        **{f"sdram_{name}_n": ("sdram", 0, name) for name in ("cs", "ras", "cas", "we")},
        **{f"sdram_{name}": ("sdram", 0, name) for name in ("clk", "ba", "a", "dqm", "dq")},
    },
)

BOARDS = {board.name: board for board in (ULX3S_85F,)}
DEFAULT = ULX3S_85F.name
"""The board of commands that name none."""


def board(name: str) -> Board:
    """The board of that name.

    Raises:
        FlowError: there is none; lists those there are.
    """
    if name not in BOARDS:
        raise FlowError(
            f"unknown board {name!r}{suggestion(name, BOARDS)}; known: {', '.join(sorted(BOARDS))}"
        )
    return BOARDS[name]
