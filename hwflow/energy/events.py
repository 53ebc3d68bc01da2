"""Which table of the library applies to which event of a cell: delay arcs, transition energies, leakage states.

Events of a cell with variables v (input pins, then the stored value) and n = len(v):
    input event (pin, state): the pin toggles; state: the variables before.
    output event (output, pin, state): the output follows a change of the pin; state: the variables after.
Both are numbered row-major, `event = (output * pins + pin) * 2**n + state`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from hwflow.energy.cells import COMBINATIONAL, Cell, Pin, Power, Timing
from hwflow.energy.tables import Floats, Truth, truth
from hwflow.errors import FlowError

Ints = npt.NDArray[np.int32]


class _Conditional(Protocol):
    @property
    def when(self) -> str: ...


_C = TypeVar("_C", bound=_Conditional)


@dataclass(frozen=True)
class Arc:
    """A delay arc: output and input pin (indices), and its tables."""

    output: int
    pin: int
    timing: Timing


@dataclass(frozen=True)
class CellEvents:
    """What the simulator and the accounting need of a cell.

    functions: [output] of the variables. arcs: every delay arc of the outputs. arc_of: [output event] -> arc, -1 where
    none can occur. entries: every power table group, with its pin. input_weights, output_weights: [event][entry, 2],
    how often the entry's rise (0) and fall (1) energies count. leakage: [state] in watts.
    clock, data, clear, preset: of a sequential cell, of the variables.
    """

    cell: Cell
    functions: tuple[Truth, ...] = field(repr=False)
    arcs: tuple[Arc, ...] = field(repr=False)
    arc_of: Ints = field(repr=False)
    entries: tuple[tuple[Pin, int, Power], ...] = field(repr=False)
    input_weights: Floats = field(repr=False)
    output_weights: Floats = field(repr=False)
    leakage: Floats = field(repr=False)
    clock: Truth = field(repr=False)
    data: Truth = field(repr=False)
    clear: Truth = field(repr=False)
    preset: Truth = field(repr=False)

    @property
    def reset_state(self) -> bool:
        """The stored value after capturing 0 on every input: that of a register that begins at 0."""
        return bool(self.data[0])


@cache
def _never(count: int) -> Truth:
    return np.zeros(1 << count, dtype=bool)


def events_of(cell: Cell) -> CellEvents:
    """Works out `cell`; the same object for the same cell.

    Raises:
        FlowError: its outputs depend on a pin that they have no delay arc from, or its power tables or its leakage
            leave a state out.
    """
    kept = _KEPT.get(id(cell))
    if kept is None or kept.cell is not cell:
        kept = _KEPT[id(cell)] = _Builder(cell).build()
    return kept


_KEPT: dict[int, CellEvents] = {}


class _Builder:
    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.variables = cell.variables
        self.pins = [pin.name for pin in cell.inputs]
        self.states = np.arange(1 << len(self.variables))
        self.values = {v: truth(v, self.variables) for v in self.variables}
        sequential = cell.sequential
        self.names = self.variables
        self.inverse = sequential.state[1] if sequential else ""
        self.functions = [self._function(pin.function) for pin in cell.outputs]

    def _function(self, text: str) -> Truth:
        """Truth table over the variables of a function that may name the inverted state."""
        if self.inverse:
            wider = (*self.variables, self.inverse)
            table = truth(text, wider)
            state = self.states >> (len(self.variables) - 1) & 1
            return table[self.states | (1 - state) << len(self.variables)]
        return truth(text, self.variables)

    def _when(self, text: str) -> Truth:
        """Where a condition holds; it may also name outputs, which follow their functions."""
        if not text:
            return np.ones(len(self.states), dtype=bool)
        extra = [(pin.name, f) for pin, f in zip(self.cell.outputs, self.functions, strict=True)]
        if self.inverse:
            extra.append((self.inverse, ~self.values[self.variables[-1]]))
        names = (*self.variables, *(name for name, _ in extra))
        index = self.states.copy()
        for bit, (_, table) in enumerate(extra):
            index |= table.astype(np.int64) << (len(self.variables) + bit)
        return truth(text, names)[index]

    def build(self) -> CellEvents:
        cell, n, pins = self.cell, len(self.variables), len(self.pins)
        sequential = cell.sequential
        arcs = [
            Arc(output, self.pins.index(name), timing)
            for output, pin in enumerate(cell.outputs)
            for timing in pin.timing
            for name in timing.related
            if name in self.pins and any(table.startswith("cell_") for table in timing.tables)
        ]
        entries = [
            (pin, i, power)
            for i, pin in enumerate((*cell.inputs, *cell.outputs))
            for power in pin.power
        ]
        arc_of = np.full((len(cell.outputs), pins, 1 << n), -1, dtype=np.int32)
        outputs = np.zeros((len(cell.outputs), pins, 1 << n, len(entries), 2))
        inputs = np.zeros((pins, 1 << n, len(entries), 2))
        for output in range(len(cell.outputs)):
            for pin in range(pins):
                self._output_events(
                    output, pin, arcs, entries, arc_of[output, pin], outputs[output, pin]
                )
        for pin in range(pins):
            rising = ~self.values[self.pins[pin]]
            mine = [(k, e[2]) for k, e in enumerate(entries) if e[0].name == self.pins[pin]]
            self._weigh(mine, rising, inputs[pin])
            # A pin's own energy may be left out where an output follows it: that is the output's.
            alone = self._alone(pin)
            self._check(mine, rising, inputs[pin], alone, f"pin {self.pins[pin]}")
        never = _never(n)
        return CellEvents(
            cell=cell,
            functions=tuple(self.functions),
            arcs=tuple(arcs),
            arc_of=arc_of,
            entries=tuple(entries),
            input_weights=inputs,
            output_weights=outputs,
            leakage=self._leakage(),
            clock=self._function(sequential.clock) if sequential else never,
            data=self._function(sequential.data) if sequential else never,
            clear=self._function(sequential.clear) if sequential and sequential.clear else never,
            preset=self._function(sequential.preset) if sequential and sequential.preset else never,
        )

    def _output_events(
        self,
        output: int,
        pin: int,
        arcs: Sequence[Arc],
        entries: Sequence[tuple[Pin, int, Power]],
        arc_of: Ints,
        weights: Floats,
    ) -> None:
        function, name = self.functions[output], self.pins[pin]
        if self.cell.kind == COMBINATIONAL:
            possible = function != function[self.states ^ (1 << pin)]
        else:
            possible = np.ones(len(self.states), dtype=bool)
        mine = [(k, arc) for k, arc in enumerate(arcs) if arc.output == output and arc.pin == pin]
        if not mine:
            if self.cell.kind == COMBINATIONAL and possible.any():
                raise FlowError(
                    f"cell {self.cell.name}: output {self.cell.outputs[output].name} depends on {name} but has "
                    "no timing from it; correct the library, or exclude the cell"
                )
            return
        whens = {arc.timing.when: self._when(arc.timing.when) for _, arc in mine}
        pin_high = self.values[name]
        for state in np.flatnonzero(possible):
            direction, inward = bool(function[state]), bool(pin_high[state])
            best = max(
                mine,
                key=lambda each: (
                    _fits(each[1].timing, inward, direction),
                    bool(whens[each[1].timing.when][state]),
                    bool(each[1].timing.when),
                ),
            )
            arc_of[state] = best[0]
        mask = possible & (arc_of >= 0)
        tables = [(k, e[2]) for k, e in enumerate(entries) if e[0] is self.cell.outputs[output]]
        related = [(k, power) for k, power in tables if name in power.related]
        loose = [(k, power) for k, power in tables if not power.related]
        chosen = related or loose or tables
        found = np.zeros_like(weights)
        self._weigh(chosen, function, found)
        self._check(
            chosen,
            function,
            found,
            mask & ~self._forbidden(pin),
            f"pin {self.cell.outputs[output].name}",
        )
        if not (related or loose):  # no table for this pin: the mean of those of the others
            found /= len({power.related for _, power in tables})
        weights[mask] = found[mask]

    def _weigh(self, tables: Sequence[tuple[int, Power]], rising: Truth, weights: Floats) -> None:
        """Per rail: the groups whose `when` holds, else those without; several: their mean. [state, entry, 2]."""
        for rail in sorted({power.rail for _, power in tables}):
            groups = [(k, power) for k, power in tables if power.rail == rail]
            for edge in (0, 1):
                held = [(k, p) for k, p in groups if (p.rise if edge == 0 else p.fall) is not None]
                mask = rising if edge == 0 else ~rising
                for state, those in enumerate(self._holding(held)):
                    if mask[state]:
                        for k in those:
                            weights[state, k, edge] = 1 / len(those)

    def _forbidden(self, pin: int) -> Truth:
        """States that have clear and preset together, or had before the pin changed: libraries say nothing of them."""
        sequential = self.cell.sequential
        if sequential is None or not (sequential.clear and sequential.preset):
            return np.zeros(len(self.states), dtype=bool)
        both = self._function(sequential.clear) & self._function(sequential.preset)
        return both | both[self.states ^ (1 << pin)]

    def _alone(self, pin: int) -> Truth:
        """States in which a change of the pin changes no output; of a register: none, its clock is not known here."""
        if self.cell.kind != COMBINATIONAL:
            return np.zeros(len(self.states), dtype=bool)
        other = self.states ^ (1 << pin)
        follows = [function != function[other] for function in self.functions]
        return ~np.any(follows, axis=0)

    def _check(
        self,
        tables: Sequence[tuple[int, Power]],
        rising: Truth,
        weights: Floats,
        occurs: Truth,
        where: str,
    ) -> None:
        """Raises FlowError for a transition that occurs and that none of `tables` is of: it would cost nothing."""
        missing = np.flatnonzero(occurs & ~weights.any(axis=(1, 2)))
        if tables and len(missing):
            raise FlowError(
                f"cell {self.cell.name}, {where}: no power table for its {'rise' if rising[missing[0]] else 'fall'} "
                f"at {self._named(int(missing[0]))}; add one without `when`, or exclude the cell"
            )

    def _named(self, state: int) -> str:
        values = (f"{name}={state >> bit & 1}" for bit, name in enumerate(self.variables))
        return " ".join(values)

    def _holding(self, groups: Sequence[tuple[int, _C]]) -> list[list[int]]:
        """[state]: the groups with a condition that holds, else those without a condition."""
        whens = [(k, self._when(each.when)) for k, each in groups if each.when]
        default = [k for k, each in groups if not each.when]
        return [
            [k for k, holds in whens if holds[state]] or default
            for state in range(len(self.states))
        ]

    def _leakage(self) -> Floats:
        watts = np.zeros(len(self.states))
        covered = np.zeros(len(self.states), dtype=bool)
        for rail in sorted({each.rail for each in self.cell.leakage}):
            groups = [(k, each) for k, each in enumerate(self.cell.leakage) if each.rail == rail]
            for state, those in enumerate(self._holding(groups)):
                if those:
                    covered[state] = True
                    watts[state] += np.mean([self.cell.leakage[k].watts for k in those])
        if not covered.all():
            raise FlowError(
                f"cell {self.cell.name}: no leakage power at {self._named(int(np.argmin(covered)))}; add "
                "cell_leakage_power, or exclude the cell"
            )
        return watts


def _fits(timing: Timing, inward: bool, direction: bool) -> int:
    """How well an arc fits a pin that became `inward` and an output that becomes `direction`."""
    edges = {
        "combinational_rise": direction,
        "combinational_fall": not direction,
        "rising_edge": inward,
        "falling_edge": not inward,
        "clear": not direction,
        "preset": direction,
    }
    has = ("cell_rise" if direction else "cell_fall") in timing.tables
    if not edges.get(timing.type, True) or not has:
        return 0
    if timing.sense in ("positive_unate", "negative_unate"):
        return 2 if (timing.sense == "positive_unate") == (inward == direction) else 1
    return 2
