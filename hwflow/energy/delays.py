"""Static timing of a mapped unit: slews and delays from the library's tables, critical path, least period.

Slews go through the netlist in topological order; where several arcs end at a net, the slowest one's slew is kept, per
edge, as static timing analysis does (Liberty User Guide: non-linear delay model). Loads are pin capacitances: no wires.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from hwflow.energy.cells import COMBINATIONAL, FLIP_FLOP, Cell, Library
from hwflow.energy.events import events_of
from hwflow.energy.netlist import MappedUnit, is_clock_pin
from hwflow.energy.tables import Table, truth
from hwflow.errors import FlowError

RISE, FALL = 0, 1
LEAST_DELAY = 1e-15
"""Tables give negative delays for slow inputs of fast gates; an effect never comes before its cause, s."""

FAN_OUT = 4
"""Inverters that the flip-flop drives that stands for whatever drives the inputs."""


@dataclass(frozen=True)
class Conditions:
    """How a unit is driven; seconds.

    input_slew: of every data input. clock_slew: of the clock. input_arrival: when inputs change, after the clock edge.
    """

    input_slew: float
    clock_slew: float
    input_arrival: float


@dataclass(frozen=True)
class StaticTiming:
    """Slews and delays, s.

    slews: [net] (rise, fall). delays: [instance][arc] (rise, fall), NaN where the library has no table for the edge.
    critical: longest path from clock edge or input to a register or output, setup included.
    path: instances and pins along it.
    """

    conditions: Conditions
    slews: tuple[tuple[float, float], ...] = field(repr=False)
    delays: tuple[tuple[tuple[float, float], ...], ...] = field(repr=False)
    critical: float
    path: tuple[str, ...] = field(repr=False)


def conditions_of(library: Library) -> Conditions:
    """Inputs as a flip-flop of the library makes them: clock-to-output delay and slew at a load of four inverters.

    The clock's slew is that of the smallest inverter at a load of four inverters, driven by its own slew.

    Raises:
        FlowError: the library has no inverter; or no flip-flop.
    """
    if not library.inverters:
        raise FlowError(f"library {library.name} has no inverter; give the file that has one too")
    inverter = library.inverters[0]
    load = FAN_OUT * inverter.inputs[0].capacitance
    slew = 0.0
    for _ in range(4):  # converges: the slew at an output depends little on that at the input
        slew = max(_worst(inverter, 0, "transition", slew, load))
    registers = [cell for cell in library.flip_flops if _rising(cell)]
    if not registers:
        raise FlowError(
            f"library {library.name} has no rising-edge flip-flop; give the file that has one too"
        )
    register = registers[0]
    clock = next(i for i, pin in enumerate(register.inputs) if is_clock_pin(register, pin.name))
    return Conditions(
        input_slew=max(_worst(register, clock, "transition", slew, load)),
        clock_slew=slew,
        input_arrival=max(_worst(register, clock, "cell", slew, load)),
    )


def _rising(cell: Cell) -> bool:
    assert cell.sequential is not None
    clock = next(pin for pin in cell.inputs if is_clock_pin(cell, pin.name))
    return bool(
        (truth(cell.sequential.clock, cell.variables) == truth(clock.name, cell.variables)).all()
    )


def _worst(cell: Cell, pin: int, what: str, slew: float, load: float) -> tuple[float, float]:
    found: list[float] = []
    for arc in events_of(cell).arcs:
        if arc.pin == pin and arc.output == 0:
            names = ("rise", "fall")
            tables = [f"{e}_transition" if what == "transition" else f"cell_{e}" for e in names]
            found += [arc.timing.tables[t].at(slew, load) for t in tables if t in arc.timing.tables]
    return max(found), min(found)


def analyse(mapped: MappedUnit, conditions: Conditions | None = None) -> StaticTiming:
    """Slews, delays and the critical path of a unit.

    Raises:
        FlowError: see conditions_of.
    """
    conditions = conditions or conditions_of(mapped.library)
    return _Analysis(mapped, conditions).run()


class _Analysis:
    def __init__(self, mapped: MappedUnit, conditions: Conditions) -> None:
        self.mapped, self.conditions = mapped, conditions
        count = len(mapped.nets)
        self.slews = [[conditions.input_slew] * 2 for _ in range(count)]
        self.arrivals = [[-math.inf] * 2 for _ in range(count)]
        self.origin: list[list[tuple[int, int, int] | None]] = [[None, None] for _ in range(count)]
        self.delays: list[tuple[tuple[float, float], ...]] = [()] * len(mapped.instances)
        for nets in mapped.inputs.values():
            for net in nets:
                self.arrivals[net] = [conditions.input_arrival] * 2
        if mapped.clock is not None:
            self.slews[mapped.clock] = [conditions.clock_slew] * 2
            self.arrivals[mapped.clock] = [0.0, 0.0]

    def run(self) -> StaticTiming:
        mapped = self.mapped
        clock_gates = [i for i, marked in enumerate(mapped.in_clock_network) if marked]
        for index in clock_gates:  # gated clocks are ahead of the registers they drive
            self._through(index)
        for index in range(len(mapped.instances)):
            self._through(index)
        critical, net, edge = self._critical()
        return StaticTiming(
            conditions=self.conditions,
            slews=tuple((each[RISE], each[FALL]) for each in self.slews),
            delays=tuple(self.delays),
            critical=critical,
            path=self._path(net, edge),
        )

    def _through(self, index: int) -> None:
        each = self.mapped.instances[index]
        found: list[tuple[float, float]] = []
        seen: dict[tuple[int, int], float] = {}
        for arc in events_of(each.cell).arcs:
            source, net = each.inputs[arc.pin], each.outputs[arc.output]
            load = self.mapped.loads[net] if net >= 0 else 0.0
            pair = [math.nan, math.nan]
            for edge, word in ((RISE, "rise"), (FALL, "fall")):
                delay = arc.timing.tables.get(f"cell_{word}")
                transition = arc.timing.tables.get(f"{word}_transition")
                if delay is None:
                    continue
                worst = (-math.inf, 0)
                for inward in _inward(arc.timing.type, arc.timing.sense, edge):
                    slew = self.slews[source][inward]
                    value = max(delay.at(slew, load), LEAST_DELAY)
                    pair[edge] = value if math.isnan(pair[edge]) else max(pair[edge], value)
                    worst = max(worst, (self.arrivals[source][inward] + value, inward))
                    if transition is not None and net >= 0:
                        out = max(transition.at(slew, load), LEAST_DELAY)
                        seen[net, edge] = max(seen.get((net, edge), 0.0), out)
                if net >= 0 and worst[0] > self.arrivals[net][edge]:
                    self.arrivals[net][edge] = worst[0]
                    self.origin[net][edge] = (index, arc.pin, worst[1])
            found.append((pair[RISE], pair[FALL]))
        for (net, edge), slew in seen.items():
            self.slews[net][edge] = slew
        self.delays[index] = tuple(found)

    def _critical(self) -> tuple[float, int, int]:
        ends = [(0.0, -1, RISE)]
        for nets in self.mapped.outputs.values():
            ends += [(self.arrivals[net][edge], net, edge) for net in nets for edge in (RISE, FALL)]
        for each in self.mapped.instances:
            if each.cell.kind != FLIP_FLOP:
                continue
            for pin, net in zip(each.cell.inputs, each.inputs, strict=True):
                for timing in pin.timing:
                    if not timing.type.startswith(("setup", "recovery")):
                        continue
                    for edge, word in ((RISE, "rise"), (FALL, "fall")):
                        table = timing.tables.get(f"{word}_constraint")
                        if table is not None:
                            ends.append((self._required(table, net, edge), net, edge))
        return max(ends)

    def _required(self, table: Table, net: int, edge: int) -> float:
        return self.arrivals[net][edge] + table.at(
            self.conditions.clock_slew, self.slews[net][edge]
        )

    def _path(self, net: int, edge: int) -> tuple[str, ...]:
        steps: list[str] = []
        while net >= 0 and len(steps) <= len(self.mapped.instances):
            origin = self.origin[net][edge]
            if origin is None:
                steps.append(self.mapped.nets[net])
                break
            index, pin, edge = origin
            each = self.mapped.instances[index]
            steps.append(f"{each.name} ({each.cell.name}, {each.cell.inputs[pin].name})")
            net = each.inputs[pin]
            if each.cell.kind != COMBINATIONAL:
                break
        return tuple(reversed(steps))


def _inward(kind: str, sense: str, edge: int) -> tuple[int, ...]:
    """Edges of the input that can cause `edge` of the output."""
    if kind == "rising_edge":
        return (RISE,)
    if kind == "falling_edge":
        return (FALL,)
    if sense == "positive_unate":
        return (edge,)
    if sense == "negative_unate":
        return (1 - edge,)
    return (RISE, FALL)


def check_period(mapped: MappedUnit, timing: StaticTiming, period: float) -> None:
    """Raises FlowError when the critical path is longer than `period`, s."""
    if period < timing.critical:
        raise FlowError(
            f"{mapped.top} in {mapped.library.name}: the critical path takes {timing.critical * 1e9:.4g} ns, the "
            f"period is {period * 1e9:.4g} ns; give at least {timing.critical * 1e9 * 1.0001:.4g} ns"
        )


def default_period(timing: StaticTiming, *, slack: float = 0.1) -> float:
    """The critical path and `slack` of it, rounded up to two digits, s."""
    wanted = timing.critical * (1 + slack)
    step = 10.0 ** (math.floor(math.log10(wanted)) - 1)
    return float(f"{math.ceil(wanted / step - 1e-9) * step:.3g}")
