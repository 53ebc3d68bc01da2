"""What a characterisation says: joules of one operation of each unit, mapped to one library.

`hwflow energy characterise` writes it (bench/energy/*.json), the network's energy and the comparison read it.
docs/energy.md has the accounting behind the figures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from scipy.stats import t as student

from hwflow.energy import frozen_json
from hwflow.errors import FlowError

FORMAT = "hwflow-characterisation"
VERSION = 2
EVIDENCE = "gate-level"
LEAST_SEGMENTS = 10
"""Segments below which no interval is given."""
CONFIDENCE = 0.95

Operands = Literal["recorded", "random"]
UnitName = Literal[
    "binary_pe",
    "mac8_pe",
    "mac4_pe",
    "bf16_mac",
    "vector_lane",
    "feature_periphery",
    "binary_operands",
    "mac8_operands",
    "mac4_operands",
    "bf16_operands",
]
UNITS: tuple[UnitName, ...] = get_args(UnitName)
OPERATIONS: Mapping[UnitName, str] = {
    "binary_pe": "binary_mac",
    "mac8_pe": "mac8x8",
    "mac4_pe": "mac4x4",
    "bf16_mac": "bf16_mac",
    "vector_lane": "element",
    "feature_periphery": "tap_read",
    "binary_operands": "binary_mac",
    "mac8_operands": "mac8x8",
    "mac4_operands": "mac4x4",
    "bf16_operands": "bf16_mac",
}
"""What each unit's energy is given for: one binary, 8x8, 4x4 bit or bfloat16 multiply-add (all slots of a step, masked
and padded ones too), one element through a vector lane, one read of a tap (all banks of one feature memory)."""
OPERAND_REGISTERS: Mapping[UnitName, UnitName] = {
    "binary_pe": "binary_operands",
    "mac8_pe": "mac8_operands",
    "mac4_pe": "mac4_operands",
    "bf16_mac": "bf16_operands",
}
"""The registers outside a processing element that hold its operands: what to add to it for the energy of its MACs."""
PARTS = ("datapath", "registers", "clock", "leakage")
"""Parts of an energy, whose sum is its `total`."""


@dataclass(frozen=True)
class Interval:
    """A mean over segments and its 95% Student interval, all in joules."""

    mean: float
    low: float
    high: float

    @property
    def relative(self) -> float:
        """Half the interval's width over the mean; 0 where all segments gave 0."""
        half = (self.high - self.low) / 2
        return half / abs(self.mean) if self.mean else (0.0 if half == 0 else math.inf)


@dataclass(frozen=True)
class EnergySplit:
    """An energy and its parts, in joules; every part's interval stands for itself."""

    datapath: Interval
    registers: Interval
    clock: Interval
    leakage: Interval
    total: Interval


@dataclass(frozen=True)
class LibraryRecord:
    """The cell library: its name, the SHA-256 of every file's text by file name, its supply in volts."""

    name: str
    files: dict[str, str]
    voltage: float


@dataclass(frozen=True)
class UnitCharacterisation:
    """One unit on one kind of operands.

    Attributes:
        unit, operation: what was mapped and what its energy is given for (`OPERATIONS`).
        parameters: sizes of the unit, by name.
        operands: recorded from the RTL running the network, or random data under the recorded control.
        operations: counted in all segments; masked: those of them that add nothing.
        operations_per_cycle: of one instance that is busy.
        segments, cycles: of the stream that were counted.
        period: of the clock, seconds. cells: of the netlist. area: in the library's unit, mostly um^2.
        per_operation: J an operation of a busy cycle: what a segment took less its idle cycles, over its operations.
        idle_per_cycle: J a cycle in which the unit has nothing to do: clock, leakage, what toggles nevertheless.
            Energy of a unit in a run = operations * per_operation
            + (cycles - operations / operations_per_cycle) * idle_per_cycle.
        netlist, stimulus: SHA-256.
    """

    unit: UnitName
    operation: str
    parameters: dict[str, int]
    operands: Operands
    operations: int
    masked: int
    operations_per_cycle: int
    segments: int
    cycles: int
    period: float
    cells: int
    area: float
    per_operation: EnergySplit
    idle_per_cycle: EnergySplit
    netlist: str
    stimulus: str
    evidence: str = EVIDENCE


