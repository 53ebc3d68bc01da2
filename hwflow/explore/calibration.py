"""Fits the resource model to records of synthesised designs, and holds it against those that the fit did not see."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from hwflow.energy.frozen_json import save
from hwflow.errors import FlowError
from hwflow.explore.features import (
    UNITS,
    logic_features,
    memory_cells,
    register_features,
    units_in,
)
from hwflow.explore.records import Record, load_records
from hwflow.explore.resources import (
    FORMAT,
    VERSION,
    Coefficients,
    Values,
    block_rams,
    estimate,
    multipliers,
    unit_total,
)

RANGED = {
    "8-bit array": ("rows", "cols", "mac_depth", "memory_bytes"),
    "features": ("rows", "cols", "popcount_width", "pixel_lanes"),
    "binary array": ("rows", "cols", "popcount_width", "popcount_stages", "pixel_lanes"),
    "lanes": ("cols", "pixel_lanes", "residual_bits"),
}
"""Unit -> fields that decide what it takes. Control was fitted to one board; it has no range.

Sizes of memories are not among them: what they become is a formula. Nor are `channel_limit` and `line_pixels`, which widen
counters by a bit.
"""
KINDS = ("lut4", "flip_flops", "block_rams", "multipliers")
DISTRIBUTED_SPREAD = 12
"""Distributed memories by which designs may differ beyond the formula: bits of queues that nobody reads."""
WORST_FITTED = 0.15
"""Error of a fitted design from which on its record is doubted."""


@dataclass(frozen=True)
class Comparison:
    """A design by synthesis and by the model."""

    name: str
    held_out: bool
    synthesised: dict[str, int]
    estimated: dict[str, int]

    @property
    def errors(self) -> dict[str, float]:
        """Relative error of each kind: above 0 where the model says more."""
        return {
            kind: self.estimated[kind] / self.synthesised[kind] - 1 for kind in self.synthesised
        }

    @property
    def worst(self) -> float:
        """The greatest of them, without its sign."""
        return max(map(abs, self.errors.values()))


def calibrate(folder: Path) -> Coefficients:
    """Coefficients fitted to the records of `folder` that are not held out; same records, same coefficients.

    Raises:
        FlowError: a record is damaged, of another Yosys than the others or of another design than it says; a fitted one is
            far from the fit; or there are too few.
    """
    records = load_records(folder)
    fitted = {name: record for name, record in records.items() if not record.held_out}
    boards = [record for record in fitted.values() if record.part == "board"]
    if not boards:
        raise FlowError(f"{folder}: no board to fit to; synthesise one that is not held out")
    for name, record in records.items():
        _check(folder / f"{name}.json", record)
    usual = statistics.median(map(_fixed_distributed, boards))
    for name, record in records.items():
        if record.part == "board" and abs(_fixed_distributed(record) - usual) > DISTRIBUTED_SPREAD:
            raise FlowError(
                f"{folder / name}.json: {record.total.dpr} distributed memories, unlike other designs; synthesise it again"
            )
    versions = {record.tools.yosys for record in records.values()}
    if len(versions) != 1:
        raise FlowError(
            f"{folder}: records of Yosys {', '.join(sorted(versions))}; synthesise all with one version"
        )
    made = Coefficients(
        logic=_fit([*fitted.values()], registers=False),
        registers=_fit([*fitted.values()], registers=True),
        distributed=round(usual),
        ranges={unit: _ranges(unit, [*fitted.values()]) for unit in RANGED},
        records={
            name: hashlib.sha256((folder / f"{name}.json").read_bytes()).hexdigest()
            for name in fitted
        },
        yosys=versions.pop(),
    )
    missed = {name: _missed(record, made) for name, record in fitted.items()}
    worst = max(missed, key=lambda name: missed[name])
    if missed[worst] > WORST_FITTED:
        raise FlowError(
            f"{folder / worst}.json: the fit misses it by {missed[worst]:.0%}; check the record, or synthesise it again"
        )
    return made


def save_coefficients(path: Path, made: Coefficients) -> None:
    """Writes a calibration: same calibration, same bytes. Raises FlowError."""
    save(path, FORMAT, VERSION, made)


def compare(record: Record, using: Coefficients) -> Comparison:
    """What the model says of a record's design, beside the record."""
    found, total = estimate(record.config(), using=using), record.total
    synthesised = (total.luts, total.ff, total.ebr, total.mult)
    return Comparison(
        record.name,
        record.held_out,
        dict(zip(KINDS, synthesised, strict=True)),
        {kind: int(getattr(found, kind)) for kind in KINDS},
    )


