"""Stimuli of the units: segments of a recording as they are, and with random data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from hwflow.energy.characterisation import LEAST_SEGMENTS, Operands
from hwflow.energy.stimulus import Bits, Segment, Stimulus
from hwflow.errors import FlowError
from sim.energy.designs import RESET, Design, answers, design
from sim.energy.segments import Places, Window, Work, resting, starts, working
from sim.energy.units import Ports, Unit
from sim.recording import Layer, Recording, Trace


@dataclass(frozen=True, eq=False)
class Drive:
    """A stimulus whose first `working` segments work and whose others rest.

    operations, masked: in each of the working segments.
    """

    stimulus: Stimulus
    working: int
    operations: tuple[int, ...]
    masked: tuple[int, ...]


class UnsettledError(FlowError):
    """Nothing before a layer brings the unit's registers into step."""


class Driven:
    """A unit of an accelerator and what was recorded of it. keep: folder for what the unit answers, which takes seconds."""

    def __init__(self, unit: Unit, recording: Recording, *, keep: Path | None = None) -> None:
        self.unit = unit
        self._keep = keep
        self.design: Design = design(unit.make, unit.name)
        self._recording = recording
        self.traces: list[Trace] = unit.traces(recording, self.design.ports)
        self.works: list[Work] = [unit.work(trace) for trace in self.traces]

    @cached_property
    def _places(self) -> Places:
        """Traces that are not recorded ones have no frames: their order is that of their cycles."""
        cycle = self._recording.cycle
        cycles = self.traces[0].cycles
        return cycle if len(cycle) == cycles else np.arange(cycles)

    def drive(
        self,
        operands: Operands,
        *,
        segments: int,
        length: int,
        rest: int,
        seed: int,
        rests: int = LEAST_SEGMENTS,
    ) -> Drive:
        """`segments` segments of `length` cycles that work, `rests` of `rest` cycles that rest; same seed, same segments.

        Raises:
            FlowError: too few of them, or the recorded outputs are not those of the unit by itself.
        """
        rng = np.random.default_rng(seed)
        busy = working(self.works, self._places, segments, length, rng)
        idle = resting(self.works, self._places, rests, rest, rng)
        stimulus = self._stimulus([*busy, *idle], operands, rng)
        work = [self.works[each.trace] for each in busy]
        parts = [slice(each.segment.warm_up, each.segment.stop) for each in busy]
        return Drive(
            stimulus,
            segments,
            tuple(
                int(of.busy[part].sum()) * self.unit.per_cycle
                for of, part in zip(work, parts, strict=True)
            ),
            tuple(
                int(of.masked[part].sum()) * self.unit.per_cycle
                for of, part in zip(work, parts, strict=True)
            ),
        )

    def layer(self, layer: Layer, trace: int = 0) -> tuple[Stimulus, int]:
        """One whole layer of one recorded instance as a single segment, and the operations in it.

        Raises:
            UnsettledError: nothing before the layer brings the registers into step; take a later one.
        """
        work = self.works[trace]
        start = int(starts(work, np.array([layer.start]))[0])
        if start < 0:
            raise UnsettledError(
                f"{layer.name} of image {layer.image}: nothing before it settles {self.unit.name}; "
                "take a later layer or image"
            )
        window = Window(trace, Segment(start, layer.start, layer.stop))
        operations = int(work.busy[layer.start : layer.stop].sum()) * self.unit.per_cycle
        return self._stimulus([window], "recorded", np.random.default_rng(0)), operations

    def _stimulus(
        self, windows: Sequence[Window], operands: Operands, rng: np.random.Generator
    ) -> Stimulus:
        at, segments = 0, list[Segment]()
        for each in windows:
            shift = at - each.segment.start
            segments.append(Segment(at, each.segment.warm_up + shift, each.segment.stop + shift))
            at = segments[-1].stop
        ports: Ports = {port: self._cut(port, windows) for port in self.design.inputs}
        if operands == "random":
            self.unit.random(ports, rng)
        expected = answers(self.design, ports, keep=self._keep)
        if operands == "recorded" and self.unit.taken:
            self._check(expected, windows, segments)
        if self.design.reset:
            ports[RESET] = np.zeros((at, 1), np.uint8)
        return Stimulus(ports, expected, tuple(segments))

    def _cut(self, port: str, windows: Sequence[Window]) -> Bits:
        return np.concatenate(
            [
                self.traces[each.trace].bits(port, each.segment.start, each.segment.stop)
                for each in windows
            ]
        )

    def _check(
        self, expected: dict[str, Bits], windows: Sequence[Window], segments: Sequence[Segment]
    ) -> None:
        """The unit alone gives what it gave inside the accelerator."""
        for port in self.design.outputs:
            for window, segment in zip(windows, segments, strict=True):
                inside, trace = window.segment, self.traces[window.trace]
                taken = trace.bits(port, inside.warm_up, inside.stop)
                differ = np.argwhere(expected[port][segment.warm_up : segment.stop] != taken)
                if len(differ):
                    cycle, bit = (int(each) for each in differ[0])
                    raise FlowError(
                        f"{trace.instance}: {port} bit {bit} in recorded cycle {inside.warm_up + cycle} is "
                        f"not what {self.design.top} gives by itself; record it again from the same sources"
                    )
