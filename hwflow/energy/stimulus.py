"""What a unit is driven with, cycle by cycle, and what it must answer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwflow.errors import FlowError

Bits = npt.NDArray[np.uint8]
"""[cycles, bits] of 0 and 1; bit 0 is the least significant."""


@dataclass(frozen=True)
class Segment:
    """A stretch of cycles that is simulated by itself, beginning with every register at 0.

    start: first cycle that is applied.
    warm_up: first cycle that is compared and counted; the registers are in step from here on.
    stop: first cycle that is not part of it.
    """

    start: int
    warm_up: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.warm_up < self.stop:
            raise FlowError(
                f"segment {self.start}..{self.warm_up}..{self.stop}: a segment starts at or before "
                "its warm-up's end and counts at least one cycle; give start <= warm_up < stop"
            )

    @property
    def counted(self) -> int:
        """Cycles that are compared and counted."""
        return self.stop - self.warm_up


@dataclass(frozen=True)
class Stimulus:
    """One row a clock cycle, for every port but the clock.

    ports: input port -> its value during the cycle.
    expected: output port -> its value before the clock edge that ends the cycle.
    segments: what is simulated; they may overlap, each begins with registers at 0.
    """

    ports: Mapping[str, Bits]
    expected: Mapping[str, Bits]
    segments: tuple[Segment, ...]

    def __post_init__(self) -> None:
        arrays = [*self.ports.items(), *self.expected.items()]
        if not arrays:
            raise FlowError("a stimulus has no ports; record at least one")
        cycles = len(arrays[0][1])
        for name, bits in arrays:
            if bits.ndim != 2 or bits.dtype != np.uint8 or (bits.size and bits.max() > 1):
                raise FlowError(
                    f"stimulus, port {name!r}: expected uint8 [cycles, bits] of 0 and 1, "
                    f"got {bits.dtype} {list(bits.shape)}; unpack the port's value into bits"
                )
            if len(bits) != cycles:
                raise FlowError(
                    f"stimulus, port {name!r}: {len(bits)} cycles, others have {cycles}; "
                    "give every port a row a cycle"
                )
        for segment in self.segments:
            if segment.stop > cycles:
                raise FlowError(
                    f"segment {segment.start}..{segment.stop}: the stimulus has {cycles} cycles; "
                    "end segments within it"
                )

    @property
    def cycles(self) -> int:
        """Rows of every array."""
        return len(next(iter((*self.ports.values(), *self.expected.values()))))

    @property
    def digest(self) -> str:
        """SHA-256 of ports, expected values and segments, in hexadecimal."""
        state = hashlib.sha256()
        for kind, arrays in (("in", self.ports), ("out", self.expected)):
            for name in sorted(arrays):
                state.update(f"{kind} {name} {arrays[name].shape}".encode())
                state.update(np.packbits(arrays[name]).tobytes())
        for each in self.segments:
            state.update(f"{each.start} {each.warm_up} {each.stop};".encode())
        return state.hexdigest()
