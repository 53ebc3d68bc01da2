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
    CONTROL,
    UNITS,
    logic_features,
    memory_cells,
    register_features,
    unit_of,
)
from hwflow.explore.records import Cells, Record, load_records
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

RANGED = (
    *("rows", "cols", "popcount_width", "popcount_stages", "pixel_lanes", "mac_depth"),
    *("memory_bytes", "channel_limit", "residual_bits"),
)
"""Fields that features are made of. Sizes of memories are not: what they become is a formula."""
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
    boards = {name: record for name, record in records.items() if record.part == "board"}
    if not boards.keys() & fitted.keys():
        raise FlowError(f"{folder}: no board to fit to; synthesise one that is not held out")
    usual = statistics.median(map(_fixed_distributed, boards.values()))
    for name, record in records.items():
        _check(folder / f"{name}.json", record, usual)
    versions = {record.tools.yosys for record in records.values()}
    if len(versions) != 1:
        raise FlowError(
            f"{folder}: records of Yosys {', '.join(sorted(versions))}; synthesise all with one version"
        )
    configs = [record.config() for record in fitted.values()]
    made = Coefficients(
        logic=_fit([*fitted.values()], registers=False),
        registers=_fit([*fitted.values()], registers=True),
        distributed=round(usual),
        ranges={
            field: (min(values), max(values))
            for field in RANGED
            for values in [[getattr(config, field) for config in configs]]
        },
        records={
            name: hashlib.sha256((folder / f"{name}.json").read_bytes()).hexdigest()
            for name in fitted
        },
        yosys=versions.pop(),
    )
    for name in fitted.keys() & boards.keys():
        found = compare(records[name], made)
        if found.worst > WORST_FITTED:
            raise FlowError(
                f"{folder / name}.json: the fit misses it by {found.worst:.0%}; check the record, or synthesise it again"
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


def by_unit(record: Record) -> dict[str, Cells]:
    """Cells of the model's units."""
    found = {unit: Cells() for unit in (*UNITS, CONTROL)}
    for path, cells in record.units.items():
        found[unit_of(path)] += cells
    return found


def _fixed_distributed(record: Record) -> int:
    """Distributed memories beyond those whose size depends on the configuration."""
    return record.total.dpr - sum(cells.dpr for cells in memory_cells(record.config()).values())


def _check(path: Path, record: Record, usual: float) -> None:
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
    if abs(_fixed_distributed(record) - usual) > DISTRIBUTED_SPREAD:
        raise FlowError(
            f"{path}: {total.dpr} distributed memories, unlike the other designs; synthesise it again"
        )


def _fit(records: Sequence[Record], *, registers: bool) -> Values:
    """Coefficients of every unit: those of the accelerator's halves from these alone, the rest of a board from boards."""
    values: Values = {}
    for unit, roots in UNITS.items():
        half = roots[0].partition(".")[0]
        rows = [
            _Row.of(record, unit, registers=registers) for record in records if record.part == half
        ]
        values[unit] = _solved(unit, rows)
    boards = [record for record in records if record.part == "board"]
    rows: list[_Row] = []
    for record in boards:
        config, total = record.config(), record.total
        known = sum(unit_total(config, unit, values[unit], registers=registers) for unit in UNITS)
        row = _Row.of(record, CONTROL, registers=registers)
        own = row.wanted - (
            by_unit(record)[CONTROL].ff if registers else by_unit(record)[CONTROL].logic
        )
        rows.append(_Row(row.features, (total.ff if registers else total.logic) - known + own))
    values[CONTROL] = _solved(CONTROL, rows)
    return values


@dataclass(frozen=True)
class _Row:
    """A unit of a record: its features, and the cells that they are to explain."""

    features: dict[str, float]
    wanted: float

    @classmethod
    def of(cls, record: Record, unit: str, *, registers: bool) -> _Row:
        config = record.config()
        features = dict((register_features if registers else logic_features)(config)[unit])
        cells, memories = by_unit(record)[unit], memory_cells(config)[unit]
        wanted = cells.ff - memories.registers if registers else cells.logic - memories.multiplexed
        return cls(features, wanted - features.pop("given", 0))


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
