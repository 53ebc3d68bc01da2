"""Repeated units as Verilog modules: convert a component once, instantiate it many times.

Amaranth copies a submodule's logic at every use, which makes wide arrays slow to elaborate and bloats the Verilog:
256 submodules take some ten times as long as one module instantiated 256 times. Inside `emit`, `repeat` converts a
component to a Verilog module of its own and hands out `Instance`s of it; `emit` appends every such module, and every
`source`, exactly once after the top's text. Outside `emit` (pysim) `repeat` is an error; `copies` serves both worlds.
"""

from __future__ import annotations

import contextvars
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from amaranth.back import verilog
from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal, Value
from amaranth.lib import wiring


@dataclass
class _Library:
    """Verilog texts collected during one `emit`, in order of first use."""

    modules: dict[str, RepeatedModule] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)


_library: contextvars.ContextVar[_Library | None] = contextvars.ContextVar("_library", default=None)


@dataclass(frozen=True)
class RepeatedModule:
    """A converted component.

    Attributes:
        name: Verilog module name.
        text: its Verilog, submodules included.
        inputs, outputs: flattened port names (`a__b` for nested interfaces) with widths in bits; no clock or reset.
        clocked: whether the module has `clk` and `rst` ports.
    """

    name: str
    text: str
    inputs: dict[str, int]
    outputs: dict[str, int]
    clocked: bool

    def instance(self, **connections: object) -> Instance:
        """An instance with `connections` by port name; clock and reset come from the `sync` domain.

        Every input must be connected; an output may be left open. Widths must agree exactly.

        Raises:
            ValueError: unknown port, unconnected input or wrong width, named with the module.
        """
        ports: dict[str, object] = {}
        for port, connection in connections.items():
            value = Value.cast(connection)  # pyright: ignore[reportArgumentType]  refuses what is no value
            width = self.inputs.get(port, self.outputs.get(port))
            if width is None:
                raise ValueError(
                    f"{self.name} has no port {port}; ports are {', '.join([*self.inputs, *self.outputs])}"
                )
            if len(value) != width:
                raise ValueError(
                    f"{self.name}.{port} has {width} bits, the connection has {len(value)}"
                )
            ports[f"{'i' if port in self.inputs else 'o'}_{port}"] = value
        missing = [port for port in self.inputs if port not in connections]
        if missing:
            raise ValueError(f"{self.name}.{missing[0]} is not connected")
        if self.clocked:
            ports["i_clk"] = ClockSignal()
            ports["i_rst"] = ResetSignal(allow_reset_less=True)
        return Instance(self.name, **ports)  # pyright: ignore[reportArgumentType]  its hint is of one argument


def emitting() -> bool:
    """Whether an `emit` is under way, i.e. whether Verilog instances may be used."""
    return _library.get() is not None


def repeat(component: wiring.Component, name: str) -> RepeatedModule:
    """Convert `component` to a Verilog module `name` for instantiation; emitted once.

    Call it once per kind and `instance` once per copy: every call converts, to check that a name stands for one circuit.

    Raises:
        RuntimeError: called outside `emit`.
        ValueError: the name is taken by another circuit, or a port has width 0.
    """
    library = _library.get()
    if library is None:
        raise RuntimeError(
            f"module {name} is repeated outside rtl_gen.instances.emit: convert the top with emit()"
        )
    inputs: dict[str, int] = {}
    outputs: dict[str, int] = {}
    for path, member, value in component.signature.flatten(component):
        ports = inputs if member.flow == wiring.In else outputs
        ports["__".join(map(str, path))] = len(Value.cast(value))
    empty = [port for port, width in (inputs | outputs).items() if not width]
    if empty:
        raise ValueError(f"{name}.{empty[0]} has no bits; Verilog has no ports of width 0")
    text = _convert(component, name)
    known = library.modules.get(name)
    if known is not None:
        if known.text != text:
            raise ValueError(
                f"module {name} stands for two circuits; give each set of parameters its own name"
            )
        return known
    header = re.search(rf"^module {re.escape(name)}\((.*?)\);", text, re.MULTILINE | re.DOTALL)
    clocked = header is not None and re.search(r"\bclk\b", header[1]) is not None
    module = RepeatedModule(name, text, inputs, outputs, clocked)
    library.modules[name] = module
    return module


def copies(m: Module, make: Callable[[], wiring.Component], name: str, count: int) -> list[Any]:
    """`count` copies of a component below `m`, as objects with the component's members to connect.

    Inside `emit` they are instances of one module `name`, in pysim plain submodules made by `make`.
    """
    units: list[Any] = []
    if not emitting():
        for index in range(count):
            unit = make()
            m.submodules[f"{name}_{index}"] = unit
            units.append(unit)
        return units
    component = make()
    module = repeat(component, name)
    for index in range(count):
        unit = component.signature.create(path=(f"{name}_{index}",))
        ports = {
            "__".join(map(str, path)): value for path, _, value in component.signature.flatten(unit)
        }
        m.submodules[f"{name}_{index}"] = module.instance(**ports)
        units.append(unit)
    return units


def alone(name: str) -> str:
    """What `emit` returns for the component that was repeated as `name`; nothing may have been repeated before it.

    Raises:
        RuntimeError: called outside `emit`.
    """
    library = _library.get()
    if library is None:
        raise RuntimeError(f"the text of {name} is asked for outside rtl_gen.instances.emit")
    top = library.modules[name]
    others = (module.text for module in library.modules.values() if module is not top)
    return "\n".join([top.text, *others, *library.sources.values()])


def source(name: str, text: str) -> None:
    """Append hand-written (System)Verilog `text`, known as `name`, once to what `emit` returns.

    Raises:
        RuntimeError: called outside `emit`.
    """
    library = _library.get()
    if library is None:
        raise RuntimeError(f"source {name} is used outside rtl_gen.instances.emit")
    library.sources.setdefault(name, text)


def emit(top: wiring.Component, name: str) -> str:
    """SystemVerilog text of `top` as module `name`, then every repeated module and source it uses, each once.

    Deterministic: no source locations, order of first use.
    """
    library = _Library()
    token = _library.set(library)
    try:
        text = _convert(top, name)
    finally:
        _library.reset(token)
    return "\n".join(
        [text, *(module.text for module in library.modules.values()), *library.sources.values()]
    )


def _convert(component: wiring.Component, name: str) -> str:
    text = verilog.convert(component, name=name, emit_src=False, strip_internal_attrs=True)
    return re.sub(r"\A/\*.*?\*/\s*", "", text, flags=re.DOTALL)
