"""Probes: where the ports of a unit inside the accelerator can be seen in a simulation, by name.

Verilog gives the ports of a unit deep in the hierarchy names that depend on its surroundings. Inside `observing` every
unit that calls `observe` holds an instance of the module `hwflow_probe`, which the simulation brings (sim/recording.py),
with all ports as one word. Outside, `observe` does nothing: the accelerator's Verilog has no probes.
"""

from __future__ import annotations

import contextvars
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from amaranth.hdl import Cat, ClockSignal, Instance, Module, Value
from amaranth.lib import wiring

PROBE = "hwflow_probe"
"""Module of a probe: parameter WIDTH; inputs clk and ports."""

_observing = contextvars.ContextVar("_observing", default=False)


@contextmanager
def observing() -> Generator[None]:
    """What is elaborated in this block has probes."""
    token = _observing.set(True)
    try:
        yield
    finally:
        _observing.reset(token)


def observe(m: Module, unit: wiring.Component, further: Mapping[str, Value] | None = None) -> None:
    """Inside `observing`, adds a probe of `unit` to its module `m`; its instance is named `probe`.

    further: signals that follow the unit's ports in the word.
    """
    if _observing.get():
        word = Cat(*values(unit).values(), *(further or {}).values())
        m.submodules.probe = Instance(PROBE, p_WIDTH=len(word), i_clk=ClockSignal(), i_ports=word)


def values(unit: Any) -> dict[str, Value]:
    """The ports of `unit`, a component or interface, by their Verilog names, as they lie in a probe's word, bit 0 first."""
    return {
        "__".join(map(str, path)): Value.cast(value)
        for path, _, value in unit.signature.flatten(unit)
    }


def inputs(unit: wiring.Component) -> dict[str, int]:
    """Width of every input of `unit`, without clock and reset."""
    return _widths(unit, wiring.In)


def outputs(unit: wiring.Component) -> dict[str, int]:
    """Width of every output of `unit`."""
    return _widths(unit, wiring.Out)


def _widths(unit: wiring.Component, flow: wiring.Flow) -> dict[str, int]:
    return {
        "__".join(map(str, path)): len(Value.cast(value))
        for path, member, value in unit.signature.flatten(unit)
        if member.flow == flow
    }