@dataclass(frozen=True)
class Characterisation:
    """All units of one run of the command: one library, one network's operands.

    Attributes:
        library: the cells. network, target: names of what was recorded. images: how many. seed: of the choice of
            segments and of the random operands. tools: versions by name. command: that makes the file.
    """

    library: LibraryRecord
    network: str
    target: str
    images: int
    seed: int
    tools: dict[str, str]
    command: str
    units: tuple[UnitCharacterisation, ...]

    def unit(self, unit: UnitName, operands: Operands = "recorded") -> UnitCharacterisation:
        """The characterisation of `unit` on `operands`.

        Raises:
            FlowError: it is not there, with the command that makes it.
        """
        for each in self.units:
            if (each.unit, each.operands) == (unit, operands):
                return each
        raise FlowError(
            f"the characterisation of {self.library.name} has no {unit} on {operands} operands; "
            f"run `hwflow energy characterise` with --unit {unit}, or without --unit for all"
        )

    def json(self) -> str:
        """The file's text; same content, same bytes."""
        return frozen_json.text(FORMAT, VERSION, self)

    def save(self, path: Path) -> None:
        """Writes the file, whole or not at all.

        Raises:
            FlowError: it cannot be written.
        """
        frozen_json.save(path, FORMAT, VERSION, self)


def interval(samples: Sequence[float]) -> Interval:
    """Mean and 95% Student interval of one value a segment (n - 1 degrees of freedom).

    Raises:
        FlowError: fewer than `LEAST_SEGMENTS` samples.
    """
    count = len(samples)
    if count < LEAST_SEGMENTS:
        raise FlowError(
            f"{count} segments are too few for an interval; give --segments {LEAST_SEGMENTS} or more"
        )
    values = np.asarray(samples, np.float64)
    mean = float(values.mean())
    error = float(values.std(ddof=1)) / math.sqrt(count)
    half = float(student.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
    return Interval(mean, mean - half, mean + half)


def load(path: Path) -> Characterisation:
    """The characterisation in a file.

    Raises:
        FlowError: unreadable, of another format or version, a field that is missing or wrong, no units, one twice, or
            several clock periods; names file and field.
    """
    found = frozen_json.load(path, FORMAT, VERSION, Characterisation)

    def wrong(what: str) -> FlowError:
        return FlowError(f"{path}: {what}; make it again with hwflow energy characterise")

    if not found.units:
        raise wrong("units is empty")
    if found.library.voltage <= 0 or found.images < 1:
        raise wrong("library.voltage and images must be above 0")
    for at, each in enumerate(found.units):
        if problem := _problem(each):
            raise wrong(f"units[{at}].{problem}")
        if any((x.unit, x.operands) == (each.unit, each.operands) for x in found.units[:at]):
            raise wrong(f"units[{at}] is {each.unit} on {each.operands} operands a second time")
    if len(periods := {each.period for each in found.units}) > 1:
        shown = ", ".join(f"{1e9 * period:g} ns" for period in sorted(periods))
        raise wrong(f"units have several clock periods ({shown})")
    return found


def _problem(unit: UnitCharacterisation) -> str:
    """What is wrong with a unit's values, the field first; "" where nothing is."""
    if unit.operation != OPERATIONS[unit.unit]:
        return f"operation of {unit.unit} must be {OPERATIONS[unit.unit]}"
    if unit.evidence != EVIDENCE:
        return f"evidence must be {EVIDENCE}"
    least = {"operations": 1, "masked": 0, "operations_per_cycle": 1, "segments": LEAST_SEGMENTS}
    for name, bound in (least | {"cycles": 1, "cells": 1, "area": 0, "period": 1e-15}).items():
        if getattr(unit, name) < bound:
            return f"{name} is {getattr(unit, name)}, expected at least {bound}"
    for name in ("per_operation", "idle_per_cycle"):
        split: EnergySplit = getattr(unit, name)
        for part in (*PARTS, "total"):
            energy: Interval = getattr(split, part)
            if not energy.low <= energy.mean <= energy.high:
                return f"{name}.{part}.mean lies outside low..high"
        parts = sum(getattr(split, part).mean for part in PARTS)
        if not math.isclose(split.total.mean, parts, rel_tol=1e-9, abs_tol=1e-30):
            return f"{name}.total is not the sum of its parts"
    if unit.idle_per_cycle.total.mean < 0:
        return "idle_per_cycle.total is negative"
    if unit.per_operation.total.mean <= 0:
        return "per_operation.total must be above 0"
    if unit.unit in OPERAND_REGISTERS and unit.per_operation.datapath.mean <= 0:
        return "per_operation.datapath must be above 0: the unit multiplies"
    return ""
