"""Energy of a unit's operation in a cell library: mapped, driven, simulated with delays, counted over segments."""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import t as student

from hwflow.energy.cells import Library
from hwflow.energy.characterisation import (
    CONFIDENCE,
    LEAST_SEGMENTS,
    OPERATIONS,
    PARTS,
    EnergySplit,
    Operands,
    UnitCharacterisation,
    UnitName,
    interval,
)
from hwflow.energy.delays import StaticTiming, analyse, check_period, default_period
from hwflow.energy.netlist import MappedUnit
from hwflow.energy.power import SegmentEnergy, energies
from hwflow.errors import FlowError
from rtl_gen.synthesis.liberty import map_to_library
from sim.energy.stimuli import Drive, Driven
from sim.energy.units import Unit
from sim.gates.simulate import simulate
from sim.recording import Recording

MOST_SEGMENTS = 100_000
Progress = Callable[[str, int, int], None]
"""Called with what is being done, and how much of how much."""


@dataclass(frozen=True)
class Plan:
    """What is asked for.

    operands: kinds. segments: that work, of `length` cycles; ten of `rest` cycles rest. period: of the clock, s;
    None: what the slowest of the units needs. precision: largest half-width of the interval of an operation's total
    energy over its mean; None: any. seed: of segments and random operands.
    """

    operands: Sequence[Operands] = ("recorded", "random")
    segments: int = 16
    length: int = 256
    rest: int = 64
    period: float | None = None
    precision: float | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        if self.segments < LEAST_SEGMENTS:
            raise FlowError(
                f"--segments {self.segments} is too few for an interval; give {LEAST_SEGMENTS} or more"
            )
        if self.precision is not None and not self.precision > 0:
            raise FlowError(f"--precision {self.precision} is not positive; give 0.05 for 5%")


def characterise(
    chosen: Mapping[UnitName, Unit],
    recording: Recording,
    library: Library,
    plan: Plan,
    *,
    keep: Path | None = None,
    progress: Progress | None = None,
) -> list[UnitCharacterisation]:
    """Every chosen unit on every kind of operands, at one clock period.

    Args:
        chosen: units by name (sim/energy/units.py).
        recording: of all their instances.
        library: cells to map to.
        plan: segments, period, operands.
        keep: folder for mapped netlists and the units' answers.
        progress: see Progress.

    Raises:
        FlowError: the period is too short, the precision is not reached, or what mapping and simulation complain of.
    """
    tell = progress or (lambda what, done, total: None)
    total = len(chosen) * (1 + 2 * len(plan.operands))
    done = 0
    mapped: dict[UnitName, tuple[Driven, MappedUnit, StaticTiming]] = {}
    for name, unit in chosen.items():
        tell(f"mapping {name}", done, total)
        driven = Driven(unit, recording, keep=keep)
        circuit = map_to_library(driven.design.text, name, library, keep=keep)
        mapped[name] = driven, circuit, analyse(circuit)
        done += 1
    period = plan.period or max(default_period(timing) for *_, timing in mapped.values())
    for _, circuit, timing in mapped.values():
        check_period(circuit, timing, period)
    found: list[UnitCharacterisation] = []
    for name, (driven, circuit, timing) in mapped.items():
        for operands in plan.operands:
            tell(f"driving {name}, {operands}", done, total)
            drive = driven.drive(
                operands,
                segments=plan.segments,
                length=plan.length,
                rest=plan.rest,
                seed=plan.seed,
            )
            done += 1
            tell(f"simulating {name}, {operands}", done, total)
            activity = simulate(circuit, drive.stimulus, period=period, timing=timing)
            done += 1
            one = measured(
                driven.unit, circuit, drive, energies(circuit, activity), period, operands
            )
            _check_precision(one, plan)
            found.append(one)
    return found


def measured(
    unit: Unit,
    circuit: MappedUnit,
    drive: Drive,
    segments: Sequence[SegmentEnergy],
    period: float,
    operands: Operands,
) -> UnitCharacterisation:
    """The characterisation that the energies of a drive's segments give.

    A resting cycle takes the mean of the resting segments; what a working segment took beyond that for the cycles in
    which no operation begins is spread over its operations.
    """
    work, rest = segments[: drive.working], segments[drive.working :]
    parts = (*PARTS, "total")
    idle = {part: [float(getattr(each, part)) / each.cycles for each in rest] for part in parts}
    mean = {part: float(np.mean(values)) for part, values in idle.items()}
    active: dict[str, list[float]] = {part: [] for part in parts}
    for each, operations in zip(work, drive.operations, strict=True):
        resting = each.cycles - operations / unit.per_cycle
        for part in parts:
            active[part].append((float(getattr(each, part)) - resting * mean[part]) / operations)
    return UnitCharacterisation(
        unit=unit.name,
        operation=OPERATIONS[unit.name],
        parameters=dict(unit.parameters),
        operands=operands,
        operations=sum(drive.operations),
        masked=sum(drive.masked),
        operations_per_cycle=unit.per_cycle,
        segments=drive.working,
        cycles=sum(each.cycles for each in work),
        period=period,
        cells=len(circuit.instances),
        area=circuit.area,
        per_operation=EnergySplit(**{part: interval(values) for part, values in active.items()}),
        idle_per_cycle=EnergySplit(**{part: interval(values) for part, values in idle.items()}),
        netlist=circuit.digest,
        stimulus=drive.stimulus.digest,
    )


def tools() -> dict[str, str]:
    """Versions of what the figures depend on."""
    names = {"yosys": "pyosys", "liberty-parser": "liberty-parser", "amaranth": "amaranth"}
    return {name: importlib.metadata.version(package) for name, package in names.items()}


def needed_segments(segments: int, relative: float, precision: float) -> int:
    """Segments for a relative half-width of `precision` where `segments` gave `relative`, spread unchanged.

    Half-width = t(n - 1) * s / sqrt(n) (Student).
    """

    def factor(count: int) -> float:
        return float(student.ppf((1 + CONFIDENCE) / 2, count - 1)) / math.sqrt(count)

    spread = relative / factor(segments)
    low, high = segments, MOST_SEGMENTS
    while low < high:
        middle = (low + high) // 2
        if spread * factor(middle) <= precision:
            high = middle
        else:
            low = middle + 1
    return low


def _check_precision(one: UnitCharacterisation, plan: Plan) -> None:
    relative = one.per_operation.total.relative
    if plan.precision is None or relative <= plan.precision:
        return
    wanted = needed_segments(one.segments, relative, plan.precision)
    raise FlowError(
        f"{one.unit} on {one.operands} operands: {one.segments} segments give the energy of a {one.operation} to "
        f"{100 * relative:.1f}%, asked for {100 * plan.precision:.1f}%; give about --segments {wanted}, or longer ones"
    )
