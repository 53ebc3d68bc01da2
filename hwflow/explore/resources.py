"""What a configuration takes of an ECP5, without synthesising it: the resource model of the search.

Counted is the top level that `hwflow bitstream` makes for the ULX3S with its SDRAM (accelerator, host's link, SDRAM
controller, pads), after synthesis by Yosys, before place and route. LUT4 are counted as docs/board.md does: LUT4 cells, two
a carry cell (CCU2C), six a distributed memory. Where `memory_beats` is given the memory image lies in block RAM: its blocks
are added; the SDRAM's controller, some 900 LUT4 more than the logic that replaces it, is still counted.

Memories and multipliers are formulas (hwflow/explore/memories.py, `multipliers` below); LUT4 of logic and flip-flops are
sums of features by unit (hwflow/explore/features.py), with coefficients fitted to synthesised designs
(hwflow/explore/calibration.py). Clock: none. It is the user's: too few designs were routed for a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hwflow.config import AcceleratorConfig
from hwflow.energy.frozen_json import load
from hwflow.errors import UnsuitableError
from hwflow.explore.features import CONTROL, logic_features, memory_cells, register_features
from hwflow.explore.memories import image_blocks

COEFFICIENTS = Path(__file__).parent / "resources.json"
FORMAT, VERSION = "hwflow resource model", 2
EVIDENCE = "estimate (fitted to synthesis)"

LINK_BLOCKS = 4
"""Block RAMs of the buffer of the host's link."""
DPR_LUTS = 6
"""LUT4 of a distributed memory: four of storage, two that its write port hides (Lattice FPGA-TN-02204)."""


@dataclass(frozen=True)
class Unit:
    """A unit's share. lut4: in all; logic that moves between units in synthesis makes these rougher than their sum."""

    lut4: int
    flip_flops: int
    block_rams: int


@dataclass(frozen=True)
class Resources:
    """What a configuration takes.

    lut4: LUT4 in all, as docs/board.md counts. block_rams: of 18 Kbit. multipliers: of 18x18. units: shares by unit.
    extrapolated: fields of the configuration outside the range of the designs that a unit they decide was fitted to.
    """

    lut4: int
    flip_flops: int
    block_rams: int
    multipliers: int
    units: dict[str, Unit]
    extrapolated: tuple[str, ...]


Values = dict[str, dict[str, float]]
"""Unit -> feature -> coefficient."""


@dataclass(frozen=True)
class Coefficients:
    """A calibration.

    logic, registers: LUT4 and flip-flops per feature. distributed: distributed memories of a fixed size. ranges: unit ->
    field -> least and greatest value among its fitted designs. records: design -> SHA-256 of its record. yosys: version.
    """

    logic: Values
    registers: Values
    distributed: int
    ranges: dict[str, dict[str, tuple[int, ...]]]
    records: dict[str, str]
    yosys: str


@cache
def coefficients(path: Path = COEFFICIENTS) -> Coefficients:
    """The shipped calibration, or that of another file. Raises FlowError."""
    return load(path, FORMAT, VERSION, Coefficients)


def multipliers(config: AcceleratorConfig) -> int:
    """Multipliers of 18x18: one an 8-bit product, two a lane, one a pooled window's channel, and those of addresses."""
    lanes = config.pixel_lanes
    windows = 1 if lanes == 1 else lanes // 2 + 1
    addresses = 16 if config.shared_features else 18
    return config.mac_lanes + 2 * config.vector_lanes + windows * config.cols + addresses


def block_rams(config: AcceleratorConfig) -> int:
    """Block RAMs of 18 Kbit: those of the accelerator's memories, and of the link's buffer."""
    return sum(cells.ebr for cells in memory_cells(config).values()) + LINK_BLOCKS


def estimate(
    config: AcceleratorConfig,
    *,
    memory_beats: int | None = None,
    using: Coefficients | None = None,
) -> Resources:
    """What `config` takes of an ECP5.

    Args:
        config: the accelerator.
        memory_beats: beats of a memory image in block RAM; None: the SDRAM holds it.
        using: another calibration than the shipped one.

    Raises:
        UnsuitableError: activations in external memory or heads, of which no design was synthesised.
    """
    for field in ("long_words", "head_rows"):
        if getattr(config, field):
            raise UnsuitableError(
                f"target {config.name}: the resource model knows no design with {field}; set it to 0, or synthesise with "
                "hwflow bitstream"
            )
    chosen = using or coefficients()
    logic, registers = logic_features(config), register_features(config)
    units: dict[str, Unit] = {}
    for name, cells in memory_cells(config).items():
        fixed = name == CONTROL
        lut4 = _sum(chosen.logic[name], logic[name]) + cells.multiplexed
        lut4 += DPR_LUTS * (cells.dpr + fixed * chosen.distributed)
        flip_flops = _sum(chosen.registers[name], registers[name]) + cells.registers
        units[name] = Unit(round(lut4), round(flip_flops), cells.ebr + fixed * LINK_BLOCKS)
    if memory_beats is not None:
        units["memory image"] = Unit(0, 0, image_blocks(config, memory_beats))
    return Resources(
        lut4=sum(unit.lut4 for unit in units.values()),
        flip_flops=sum(unit.flip_flops for unit in units.values()),
        block_rams=sum(unit.block_rams for unit in units.values()),
        multipliers=multipliers(config),
        units=units,
        extrapolated=tuple(
            dict.fromkeys(
                field
                for ranges in chosen.ranges.values()
                for field, (low, high) in ranges.items()
                if not low <= getattr(config, field) <= high
            )
        ),
    )


def unit_total(
    config: AcceleratorConfig, unit: str, values: dict[str, float], *, registers: bool
) -> float:
    """A unit's flip-flops, or LUT4 of logic, with these coefficients."""
    features = (register_features if registers else logic_features)(config)[unit]
    memories = memory_cells(config)[unit]
    return _sum(values, features) + (memories.registers if registers else memories.multiplexed)


def _sum(values: dict[str, float], features: dict[str, float]) -> float:
    """`given` features have the coefficient 1."""
    fitted = sum(value * features[name] for name, value in values.items())
    return fitted + features.get("given", 0)
