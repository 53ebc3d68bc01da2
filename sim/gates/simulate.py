"""Drives a mapped unit with a stimulus, compares its outputs, returns what every cell and net did."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from hwflow.energy.activity import Activity, Layout, SegmentActivity, layout_of
from hwflow.energy.cells import COMBINATIONAL
from hwflow.energy.delays import StaticTiming, analyse, check_period, default_period
from hwflow.energy.events import events_of
from hwflow.energy.netlist import LOW, MappedUnit
from hwflow.energy.stimulus import Bits, Segment, Stimulus
from hwflow.energy.tables import Truth
from hwflow.errors import FlowError
from sim.gates.library import Counts, Netlist, simulator

LONGEST_DELAY = (1 << 16) - 2
"""In time units: what the simulator's wheel takes."""

Progress = Callable[[int, int], None]
"""Called with (segments done, segments)."""


def simulate(
    mapped: MappedUnit,
    stimulus: Stimulus,
    *,
    period: float | None = None,
    timing: StaticTiming | None = None,
    compare: bool = True,
    progress: Progress | None = None,
) -> Activity:
    """Simulate the segments of `stimulus` with the library's delays.

    The clock rises at the start of a cycle and falls half-way; inputs change `timing.conditions.input_arrival` after
    the rise. A segment begins with all registers at 0 and all nets settled at its first row.

    Args:
        mapped: the unit.
        stimulus: what drives it.
        period: of the clock, s; default_period unless given.
        timing: from hwflow.energy.delays.analyse, unless given.
        compare: hold the outputs against stimulus.expected in the counted cycles.
        progress: see Progress.

    Raises:
        FlowError: ports do not fit, the period is too short, or an output differs.
    """
    timing = timing or analyse(mapped)
    period = default_period(timing) if period is None else period
    check_period(mapped, timing, period)
    _check_ports(mapped, stimulus, compare)
    tables = _Tables(mapped, timing, period)
    done: list[SegmentActivity] = []
    for segment in stimulus.segments:
        counted, sampled = tables.run(stimulus, segment)
        if compare:
            _compare(mapped, stimulus, segment, sampled)
        check_counts(mapped, tables.layout, counted)
        done.append(counted)
        if progress is not None:
            progress(len(done), len(stimulus.segments))
    return Activity(period, tables.unit, timing, tables.layout, tuple(done))


def _check_ports(mapped: MappedUnit, stimulus: Stimulus, compare: bool) -> None:
    for kind, ports, given, needed in (
        ("input", mapped.inputs, stimulus.ports, True),
        ("output", mapped.outputs, stimulus.expected, compare),
    ):
        for name in sorted(given.keys() | (ports.keys() if needed else set())):
            if name not in ports:
                raise FlowError(
                    f"stimulus has {kind} {name!r}, unit {mapped.top} has none; its {kind}s: {sorted(ports)}"
                )
            if name not in given:
                raise FlowError(f"stimulus lacks {kind} {name!r} of unit {mapped.top}; record it")
            if given[name].shape[1] != len(ports[name]):
                raise FlowError(
                    f"stimulus, port {name!r}: {given[name].shape[1]} bits, "
                    f"unit {mapped.top} has {len(ports[name])}; record that unit"
                )


