"""A unit as a circuit of its own: its Verilog, its ports, and what it answers in Amaranth's simulator."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.lib import wiring
from amaranth.sim import Simulator

from hwflow.energy.stimulus import Bits
from hwflow.files import write_atomically
from rtl_gen import instances
from rtl_gen.probe import inputs, values

RESET = "rst"


@dataclass(frozen=True)
class Design:
    """A unit. top, text: its module and Verilog. ports: width of each, in a probe's order. inputs: which are inputs.

    reset: whether the module has a synchronous reset, which is never used.
    """

    top: str
    text: str
    ports: Mapping[str, int]
    inputs: tuple[str, ...]
    reset: bool
    make: Callable[[], wiring.Component]

    @property
    def outputs(self) -> tuple[str, ...]:
        """The other ports."""
        return tuple(port for port in self.ports if port not in self.inputs)


def design(make: Callable[[], wiring.Component], top: str) -> Design:
    """The unit that `make` makes, as module `top`."""
    unit = make()
    text = instances.emit(unit, top)
    header = re.search(rf"^module {top}\((.*?)\);", text, re.MULTILINE | re.DOTALL)
    reset = header is not None and re.search(rf"\b{RESET}\b", header[1]) is not None
    widths = {name: len(value) for name, value in values(unit).items()}
    return Design(top, text, widths, tuple(inputs(unit)), reset, make)


def answers(
    unit: Design, driven: Mapping[str, Bits], *, keep: Path | None = None
) -> dict[str, Bits]:
    """The outputs before each clock edge, all registers at 0 before the first row of `driven` (port -> [cycles, bits]).

    keep: folder in which they are kept under a hash of unit and inputs.
    """
    if keep is None:
        return _simulated(unit, driven)
    state = hashlib.sha256(unit.text.encode())
    for port in unit.inputs:
        state.update(hashlib.sha256(driven[port].tobytes()).digest())
    kept = keep / f"answers-{unit.top}-{state.hexdigest()[:20]}.npz"
    if not kept.is_file():
        keep.mkdir(parents=True, exist_ok=True)
        stream = io.BytesIO()
        # numpy's stub takes any further keyword for `allow_pickle`, a bool.
        np.savez_compressed(stream, **_simulated(unit, driven))  # pyright: ignore[reportArgumentType]
        write_atomically(kept, stream.getvalue())
    with np.load(kept) as found:
        return {port: found[port] for port in unit.outputs}


def _simulated(unit: Design, driven: Mapping[str, Bits]) -> dict[str, Bits]:
    component = unit.make()
    ports = values(component)
    cycles = len(next(iter(driven.values())))
    words = {port: _words(driven[port]) for port in unit.inputs}
    found: dict[str, list[int]] = {port: [] for port in unit.outputs}

    async def bench(context: Any) -> None:
        last: dict[str, int] = {}
        for cycle in range(cycles):
            for port, given in words.items():
                if last.get(port) != given[cycle]:
                    last[port] = given[cycle]
                    context.set(ports[port], given[cycle])
            _, _, *sampled = await context.tick().sample(*(ports[port] for port in unit.outputs))
            for port, value in zip(unit.outputs, sampled, strict=True):
                found[port].append(value)

    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return {port: _bits(seen, unit.ports[port]) for port, seen in found.items()}


def _words(bits: Bits) -> list[int]:
    packed = np.packbits(bits, axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def _bits(words: list[int], width: int) -> Bits:
    size = -(-width // 8)
    mask = (1 << width) - 1
    data = b"".join((word & mask).to_bytes(size, "little") for word in words)
    rows = np.frombuffer(data, np.uint8).reshape(len(words), size)
    return np.ascontiguousarray(np.unpackbits(rows, axis=1, bitorder="little")[:, :width])
