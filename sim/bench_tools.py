"""What cocotb benches of units share: clock and reset, packing of structs, random-stall streams, monitors.

All of them drive inputs at the falling edge and sample just before the rising edge (in the read-only phase of the
falling edge), so a bench means the same in Verilator and Icarus. Ports are named as Amaranth names them:
`<stream>__payload`, `<stream>__valid`, `<stream>__ready`; a struct port is one vector.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import cocotb
from amaranth.hdl import Shape
from amaranth.lib import data
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly

PERIOD_NS = 2
"""Clock period in simulation; the value has no meaning."""


def pack(layout: Any, value: Any) -> int:
    """`value` (int, sequence of elements or mapping of fields; absent ones are 0) as the bits of `layout`.

    Raises:
        KeyError: a field that the layout does not have.
        ValueError: a value that does not fit its field, or too many elements.
    """
    if isinstance(layout, data.StructLayout):
        members = cast(Mapping[str, Any], layout.members)
        unknown = set(value) - set(members)
        if unknown:
            raise KeyError(f"no field {sorted(unknown)[0]!r}; fields are {', '.join(members)}")
        return sum(pack(members[key], item) << layout[key].offset for key, item in value.items())
    if isinstance(layout, data.ArrayLayout):
        if len(value) > layout.length:
            raise ValueError(f"{len(value)} elements for an array of {layout.length}")
        return sum(
            pack(layout.elem_shape, item) << layout[i].offset for i, item in enumerate(value)
        )
    shape = Shape.cast(layout)
    number = int(value)
    low, high = (
        (-(1 << shape.width - 1), 1 << shape.width - 1) if shape.signed else (0, 1 << shape.width)
    )
    if not low <= number < high:
        raise ValueError(f"{number} does not fit {shape}")
    return number & ((1 << shape.width) - 1)


def unpack(layout: Any, word: int) -> Any:
    """Inverse of `pack`: an int, a list of elements or a dict of fields."""
    if isinstance(layout, data.StructLayout):
        members = cast(Mapping[str, Any], layout.members)
        return {key: unpack(members[key], word >> layout[key].offset) for key in members}
    if isinstance(layout, data.ArrayLayout):
        return [unpack(layout.elem_shape, word >> layout[i].offset) for i in range(layout.length)]
    shape = Shape.cast(layout)
    word &= (1 << shape.width) - 1
    return word - (1 << shape.width) if shape.signed and word >> (shape.width - 1) else word


def port(dut: Any, name: str) -> Any:
    """The handle of a port. Raises AttributeError, naming it, when the top has none of that name."""
    return getattr(dut, name)


def number(handle: Any) -> int:
    """A signal's value as an unsigned integer.

    Undefined bits (Icarus) read as random ones: a bench that depends on them fails.
    """
    value = handle.value
    return int(value if value.is_resolvable else value.resolve("random"))


async def start(dut: Any) -> None:
    """Start the clock `clk`, hold `rst` for two cycles with every input at 0; returns at a falling edge."""
    Clock(dut.clk, PERIOD_NS, "ns").start()
    dut.rst.value = 1
    for _ in range(2):
        await FallingEdge(dut.clk)
    dut.rst.value = 0


async def cycles(dut: Any, count: int) -> None:
    """Wait for `count` falling edges."""
    for _ in range(count):
        await FallingEdge(dut.clk)


async def send(
    dut: Any,
    stream: str,
    payloads: Iterable[int],
    *,
    gap: float = 0.0,
    rng: random.Random | None = None,
) -> None:
    """Send packed payloads; before each one waits a random number of cycles (probability `gap` a cycle)."""
    rng = rng or random.Random(0)
    payload, valid, ready = (
        port(dut, f"{stream}__{part}") for part in ("payload", "valid", "ready")
    )
    valid.value = 0
    await FallingEdge(dut.clk)
    for item in payloads:
        while rng.random() < gap:
            valid.value = 0
            await FallingEdge(dut.clk)
        payload.value = item
        valid.value = 1
        accepted = False
        while not accepted:
            await ReadOnly()
            accepted = bool(number(ready))
            await FallingEdge(dut.clk)
    valid.value = 0


async def receive(
    dut: Any,
    stream: str,
    count: int,
    *,
    stall: float = 0.0,
    rng: random.Random | None = None,
) -> list[int]:
    """Receive `count` packed payloads; `ready` is low with probability `stall` each cycle."""
    rng = rng or random.Random(0)
    payload, valid, ready = (
        port(dut, f"{stream}__{part}") for part in ("payload", "valid", "ready")
    )
    got: list[int] = []
    ready.value = 0
    await FallingEdge(dut.clk)
    while len(got) < count:
        open_now = rng.random() >= stall
        ready.value = int(open_now)
        await ReadOnly()
        if open_now and number(valid):
            got.append(number(payload))
        await FallingEdge(dut.clk)
    ready.value = 0
    return got


class Monitor:
    """Collects, every cycle, a struct port whose field `valid` is set (or any port when `always`).

    `items` holds (cycle, unpacked value); cycle 0 is the one in which the monitor was made.
    """

    def __init__(
        self, dut: Any, name: str, layout: data.StructLayout, *, always: bool = False
    ) -> None:
        self.items: list[tuple[int, dict[str, Any]]] = []
        self._dut = dut
        self._handle = port(dut, name)
        self._layout = layout
        self._always = always
        self._valid_at = 0 if always else layout["valid"].offset
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        cycle = 0
        while True:
            await FallingEdge(self._dut.clk)
            await ReadOnly()
            word = number(self._handle)
            if self._always or word >> self._valid_at & 1:
                self.items.append((cycle, unpack(self._layout, word)))
            cycle += 1

    @property
    def values(self) -> list[dict[str, Any]]:
        """The collected values without their cycles."""
        return [value for _, value in self.items]


async def wait_for(
    dut: Any, condition: Callable[[], bool], *, limit: int = 100_000, what: str = "the condition"
) -> int:
    """Wait until `condition()` holds, tested once a cycle before the rising edge; the cycles waited.

    Raises:
        TimeoutError: it did not hold within `limit` cycles.
    """
    for cycle in range(limit):
        await ReadOnly()
        held = condition()
        await FallingEdge(dut.clk)
        if held:
            return cycle
    raise TimeoutError(f"{what} did not happen within {limit} cycles")
