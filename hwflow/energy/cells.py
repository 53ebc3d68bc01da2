"""What is kept of a cell library: pins, functions, timing, power, leakage; everything in SI units."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from hwflow.energy.tables import Table, truth
from hwflow.errors import FlowError

COMBINATIONAL, FLIP_FLOP, LATCH = 0, 1, 2

MOST_VARIABLES = 6
"""Pins and state of one cell that the simulator takes: a truth table of 64 bits."""


@dataclass(frozen=True)
class Timing:
    """One timing arc into an output pin, or constraint of an input pin.

    related: pins it is from. tables: Liberty's name (`cell_rise`, ...) -> table, seconds.
    """

    related: tuple[str, ...]
    type: str
    sense: str
    when: str
    tables: Mapping[str, Table]


@dataclass(frozen=True)
class Power:
    """One `internal_power` group: joules per transition of the pin that it is in.

    related: of an output: pins that cause the transition; empty: any, or the pin is an input.
    rail: power pin whose energy it is, or empty.
    """

    related: tuple[str, ...]
    when: str
    rail: str
    rise: Table | None
    fall: Table | None


@dataclass(frozen=True)
class Pin:
    """A signal pin; capacitance in farads, function of an output in Liberty's notation."""

    name: str
    is_input: bool
    capacitance: float
    function: str
    is_clock: bool
    three_state: bool
    timing: tuple[Timing, ...] = field(repr=False)
    power: tuple[Power, ...] = field(repr=False)


@dataclass(frozen=True)
class Leakage:
    """Leakage power in watts while `when` holds; an empty `when`: in every other state."""

    when: str
    rail: str
    watts: float


@dataclass(frozen=True)
class Sequential:
    """A flip-flop or latch: Liberty's functions; state: names of the stored value and of its inverse.

    A latch has its enable in `clock` and its data in `data`.
    """

    kind: int
    state: tuple[str, str]
    clock: str
    data: str
    clear: str
    preset: str


@dataclass(frozen=True)
class Cell:
    """A cell; area in the library's unit.

    unusable: why it cannot be simulated; empty when it can.
    """

    name: str
    area: float
    pins: Mapping[str, Pin] = field(repr=False)
    leakage: tuple[Leakage, ...] = field(repr=False)
    sequential: Sequential | None
    unusable: str

    @cached_property
    def inputs(self) -> tuple[Pin, ...]:
        """Input pins in the order of the library."""
        return tuple(pin for pin in self.pins.values() if pin.is_input)

    @cached_property
    def outputs(self) -> tuple[Pin, ...]:
        """Output pins in the order of the library."""
        return tuple(pin for pin in self.pins.values() if not pin.is_input)

    @property
    def kind(self) -> int:
        """COMBINATIONAL, FLIP_FLOP or LATCH."""
        return self.sequential.kind if self.sequential else COMBINATIONAL

    @property
    def variables(self) -> tuple[str, ...]:
        """What its functions are of: input pins, then the stored value."""
        state = (self.sequential.state[0],) if self.sequential else ()
        return (*(pin.name for pin in self.inputs), *state)


@dataclass(frozen=True)
class Library:
    """Cells of one or several Liberty files read together.

    voltage: of the supply, V. digest: SHA-256 over the files' contents. sources: name of file -> its text.
    """

    name: str
    voltage: float
    cells: Mapping[str, Cell] = field(repr=False)
    digest: str
    sources: Mapping[str, str] = field(repr=False)

    def cell(self, name: str) -> Cell:
        """A cell that can be simulated.

        Raises:
            FlowError: there is none of that name, or it has no model to simulate or to count.
        """
        if name not in self.cells:
            raise FlowError(
                f"library {self.name} has no cell {name!r}; name the Liberty file that defines it too"
            )
        cell = self.cells[name]
        if cell.unusable:
            raise FlowError(
                f"library {self.name}, cell {name!r} has no model: {cell.unusable}; "
                "exclude it from mapping, or give a library that models it"
            )
        return cell

    def with_wires(self, farads: float) -> Library:
        """The library with `farads` of wire at every input pin: a stand-in for layout, the same for every pin.

        Raises:
            FlowError: it is negative.
        """
        if farads < 0:
            raise FlowError(f"wire capacitance {farads * 1e15:g} fF is negative; give 0 or more")
        if not farads:
            return self
        cells = {
            name: replace(cell, pins={n: _wired(pin, farads) for n, pin in cell.pins.items()})
            for name, cell in self.cells.items()
        }
        digest = hashlib.sha256(f"{self.digest} {farads!r}".encode()).hexdigest()
        return replace(self, cells=cells, digest=digest)

    @property
    def flip_flops(self) -> tuple[Cell, ...]:
        """Usable flip-flops with a clock, one data pin and nothing else, the smallest first."""
        plain = [
            cell
            for cell in self.cells.values()
            if cell.kind == FLIP_FLOP and not cell.unusable and len(cell.inputs) == 2
        ]
        return tuple(sorted(plain, key=lambda cell: (cell.area, cell.name)))

    @property
    def inverters(self) -> tuple[Cell, ...]:
        """Usable inverters, the smallest first."""
        return self._of_one_input(inverting=True)

    @property
    def buffers(self) -> tuple[Cell, ...]:
        """Usable buffers, the smallest first."""
        return self._of_one_input(inverting=False)

    def _of_one_input(self, *, inverting: bool) -> tuple[Cell, ...]:
        found = [
            cell
            for cell in self.cells.values()
            if not cell.unusable
            and not cell.sequential
            and len(cell.inputs) == len(cell.outputs) == 1
            and list(truth(cell.outputs[0].function, cell.variables)) == [inverting, not inverting]
        ]
        return tuple(sorted(found, key=lambda cell: (cell.area, cell.name)))


def _wired(pin: Pin, farads: float) -> Pin:
    return replace(pin, capacitance=pin.capacitance + farads) if pin.is_input else pin
