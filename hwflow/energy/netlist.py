"""A unit mapped to cells of a library: nets, instances, ports; every net has a driver and is counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from hwflow.energy.cells import COMBINATIONAL, FLIP_FLOP, Cell, Library
from hwflow.errors import FlowError

CLOCK = "clk"
LOW, HIGH = 0, 1
"""The nets of the two constants."""


@dataclass(frozen=True)
class Instance:
    """A cell in a netlist; nets of its input and output pins in the library's order, -1: unconnected output."""

    name: str
    cell: Cell = field(repr=False)
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class MappedUnit:
    """A netlist of library cells, in topological order: drivers before what they drive, registers first.

    nets: names; net 0 is constant 0, net 1 constant 1. inputs, outputs: port -> nets, least significant bit first;
    the clock is no input. clock: its net, or None. verilog: the same netlist, for other tools. digest: SHA-256 of
    library and netlist.
    """

    top: str
    library: Library = field(repr=False)
    nets: tuple[str, ...] = field(repr=False)
    instances: tuple[Instance, ...] = field(repr=False)
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    clock: int | None
    verilog: str = field(repr=False)
    digest: str
    tools: Mapping[str, str] = field(default_factory=dict[str, str])

    def in_library(self, library: Library) -> MappedUnit:
        """The same netlist with the cells of that name of another library (Library.with_wires).

        Raises:
            FlowError: it lacks one, or it has no model.
        """
        instances = tuple(
            replace(each, cell=library.cell(each.cell.name)) for each in self.instances
        )
        return replace(self, library=library, instances=instances)

    @property
    def cells(self) -> dict[str, int]:
        """How many of each cell, by name."""
        counts: dict[str, int] = {}
        for each in self.instances:
            counts[each.cell.name] = counts.get(each.cell.name, 0) + 1
        return dict(sorted(counts.items()))

    @property
    def area(self) -> float:
        """Sum of the cells' areas, in the library's unit."""
        return sum(each.cell.area for each in self.instances)

    @cached_property
    def sinks(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """[net]: (instance, input pin) that it drives."""
        found: list[list[tuple[int, int]]] = [[] for _ in self.nets]
        for index, each in enumerate(self.instances):
            for pin, net in enumerate(each.inputs):
                found[net].append((index, pin))
        return tuple(tuple(each) for each in found)

    @cached_property
    def loads(self) -> tuple[float, ...]:
        """[net]: capacitance of the pins on it, F; wires have none."""
        total = [0.0] * len(self.nets)
        for each in self.instances:
            for pin, net in zip(each.cell.inputs, each.inputs, strict=True):
                total[net] += pin.capacitance
            for pin, net in zip(each.cell.outputs, each.outputs, strict=True):
                if net >= 0:
                    total[net] += pin.capacitance
        return tuple(total)

    @cached_property
    def in_clock_network(self) -> tuple[bool, ...]:
        """[instance]: whether it is combinational and drives a clock pin of a register, through others or not."""
        driver = {net: i for i, each in enumerate(self.instances) for net in each.outputs}
        marked = [False] * len(self.instances)
        todo = [
            net
            for each in self.instances
            if each.cell.kind == FLIP_FLOP
            for pin, net in zip(each.cell.inputs, each.inputs, strict=True)
            if is_clock_pin(each.cell, pin.name)
        ]
        while todo:
            index = driver.get(todo.pop())
            if index is None or marked[index] or self.instances[index].cell.kind == FLIP_FLOP:
                continue
            marked[index] = True
            todo.extend(self.instances[index].inputs)
        return tuple(marked)


def is_clock_pin(cell: Cell, pin: str) -> bool:
    """Whether an input pin is the clock (of a flip-flop) or the enable (of a latch)."""
    if cell.sequential is None:
        return False
    from hwflow.energy.tables import truth

    on = truth(cell.sequential.clock, cell.variables)
    bit = 1 << cell.variables.index(pin)
    return any(on[state] != on[state ^ bit] for state in range(len(on)))


def read_netlist(
    module: Mapping[str, Any],
    top: str,
    library: Library,
    *,
    verilog: str = "",
    digest: str = "",
    tools: Mapping[str, str] | None = None,
) -> MappedUnit:
    """A flat module of Yosys's JSON whose cells are all of `library`.

    Raises:
        FlowError: a cell without a model, a net without or with two drivers, a loop, an inout port.
    """
    numbers: dict[int | str, int] = {"0": LOW, "1": HIGH, "x": LOW, "z": LOW}
    names = ["0", "1"]

    def net(bit: int | str) -> int:
        if bit not in numbers:
            numbers[bit] = len(names)
            names.append(f"n{bit}")
        return numbers[bit]

    inputs: dict[str, tuple[int, ...]] = {}
    outputs: dict[str, tuple[int, ...]] = {}
    clock = None
    for name, port in module["ports"].items():
        bits = tuple(net(bit) for bit in port["bits"])
        if port["direction"] == "inout":
            raise FlowError(f"{top}: port {name!r} is inout; units have inputs and outputs only")
        if name == CLOCK and port["direction"] == "input":
            clock = bits[0]
        elif port["direction"] == "input":
            inputs[name] = bits
        else:
            outputs[name] = bits
    instances = [
        _instance(name, each, library, net) for name, each in sorted(module["cells"].items())
    ]
    for name, each in module.get("netnames", {}).items():
        for index, bit in enumerate(each["bits"]):
            number = numbers.get(bit)
            if (
                number is not None
                and number > HIGH
                and (names[number].startswith("n") or not each.get("hide_name"))
            ):
                names[number] = name if len(each["bits"]) == 1 else f"{name}[{index}]"
    _check_drivers(top, names, instances, inputs, clock)
    return MappedUnit(
        top=top,
        library=library,
        nets=tuple(names),
        instances=tuple(_ordered(top, instances)),
        inputs=inputs,
        outputs=outputs,
        clock=clock,
        verilog=verilog,
        digest=digest,
        tools=dict(tools or {}),
    )


def _instance(name: str, plain: Mapping[str, Any], library: Library, net: Any) -> Instance:
    kind = plain["type"].removeprefix("\\")
    if kind.startswith("$"):
        raise FlowError(
            f"cell {name!r} of type {kind} was not mapped: library {library.name} has no flip-flop, "
            "latch or gate for it; give a Liberty file that has one"
        )
    cell = library.cell(kind)
    pins = plain["connections"]
    floating = [pin.name for pin in cell.inputs if not pins.get(pin.name)]
    if floating:
        raise FlowError(f"cell {name!r} ({kind}): input {floating[0]} is not connected; connect it")
    return Instance(
        name,
        cell,
        tuple(net(pins[pin.name][0]) for pin in cell.inputs),
        tuple(net(pins[pin.name][0]) if pins.get(pin.name) else -1 for pin in cell.outputs),
    )


def _check_drivers(
    top: str,
    names: list[str],
    instances: list[Instance],
    inputs: Mapping[str, tuple[int, ...]],
    clock: int | None,
) -> None:
    drivers = [0] * len(names)
    drivers[LOW] = drivers[HIGH] = 1
    driven = [net for nets in inputs.values() for net in nets]
    driven += [] if clock is None else [clock]
    driven += [net for each in instances for net in each.outputs if net >= 0]
    for net in driven:
        drivers[net] += 1
    for net, count in enumerate(drivers):
        if count != 1:
            what = "no driver" if not count else f"{count} drivers"
            raise FlowError(f"{top}: net {names[net]!r} has {what}; every net needs one")
    registers = [each.name for each in instances if each.cell.kind == FLIP_FLOP]
    if registers and clock is None:
        raise FlowError(f"{top}: registers but no input port {CLOCK!r}; name the clock {CLOCK}")


def _ordered(top: str, instances: list[Instance]) -> list[Instance]:
    """Registers and latches first, then every gate after the gates that drive it."""
    done = [each for each in instances if each.cell.kind != COMBINATIONAL]
    gates = [each for each in instances if each.cell.kind == COMBINATIONAL]
    driver = {net: i for i, each in enumerate(gates) for net in each.outputs if net >= 0}
    waits = [len({driver[net] for net in each.inputs if net in driver}) for each in gates]
    feeds: list[set[int]] = [set() for _ in gates]
    for index, each in enumerate(gates):
        for net in each.inputs:
            if net in driver:
                feeds[driver[net]].add(index)
    ready = [index for index, count in enumerate(waits) if not count]
    order: list[int] = []
    while ready:
        index = ready.pop()
        order.append(index)
        for later in sorted(feeds[index], reverse=True):
            waits[later] -= 1
            if not waits[later]:
                ready.append(later)
    if len(order) < len(gates):
        stuck = next(each for each, count in zip(gates, waits, strict=True) if count)
        raise FlowError(f"{top}: combinational loop through {stuck.name!r}; break it by a register")
    return [*done, *(gates[index] for index in order)]