def _fixed_distributed(record: Record) -> int:
    """Distributed memories beyond those whose size depends on the configuration."""
    return record.total.dpr - sum(cells.dpr for cells in memory_cells(record.config()).values())


def _check(path: Path, record: Record) -> None:
    """Raises FlowError unless a record is of the design that it says: what formulas give is there to the last cell."""
    if record.name != path.stem:
        raise FlowError(f"{path}: is of a design named {record.name}; give the file its name")
    config = record.config()
    if record.part != "board":
        return
    total = record.total
    counted = (
        ("block RAMs", total.ebr, block_rams(config)),
        ("multipliers", total.mult, multipliers(config)),
    )
    for kind, found, expected in counted:
        if found != expected:
            raise FlowError(
                f"{path}: {found} {kind}, but its design has {expected}; synthesise it again"
            )


def _ranges(unit: str, records: Sequence[Record]) -> dict[str, tuple[int, ...]]:
    """Least and greatest value of a unit's fields among the records that it is fitted to."""
    configs = [record.config() for record in records if record.part == UNITS[unit]]
    return {
        field: (min(values), max(values))
        for field in RANGED[unit]
        for values in [[getattr(config, field) for config in configs] or [0]]
    }


def _missed(record: Record, made: Coefficients) -> float:
    """Relative error of LUT4 of logic or flip-flops of a fitted record, the greater."""
    config, total, units = record.config(), record.total, units_in(record.part)
    pairs = ((False, made.logic, total.logic), (True, made.registers, total.ff))
    return max(
        abs(
            sum(unit_total(config, unit, values[unit], registers=registers) for unit in units)
            / found
            - 1
        )
        for registers, values, found in pairs
    )


def _fit(records: Sequence[Record], *, registers: bool) -> Values:
    """Coefficients of every unit: those of the rest of a part explain what it has beyond the units solved before."""
    values: Values = {}
    features_of = register_features if registers else logic_features
    for unit, part in UNITS.items():
        rows: list[_Row] = []
        for record in records:
            if record.part != part:
                continue
            config, total = record.config(), record.total
            features = dict(features_of(config)[unit])
            memories = memory_cells(config)[unit]
            wanted = (total.ff if registers else total.logic) - features.pop("given", 0)
            wanted -= memories.registers if registers else memories.multiplexed
            wanted -= sum(
                unit_total(config, other, values[other], registers=registers)
                for other in units_in(part)
                if other != unit
            )
            rows.append(_Row(features, wanted))
        values[unit] = _solved(unit, rows)
    return values


@dataclass(frozen=True)
class _Row:
    """A record for a unit: its features, and the cells that they are to explain."""

    features: dict[str, float]
    wanted: float


def _solved(unit: str, rows: Sequence[_Row]) -> dict[str, float]:
    """Non-negative least squares; features are scaled to their greatest value, so that none counts for its unit."""
    names = list(rows[0].features) if rows else []
    if len(names) > len(rows) or not rows:
        raise FlowError(
            f"{len(rows)} records tell of unit {unit}, which has {len(names)} coefficients; synthesise more designs"
        )
    matrix = np.array([[row.features[name] for name in names] for row in rows], float)
    scale = np.maximum(matrix.max(axis=0), 1)
    found, _ = nnls(matrix / scale, np.array([row.wanted for row in rows], float))
    return {name: round(float(x), 3) for name, x in zip(names, found / scale, strict=True)}
