"""What a gate-level simulation counted, by cell, pin and state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hwflow.energy.cells import Cell
from hwflow.energy.delays import StaticTiming
from hwflow.energy.netlist import MappedUnit
from hwflow.energy.stimulus import Segment

Counts = npt.NDArray[np.uint32]
Times = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """Where the events of every instance are in the counts (event numbers: hwflow/energy/events.py).

    inputs, outputs, states: [instance + 1], first input event, output event, state of each.
    """

    inputs: npt.NDArray[np.int64]
    outputs: npt.NDArray[np.int64]
    states: npt.NDArray[np.int64]


def layout_of(mapped: MappedUnit) -> Layout:
    """The layout of a unit's counts."""
    sizes = np.zeros((3, len(mapped.instances) + 1), dtype=np.int64)
    for index, each in enumerate(mapped.instances):
        pins, states = len(each.inputs), 1 << len(each.cell.variables)
        sizes[:, index + 1] = pins * states, len(each.outputs) * pins * states, states
    return Layout(*np.cumsum(sizes, axis=1))


@dataclass(frozen=True)
class SegmentActivity:
    """Counts of the counted cycles of one segment.

    toggles: [net]. settled: [net], cycles that end with another value than the cycle before.
    inputs: [input event]. outputs: [output event]. times: [state], in time units.
    filtered: pulses that the inertial delays swallowed.
    """

    segment: Segment
    toggles: Counts = field(repr=False)
    settled: Counts = field(repr=False)
    inputs: Counts = field(repr=False)
    outputs: Counts = field(repr=False)
    times: Times = field(repr=False)
    filtered: int


@dataclass(frozen=True)
class Activity:
    """Counts of all segments of a stimulus.

    period: of the clock, s. unit: of `times`, s. timing: slews and delays that were simulated.
    """

    period: float
    unit: float
    timing: StaticTiming = field(repr=False)
    layout: Layout = field(repr=False)
    segments: tuple[SegmentActivity, ...]


def by_cell(mapped: MappedUnit) -> Iterator[tuple[Cell, list[int]]]:
    """Every kind of cell with its instances."""
    found: dict[str, list[int]] = {}
    for index, each in enumerate(mapped.instances):
        found.setdefault(each.cell.name, []).append(index)
    for instances in found.values():
        yield mapped.instances[instances[0]].cell, instances