class _Tables:
    """The netlist as arrays for the simulator."""

    def __init__(self, mapped: MappedUnit, timing: StaticTiming, period: float) -> None:
        self.mapped, self.layout = mapped, layout_of(mapped)
        longest = max(
            (d for arcs in timing.delays for pair in arcs for d in pair if d == d), default=period
        )
        self.unit = max(longest / LONGEST_DELAY, period / (1 << 40), 1e-18)
        self.period = round(period / self.unit)
        self.arrival = max(1, round(timing.conditions.input_arrival / self.unit))
        rows: list[tuple[int, ...]] = []
        pins: list[int] = []
        outs: list[int] = []
        truths: list[int] = []
        for index, each in enumerate(mapped.instances):
            events = events_of(each.cell)
            row = (each.cell.kind, len(each.inputs), len(each.cell.variables), len(each.outputs))
            bases = (len(pins), len(outs), len(truths))
            starts = (self.layout.inputs, self.layout.outputs, self.layout.states)
            rows.append((*row, *bases, *(int(s[index]) for s in starts), int(events.reset_state)))
            pins += each.inputs
            outs += each.outputs
            truths += [_word(f) for f in events.functions]
            if each.cell.kind != COMBINATIONAL:
                stored = (events.clock, events.data, events.clear, events.preset)
                truths += [_word(f) for f in stored]
        sinks = [pair for net in mapped.sinks for pair in net]
        self.arrays: dict[str, npt.NDArray[Any]] = {
            "instances": np.asarray(rows, dtype=np.int64),
            "pin_nets": np.asarray(pins, dtype=np.int32),
            "output_nets": np.asarray(outs, dtype=np.int32),
            "truths": np.asarray(truths, dtype=np.uint64),
            "delays": self._delays(timing),
            "sink_base": np.cumsum([0, *map(len, mapped.sinks)], dtype=np.int32),
            "sinks": np.asarray(sinks, dtype=np.int32).reshape(-1, 2),
            "input_nets": np.asarray(
                [n for p in mapped.inputs.values() for n in p], dtype=np.int32
            ),
            "sampled_nets": np.asarray(
                [n for p in mapped.outputs.values() for n in p], dtype=np.int32
            ),
        }
        self.netlist = Netlist(
            nets=len(mapped.nets),
            instance_count=len(mapped.instances),
            clock=-1 if mapped.clock is None else mapped.clock,
            inputs=len(self.arrays["input_nets"]),
            outputs=len(self.arrays["sampled_nets"]),
            **{name: array.ctypes.data for name, array in self.arrays.items()},
        )

    def _delays(self, timing: StaticTiming) -> npt.NDArray[np.int32]:
        """[output event], in time units, at least one."""
        found = np.ones(int(self.layout.outputs[-1]), dtype=np.int32)
        for index, each in enumerate(self.mapped.instances):
            events = events_of(each.cell)
            if not events.arcs:
                continue
            pairs = np.asarray(timing.delays[index])  # [arc, edge]
            slowest = np.nanmax(pairs, axis=1, keepdims=True)
            pairs = np.where(np.isnan(pairs), slowest, pairs)
            falls = ~np.stack(events.functions)  # [output, state]
            chosen = pairs[events.arc_of, falls[:, None, :].astype(int)]
            units = np.clip(np.rint(chosen / self.unit), 1, LONGEST_DELAY)
            start, stop = self.layout.outputs[index : index + 2]
            found[start:stop] = units.reshape(-1)
        return found

    def run(
        self, stimulus: Stimulus, segment: Segment
    ) -> tuple[SegmentActivity, npt.NDArray[np.uint8]]:
        """Counts of a segment, and the outputs at the end of each of its cycles [cycles, bits]."""
        names = list(self.mapped.inputs)
        part = slice(segment.start, segment.stop)
        cycles = segment.stop - segment.start
        given = [stimulus.ports[name][part] for name in names]
        rows = np.concatenate(given, axis=1) if given else np.zeros((cycles, 0), dtype=np.uint8)
        rows = np.ascontiguousarray(rows)
        sampled = np.zeros((cycles, self.netlist.outputs), dtype=np.uint8)
        sizes = [int(s[-1]) for s in (self.layout.inputs, self.layout.outputs, self.layout.states)]
        toggles, settled = (np.zeros(len(self.mapped.nets), dtype=np.uint32) for _ in range(2))
        inputs, outputs = (np.zeros(size, dtype=np.uint32) for size in sizes[:2])
        times = np.zeros(sizes[2], dtype=np.int64)
        counts = Counts(
            toggles=toggles.ctypes.data,
            settled=settled.ctypes.data,
            input_counts=inputs.ctypes.data,
            output_counts=outputs.ctypes.data,
            state_times=times.ctypes.data,
            sizes=(ctypes.c_int64 * 3)(*sizes),
        )
        simulator().simulate(
            ctypes.byref(self.netlist),
            ctypes.byref(counts),
            rows.ctypes.data,
            cycles,
            segment.warm_up - segment.start,
            self.period,
            self.arrival,
            sampled.ctypes.data,
        )
        made = SegmentActivity(
            segment, toggles, settled, inputs, outputs, times, int(counts.filtered)
        )
        return made, sampled


def _word(function: Truth) -> int:
    return sum(1 << state for state, value in enumerate(function) if value)


def _compare(
    mapped: MappedUnit, stimulus: Stimulus, segment: Segment, sampled: npt.NDArray[np.uint8]
) -> None:
    column = 0
    for name, nets in mapped.outputs.items():
        mine: Bits = sampled[segment.warm_up - segment.start :, column : column + len(nets)]
        column += len(nets)
        wanted = stimulus.expected[name][segment.warm_up : segment.stop]
        differ = np.argwhere(mine != wanted)
        if len(differ):
            cycle, bit = (int(each) for each in differ[0])
            raise FlowError(
                f"{mapped.top} in {mapped.library.name}: port {name!r}, bit {bit}, cycle "
                f"{segment.warm_up + cycle} is {mine[cycle, bit]} at gate level and {wanted[cycle, bit]} in the "
                "RTL; lengthen the warm-up if registers are not in step, else the netlist or the period is wrong"
            )


def check_counts(mapped: MappedUnit, layout: Layout, counted: SegmentActivity) -> None:
    """Raises AssertionError unless every pin saw every toggle of its net and every toggle has its driver's event."""
    for index, each in enumerate(mapped.instances):
        states = 1 << len(each.cell.variables)
        start, stop = layout.inputs[index : index + 2]
        seen = counted.inputs[start:stop].reshape(-1, states).sum(axis=1)
        made = counted.outputs[slice(*layout.outputs[index : index + 2])]
        made = made.reshape(len(each.outputs), -1).sum(axis=1)
        for pin, net in enumerate(each.inputs):
            if seen[pin] != counted.toggles[net]:
                raise AssertionError(f"{each.name}: pin {pin} missed toggles of {mapped.nets[net]}")
        for output, net in enumerate(each.outputs):
            if net > LOW and made[output] != counted.toggles[net]:
                raise AssertionError(f"{each.name}: toggles of {mapped.nets[net]} are not its own")
