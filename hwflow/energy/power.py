"""Energy of counted events, by the definitions of docs/energy.md: load, internal, hidden, leakage; by what spends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwflow.energy.activity import Activity, by_cell
from hwflow.energy.cells import COMBINATIONAL, Cell
from hwflow.energy.delays import FALL, RISE
from hwflow.energy.events import CellEvents, events_of
from hwflow.energy.netlist import MappedUnit, is_clock_pin
from hwflow.energy.tables import Floats, Table

DATAPATH, REGISTERS, CLOCK = range(3)
LOAD, INTERNAL, HIDDEN = range(3)
PARTS = ("datapath", "registers", "clock")
KINDS = ("load", "internal", "hidden")


@dataclass(frozen=True)
class SegmentEnergy:
    """Joules of the counted cycles of one segment.

    datapath: combinational cells. registers: flip-flops and latches without their clock pins. clock: clock pins of
    registers, and cells in front of them. leakage: of all cells.
    glitches: load energy, in datapath and registers, of toggles beyond the changes from cycle to cycle.
    load, internal, hidden: the first three taken apart another way: charging pins, transitions of outputs, transitions
    of inputs within a cell.
    """

    cycles: int
    datapath: float
    registers: float
    clock: float
    leakage: float
    load: float
    internal: float
    hidden: float
    glitches: float = 0.0

    @property
    def total(self) -> float:
        """Everything."""
        return self.datapath + self.registers + self.clock + self.leakage


def energies(mapped: MappedUnit, activity: Activity) -> list[SegmentEnergy]:
    """Joules of every segment; every toggle of every net and pin counts."""
    counter = _Counter(mapped, activity)
    for cell, instances in by_cell(mapped):
        counter.count(events_of(cell), np.asarray(instances))
    return [
        _segment(
            each.segment.counted,
            counter.joules[index],
            float(counter.leakage[index]),
            float(counter.glitches[index]),
        )
        for index, each in enumerate(activity.segments)
    ]


def _segment(cycles: int, joules: Floats, leakage: float, glitches: float) -> SegmentEnergy:
    """joules: [part, kind]."""
    parts = [float(value) for value in joules.sum(axis=1)]
    kinds = [float(value) for value in joules.sum(axis=0)]
    return SegmentEnergy(
        cycles=cycles,
        datapath=parts[DATAPATH],
        registers=parts[REGISTERS],
        clock=parts[CLOCK],
        leakage=leakage,
        load=kinds[LOAD],
        internal=kinds[INTERNAL],
        hidden=kinds[HIDDEN],
        glitches=glitches,
    )


class _Counter:
    """joules: [segment, part, kind]. leakage, glitches: [segment]."""

    def __init__(self, mapped: MappedUnit, activity: Activity) -> None:
        self.mapped, self.activity = mapped, activity
        self.slews = np.asarray(activity.timing.slews)
        self.loads = np.asarray([*mapped.loads, 0.0])  # the last one for unconnected outputs
        self.in_clock = np.asarray(mapped.in_clock_network, dtype=bool)
        self.joules = np.zeros((len(activity.segments), len(PARTS), len(KINDS)))
        self.leakage = np.zeros(len(activity.segments))
        self.glitches = np.zeros(len(activity.segments))
        toggles = np.stack([each.toggles for each in activity.segments]).astype(np.int64)
        self.beyond = toggles - np.stack([each.settled for each in activity.segments])

    def count(self, events: CellEvents, instances: npt.NDArray[np.int64]) -> None:
        cell, layout, segments = events.cell, self.activity.layout, self.activity.segments
        states = 1 << len(cell.variables)
        pins, outputs = len(cell.inputs), len(cell.outputs)

        def gather(name: str, bases: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
            index = bases[instances][:, None] + np.arange(size)
            return np.stack([getattr(each, name)[index].astype(np.int64) for each in segments])

        shape = (len(segments), len(instances))
        times = gather("times", layout.states, states)
        self.leakage += (times @ events.leakage).sum(axis=1) * self.activity.unit
        entered = gather("inputs", layout.inputs, pins * states).reshape(*shape, pins, states)
        left = gather("outputs", layout.outputs, outputs * pins * states)
        left = left.reshape(*shape, outputs, pins, states)
        nets = np.asarray([self.mapped.instances[i].inputs for i in instances]).reshape(-1, pins)
        driven = np.asarray([self.mapped.instances[i].outputs for i in instances])
        gates = self.in_clock[instances]
        square = self.mapped.library.voltage**2
        high = np.arange(states)[:, None] >> np.arange(max(pins, 1)) & 1
        for pin in range(pins):
            part = _part_of_pin(cell, pin, gates)
            toggles = entered[:, :, pin].sum(axis=2)
            edge_energy = 0.5 * cell.inputs[pin].capacitance * square
            self._add(part, LOAD, toggles * edge_energy)
            beyond = self.beyond[:, nets[:, pin]] * (part != CLOCK)
            self.glitches += beyond.sum(axis=1) * edge_energy
            for edge, table, weights in _tables(events, events.input_weights[pin]):
                slew = self.slews[nets[:, pin], edge]
                energy = table.many(slew, np.zeros_like(slew))
                self._add(part, HIDDEN, entered[:, :, pin] @ weights * energy)
        part = _part_of_outputs(cell, gates)
        for output in range(outputs):
            load = self.loads[driven[:, output]]
            toggles = left[:, :, output].sum(axis=(2, 3))
            self._add(part, LOAD, toggles * (0.5 * cell.outputs[output].capacitance * square))
            for pin in range(pins):
                for inward in (RISE, FALL):
                    mask = high[:, pin] == (inward == RISE)
                    masked = events.output_weights[output, pin] * mask[:, None, None]
                    for _, table, weights in _tables(events, masked):
                        energy = table.many(self.slews[nets[:, pin], inward], load)
                        self._add(part, INTERNAL, left[:, :, output, pin] @ weights * energy)

    def _add(self, part: npt.NDArray[np.int64], kind: int, joules: Floats) -> None:
        """joules: [segment, instance]; part: [instance]."""
        for which in range(len(PARTS)):
            self.joules[:, which, kind] += joules[:, part == which].sum(axis=1)


def _tables(events: CellEvents, weights: Floats) -> Iterator[tuple[int, Table, Floats]]:
    """Edge of the pin, table and weight by state, of every table that counts; weights: [state, entry, edge]."""
    for entry, edge in np.argwhere(weights.any(axis=0)):
        power = events.entries[entry][2]
        table = power.rise if edge == RISE else power.fall
        if table is not None:
            yield int(edge), table, weights[:, entry, edge]


def _part_of_pin(cell: Cell, pin: int, gates: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    if cell.kind != COMBINATIONAL:
        clock = is_clock_pin(cell, cell.inputs[pin].name)
        return np.full(len(gates), CLOCK if clock else REGISTERS)
    return np.where(gates, CLOCK, DATAPATH)


def _part_of_outputs(cell: Cell, gates: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    if cell.kind != COMBINATIONAL:
        return np.full(len(gates), REGISTERS)
    return np.where(gates, CLOCK, DATAPATH)
