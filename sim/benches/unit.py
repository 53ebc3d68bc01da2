"""One bench, two simulators: what the benches of units share.

A `UnitBench` drives a unit through the subset of Amaranth's `SimulatorContext` that `PortContext` offers over the ports
of a Verilog model. So the same stimulus and the same checks run in Amaranth's simulator (tests/rtl_gen) and, through
cocotb, on the generated Verilog (sim/benches/units.py).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cocotb
from amaranth.hdl import Const, Module, ShapeCastable, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import Out
from cocotb.triggers import FallingEdge, ReadOnly

from hwflow.config import AcceleratorConfig
from sim.bench_tools import cycles, number, start

Process = Callable[[Any], Coroutine[Any, Any, None]]
"""A part of a bench; gets the context."""


def small_config(**changes: int | str) -> AcceleratorConfig:
    """R=4, C=8, K=32, G=2, Km=2, B=8 with small memories, unless changed."""
    values: dict[str, Any] = {
        "name": "test",
        "rows": 4,
        "cols": 8,
        "popcount_width": 32,
        "popcount_stages": 1,
        "pixel_lanes": 2,
        "mac_depth": 2,
        "memory_bytes": 8,
        "weight_words": 16,
        "mac_words": 16,
        "constant_words": 16,
        "bit_rows": 64,
        "byte_rows": 64,
        "residual_bits": 16,
        "main_rows": 64,
        "side_rows": 64,
        "pool_rows": 64,
        "line_pixels": 16,
        "channel_limit": 64,
        "long_words": 0,
        "store_words": 0,
        "head_rows": 0,
    }
    values.update(changes)
    return AcceleratorConfig(**values)


def _nothing_left() -> None:
    """All was checked on the way."""


@dataclass(frozen=True)
class UnitBench:
    """A unit and what to do with it.

    Attributes:
        dut: the unit, with every input at 0 and just reset when the processes start.
        processes: the bench is over when all of them are.
        background: run beside them.
        check: asserts what is known at the end only.
    """

    dut: wiring.Component
    processes: Sequence[Process]
    background: Sequence[Process] = ()
    check: Callable[[], None] = field(default=_nothing_left)


class UnitTop(wiring.Component):
    """Independent units in one module, so that one compilation serves them all; ports are `<name>__<port>`."""

    def __init__(self, units: Mapping[str, wiring.Component]) -> None:
        self._units = dict(units)
        super().__init__({name: Out(unit.signature) for name, unit in self._units.items()})

    def elaborate(self, platform: object) -> Module:
        """The units, each connected to its ports."""
        m = Module()
        for name, unit in self._units.items():
            m.submodules[name] = unit
            wiring.connect(m, wiring.flipped(getattr(self, name)), unit)
        return m


@dataclass
class _Port:
    handle: Any
    word: int = 0
    changed: bool = False


class PortContext:
    """`set`, `get` and `tick` of Amaranth's SimulatorContext on the ports of a unit in a Verilog model.

    Between ticks a bench is just after a falling edge: it sees what the last rising edge stored, and drives what the
    next one samples. `get` does not show the effect of a `set` since the last tick: `tick().sample()` does. Undefined
    bits (Icarus) read as random ones, so that a bench that depends on them fails.

    Args:
        dut: cocotb's handle of the top module.
        unit: the unit, as a description of its ports.
        name: the unit's name in `UnitTop`.
    """

    def __init__(self, dut: Any, unit: wiring.Component, name: str) -> None:
        self.clock = dut.clk
        self._ports: dict[int, _Port] = {}
        for path, member, value in unit.signature.flatten(unit):
            port = _Port(getattr(dut, "__".join([name, *map(str, path)])))
            port.changed = member.flow == wiring.In
            self._ports[id(Value.cast(value))] = port

    def _locate(self, expression: Any) -> tuple[_Port, int, int]:
        """The port of which `expression` is a part, its first bit there, its width."""
        part: Any = Value.cast(expression)
        low, width = 0, len(part)
        while not isinstance(part, Signal):
            if hasattr(part, "operands"):  # as_signed, as_unsigned
                (part,) = part.operands
            else:
                low += part.start
                part = part.value
        return self._ports[id(part)], low, width

    def set(self, expression: Any, value: Any) -> None:
        """Drive a port, or an element or field of it."""
        port, low, width = self._locate(expression)
        shape = expression.shape()
        bits = Const.cast(shape.const(value)).value if isinstance(shape, ShapeCastable) else value
        mask = (1 << width) - 1
        port.word = port.word & ~(mask << low) | (int(bits) & mask) << low
        port.changed = True

    def get(self, expression: Any) -> Any:
        """The value of a port, or of an element or field of it; as Amaranth returns it."""
        port, low, width = self._locate(expression)
        word = number(port.handle) >> low & (1 << width) - 1
        shape = expression.shape()
        if isinstance(shape, ShapeCastable):
            return shape.from_bits(word)
        return word - (1 << width) if shape.signed and word >> (width - 1) else word

    def flush(self) -> None:
        """Hand what was `set` to the simulator."""
        for port in self._ports.values():
            if port.changed:
                port.handle.value = port.word
                port.changed = False

    def tick(self) -> Tick:
        """The next clock cycle, to be awaited."""
        return Tick(self, ())


class Tick:
    """As Amaranth's TickTrigger; samples are taken just before the rising edge."""

    def __init__(self, context: PortContext, sampled: tuple[Any, ...]) -> None:
        self._context = context
        self._sampled = sampled

    def sample(self, *expressions: Any) -> Tick:
        """The same cycle, with samples of `expressions`."""
        return Tick(self._context, (*self._sampled, *expressions))

    def __await__(self) -> Generator[Any, Any, tuple[Any, ...]]:
        return self._cycle().__await__()

    async def __aiter__(self) -> AsyncIterator[tuple[Any, ...]]:
        while True:
            yield await self

    async def repeat(self, count: int) -> tuple[Any, ...]:
        """Wait for `count` cycles; the last one's samples."""
        values: tuple[Any, ...] = ()
        for _ in range(count):
            values = (await self)[2:]
        return values

    async def until(self, condition: Any) -> tuple[Any, ...]:
        """Wait for the first cycle in which `condition` holds; its samples."""
        while True:
            _, _, *values, held = await self.sample(condition)
            if held:
                return tuple(values)

    async def _cycle(self) -> tuple[Any, ...]:
        context = self._context
        context.flush()
        values: list[Any] = []
        if self._sampled:
            await ReadOnly()
            values = [context.get(expression) for expression in self._sampled]
        await FallingEdge(context.clock)
        return (True, False, *values)


async def run(dut: Any, bench: UnitBench, name: str) -> None:
    """Run a bench on unit `name` of a `UnitTop`'s Verilog; raises what its processes raise."""
    context = PortContext(dut, bench.dut, name)
    context.flush()
    await start(dut)
    await cycles(dut, 1)
    for process in bench.background:
        cocotb.start_soon(process(context))
    tasks = [cocotb.start_soon(process(context)) for process in bench.processes]
    for task in tasks:
        await task
    bench.check()
