"""What a unit's size depends on: quantities of a configuration that logic and flip-flops are proportional to.

A unit's LUT4 and flip-flops are a sum of non-negative coefficients (hwflow/explore/resources.json) times these. Each counts
something of the RTL: elements, bits that are selected, bits that are registered.
"""

from __future__ import annotations

from dataclasses import dataclass

from hwflow.config import AcceleratorConfig
from hwflow.energy.accesses import popcount_bits
from hwflow.explore.memories import all_mapped
from hwflow.explore.memory_mapping import Mapped
from hwflow.explore.records import Part

COUNTER_CELLS = {
    (16, 1): 13,
    (16, 2): 14,
    (32, 1): 26,
    (32, 2): 27,
    (64, 1): 54,
    (64, 2): 55,
    (128, 1): 109,
    (128, 2): 109,
}
"""CCU2C of a popcount by its inputs and stages: rtl_gen/synthesis/carry_popcount.py."""
COUNTER_REGISTERS = {16: 7, 32: 9, 64: 17, 128: 20}
"""Flip-flops half way through a popcount of two stages, from the same."""
COUNTER_LUTS = {16: 41, 32: 88, 64: 171, 128: 356}
LUT_COUNTER_REGISTERS = {16: 5, 32: 6, 64: 12, 128: 24}
"""LUT4 of a popcount of LUTs by its inputs, two for each carry cell in it, and the flip-flops half way: Yosys, of
rtl_gen/differences.sv with two stages."""


CONTROL = "control"
UNITS: dict[str, Part] = {
    "8-bit array": "front_end.mac_array",
    "features": "front_end.features",
    "binary array": "front_end",
    "lanes": "back_end",
    CONTROL: "board",
}
"""The model's units -> the part of a design that tells of them: all that it has beyond the units in it that come before.

So the binary array is with the sequencer and what else is in the front end, the lanes with all else that is in the back end
(constants, pool, sums, signature, residual memories); control is loader, rings, scalar engine, records, link, the SDRAM's
controller. Synthesis moves logic between the units of a part, so shares are rougher than sums.
"""


def units_in(part: Part) -> tuple[str, ...]:
    """The model's units that a part of a design has."""
    if part == "board":
        return tuple(UNITS)
    return tuple(unit for unit, found in UNITS.items() if f"{found}.".startswith(f"{part}."))


MEMORIES: dict[str, tuple[str, ...]] = {
    "features": ("features", "bit", "byte"),
    "binary array": ("weights", "deskew", "tiles", "8-bit weights"),
    "lanes": ("constants", "main", "side", "pool", "line", "sums"),
    CONTROL: ("constant ring", "vectors", "image", "writes"),
}
"""Unit -> its memories, by the first word of their names or all of it."""


def memory_cells(config: AcceleratorConfig) -> dict[str, Mapped]:
    """Unit -> what its memories become; units without memories are there, too."""
    found = {unit: Mapped() for unit in UNITS}
    for name, cells in all_mapped(config).items():
        unit = next(u for u, names in MEMORIES.items() if {name, name.split()[0]} & {*names})
        found[unit] += cells
    return found


@dataclass(frozen=True)
class Quantities:
    """Of a configuration, what several features are made of.

    pes: elements of an array. lanes: vector lanes. counts: bits of a binary sum. turned: bits that a level of the features'
    rotation selects. words: bits of all features that are read in a cycle. levels: of that rotation. stored: bits of a pixel
    that are stored. counter: LUT4 of a popcount with its registers' own. half_way: bits of one that are registered: half
    way through carry cells, behind LUTs. gathered: lanes, each for every other pixel of a
    cycle.
    """

    pes: int
    lanes: int
    counts: int
    turned: int
    words: int
    levels: int
    stored: int
    counter: int
    half_way: int
    gathered: int

    @classmethod
    def of(cls, config: AcceleratorConfig) -> Quantities:
        """Those of `config`."""
        cols = config.cols
        inputs, two = config.popcount_width, config.popcount_stages == 2
        word = inputs + (0 if config.shared_features else 8 * cols)
        if config.for_routing:
            half_way = LUT_COUNTER_REGISTERS[inputs] if two else 0
            counter = COUNTER_LUTS[inputs]
        else:
            half_way = COUNTER_REGISTERS[inputs] if two else 0
            counter = 2 * COUNTER_CELLS[inputs, config.popcount_stages] + half_way
        return cls(
            pes=config.rows * config.cols,
            lanes=config.vector_lanes,
            counts=popcount_bits(config),
            turned=config.banks * word,
            words=config.rows * word,
            levels=(config.banks - 1).bit_length(),
            counter=counter,
            half_way=half_way,
            gathered=config.vector_lanes * (config.pixel_lanes - 1),
            stored=8 * cols if config.shared_features else 9 * cols,
        )


def logic_features(config: AcceleratorConfig) -> dict[str, dict[str, float]]:
    """Unit -> feature -> its quantity, for LUT4 of logic; the feature `given` has the coefficient 1."""
    q = Quantities.of(config)
    cols, lanes = config.cols, config.pixel_lanes
    several = lanes > 1
    return {
        "binary array": {
            "given": q.counter * q.pes,
            "bits of sums": q.pes * q.counts,
            "results": q.lanes * q.counts,
            "unit": 1,
        },
        "8-bit array": {
            "operand bits": 8 * q.pes * cols.bit_length(),
            "elements": q.pes,
            "products": q.pes * config.mac_depth,
            "unit": 1,
        },
        "features": {
            "turned bits": q.turned * q.levels,
            "words": q.words,
            "stored bits turned": several * config.banks * q.levels * q.stored,
            "banks": config.banks,
            "unit": 1,
        },
        "lanes": {"lanes": q.lanes, "gathered": q.gathered, "unit": 1},
        CONTROL: {"unit": 1},
    }


def register_features(config: AcceleratorConfig) -> dict[str, dict[str, float]]:
    """As `logic_features`, for flip-flops."""
    q = Quantities.of(config)
    cols, lanes, width = config.cols, config.pixel_lanes, config.popcount_width
    groups = config.row_groups
    hops = (cols - 1) * config.rows * width + cols * groups * width
    skew = lanes * width * groups * (groups - 1) // 2
    sums = q.pes * (2 * q.counts + width.bit_length() + q.half_way)
    return {
        "binary array": {
            "given": hops + skew + sums,
            "column control": cols * (config.rows + groups),
            "unit": 1,
        },
        "8-bit array": {
            "elements": q.pes,
            "products": 8 * q.pes * config.mac_depth,
            "unit": 1,
        },
        "features": {
            "turned bits": q.turned,
            "words": q.words,
            "stored bits": lanes * q.stored,
            "unit": 1,
        },
        "lanes": {"lanes": q.lanes, "gathered": q.gathered, "unit": 1},
        CONTROL: {"unit": 1},
    }
