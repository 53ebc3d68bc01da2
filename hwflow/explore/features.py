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

UNITS: dict[str, tuple[str, ...]] = {
    "binary array": ("front_end.binary_array", "front_end.weight_ring"),
    "8-bit array": ("front_end.mac_array", "front_end.mac_ring"),
    "features": ("front_end.features", "front_end.tap_address"),
    "sequencer": ("front_end",),
    "pool": ("back_end.pool_unit",),
    "sums": ("back_end.sums",),
    "signature": ("back_end.signature",),
    "residual memories": (
        *("back_end.main", "back_end.side", "back_end.pool", "back_end.r1_position"),
    ),
    "lanes": ("back_end",),
}
"""Unit of the model -> units of a record (those below them, too); each belongs to the first that names it.

Everything else on a board is `control`: loader, rings, scalar engine, records, link, the SDRAM's controller.
"""
CONTROL = "control"


def unit_of(path: str) -> str:
    """The model's unit that a record's unit belongs to."""
    return next(
        (
            unit
            for unit, roots in UNITS.items()
            if any(path == root or path.startswith(f"{root}.") for root in roots)
        ),
        CONTROL,
    )


MEMORIES: dict[str, tuple[str, ...]] = {
    "binary array": ("weights", "deskew"),
    "8-bit array": ("8-bit weights",),
    "features": ("features", "bit", "byte"),
    "sequencer": ("tiles",),
    "pool": ("line",),
    "sums": ("sums",),
    "residual memories": ("main", "side", "pool"),
    "lanes": ("constants",),
    CONTROL: ("constant ring", "vectors", "image", "writes"),
}
"""Unit -> its memories, by the first word of their names or all of it."""


def memory_cells(config: AcceleratorConfig) -> dict[str, Mapped]:
    """Unit -> what its memories become; units without memories are there, too."""
    found = {unit: Mapped() for unit in (*UNITS, CONTROL)}
    for name, cells in all_mapped(config).items():
        unit = next(u for u, names in MEMORIES.items() if {name, name.split()[0]} & {*names})
        found[unit] += cells
    return found


@dataclass(frozen=True)
class Quantities:
    """Of a configuration, what several features are made of.

    pes: elements of an array. lanes: vector lanes. counts: bits of a binary sum. turned: bits that a level of the features'
    rotation selects. words: bits of all features that are read in a cycle. levels: of that rotation. stored: bits
    of a pixel that are stored.
    """

    pes: int
    lanes: int
    counts: int
    turned: int
    words: int
    levels: int
    stored: int

    @classmethod
    def of(cls, config: AcceleratorConfig) -> Quantities:
        """Those of `config`."""
        cols = config.cols
        word = config.popcount_width + (0 if config.shared_features else 8 * cols)
        return cls(
            pes=config.rows * config.cols,
            lanes=config.vector_lanes,
            counts=popcount_bits(config),
            turned=config.banks * word,
            words=config.rows * word,
            levels=(config.banks - 1).bit_length(),
            stored=8 * cols if config.shared_features else 9 * cols,
        )


def logic_features(config: AcceleratorConfig) -> dict[str, dict[str, float]]:
    """Unit -> feature -> its quantity, for LUT4 of logic; the feature `given` has the coefficient 1."""
    q = Quantities.of(config)
    cols, lanes = config.cols, config.pixel_lanes
    counter = COUNTER_CELLS[config.popcount_width, config.popcount_stages]
    several = lanes > 1
    return {
        "binary array": {
            "given": 2 * counter * q.pes,
            "bits of sums": q.pes * q.counts,
            "elements": q.pes,
            "unit": 1,
        },
        "pool": {
            "lanes": q.lanes,
            "gathered": several * q.lanes * lanes,
            "windows": cols * (1 if lanes == 1 else lanes // 2 + 1),
            "unit": 1,
        },
        "sums": {"columns": cols, "lanes": q.lanes, "unit": 1},
        "signature": {"lanes": q.lanes, "unit": 1},
        "residual memories": {
            "rotated bits": 2 * config.residual_bits * q.lanes * (lanes.bit_length() - 1),
            "word bits": config.residual_bits * q.lanes,
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
        "sequencer": {
            "rows": config.rows,
            "results": q.lanes * q.counts,
            "unit": 1,
        },
        "lanes": {"lanes": q.lanes, "columns": cols, "unit": 1},
        CONTROL: {"beat bits": config.beat_bits, "unit": 1},
    }


def register_features(config: AcceleratorConfig) -> dict[str, dict[str, float]]:
    """As `logic_features`, for flip-flops."""
    q = Quantities.of(config)
    cols, lanes, width = config.cols, config.pixel_lanes, config.popcount_width
    groups = config.row_groups
    stages = config.popcount_stages == 2
    hops = (cols - 1) * config.rows * width + cols * groups * width
    skew = lanes * width * groups * (groups - 1) // 2
    sums = q.pes * (2 * q.counts + width.bit_length() + stages * COUNTER_REGISTERS[width])
    return {
        "binary array": {
            "given": hops + skew + sums,
            "columns": cols,
            "column control": cols * (config.rows + groups),
            "unit": 1,
        },
        "pool": {
            "lanes": q.lanes,
            "gathered": several_lanes(config),
            "windows": cols * (1 if lanes == 1 else lanes // 2 + 1),
            "unit": 1,
        },
        "sums": {"columns": cols, "lanes": q.lanes, "unit": 1},
        "signature": {"lanes": q.lanes, "unit": 1},
        "residual memories": {"lanes": q.lanes, "unit": 1},
        "8-bit array": {
            "elements": q.pes,
            "products": 8 * q.pes * config.mac_depth,
            "unit": 1,
        },
        "features": {"turned bits": q.turned, "words": q.words, "banks": config.banks, "unit": 1},
        "sequencer": {
            "rows": config.rows,
            "results": q.lanes * q.counts,
            "vector bits": 8 * config.fc_inputs,
            "unit": 1,
        },
        "lanes": {"lanes": q.lanes, "columns": cols, "unit": 1},
        CONTROL: {"beat bits": config.beat_bits, "unit": 1},
    }


def several_lanes(config: AcceleratorConfig) -> float:
    """G*G*C where a cycle brings several pixels, else 0."""
    return config.pixel_lanes * config.vector_lanes if config.pixel_lanes > 1 else 0
