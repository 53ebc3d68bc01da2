"""Records of synthesised boards, which the resource model is calibrated on and held against."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Literal

from hwflow.config import AcceleratorConfig
from hwflow.energy.frozen_json import load, save
from hwflow.errors import FlowError

Part = Literal["board", "front_end", "back_end", "front_end.mac_array", "front_end.features"]
"""What of a design is synthesised: all of a board with its SDRAM, or one unit of the accelerator, alone."""

FORMAT, VERSION = "hwflow resource record", 1


@dataclass(frozen=True)
class Cells:
    """Cells of an ECP5, as rtl_gen/synthesis/resources.py counts them.

    lut4: LUT4. carry: CCU2C. ff: flip-flops. dpr: memories of 16 words of 4 bits. ebr: block RAMs of 18 Kbit. mult:
    multipliers of 18x18.
    """

    lut4: int = 0
    carry: int = 0
    ff: int = 0
    dpr: int = 0
    ebr: int = 0
    mult: int = 0

    def __add__(self, other: Cells) -> Cells:
        """Both together."""
        return Cells(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def logic(self) -> int:
        """LUT4 that logic takes: LUT4 cells, two a CCU2C."""
        return self.lut4 + 2 * self.carry

    @property
    def luts(self) -> int:
        """LUT4 in all: those of logic, six a distributed memory (docs/board.md)."""
        return self.logic + 6 * self.dpr


@dataclass(frozen=True)
class Tools:
    """Versions of what made a netlist."""

    amaranth: str
    yosys: str


@dataclass(frozen=True)
class Record:
    """What synthesis made of a design.

    name: the design's. target: the other fields of AcceleratorConfig. held_out: no fit sees it. part: what
    of it was synthesised. clock_hz: of the board's design, which its serial link and its SDRAM's times are made for.
    units: cells by unit, copies together; units of the accelerator by their path in it, others by theirs in the board's
    top. verilog_sha256: of the Verilog. seconds: of wall time that it took.
    """

    name: str
    target: dict[str, int]
    held_out: bool
    part: Part
    clock_hz: int
    units: dict[str, Cells]
    tools: Tools
    verilog_sha256: str
    seconds: int

    @property
    def total(self) -> Cells:
        """The whole board."""
        return sum(self.units.values(), Cells())

    def config(self) -> AcceleratorConfig:
        """The design. Raises FlowError."""
        return AcceleratorConfig.from_dict({"name": self.name, **self.target}, source=self.name)

    def check_design(self, config: AcceleratorConfig, path: Path) -> None:
        """Raises FlowError unless the record is of `config`."""
        if self.config() != config:
            raise FlowError(f"{path}: is of another design of that name; synthesise it again")


def load_record(path: Path) -> Record:
    """The record of a file. Raises FlowError."""
    return load(path, FORMAT, VERSION, Record)


def save_record(path: Path, record: Record) -> None:
    """Writes a record: same record, same bytes. Raises FlowError."""
    save(path, FORMAT, VERSION, record)


def load_records(folder: Path) -> dict[str, Record]:
    """All records of a folder by name, sorted. Raises FlowError: one is damaged, or there is none."""
    found = {path.stem: load_record(path) for path in sorted(folder.glob("*.json"))}
    if not found:
        raise FlowError(f"{folder}: no records; make them with python -m bench.resources")
    return found
