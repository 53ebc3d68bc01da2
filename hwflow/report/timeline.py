"""When each unit works and what the sequencer waits for, in bins of equal length (evidence `cycle-model`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from hwflow.cycle_model.activity import Activity

UNITS = ("binary array", "MAC array", "vector lanes", "scalar engine", "memory port")
"""The scalar engine counts as at work while it has an instruction, which may wait for sums, constants or weights."""
WAITS = {
    "stall_weights": "wait: weights",
    "stall_scale": "wait: scales",
    "stall_interval": "wait: lanes",
    "stall_stream": "wait: external",
    "setup": "set-up",
    "drain": "drain",
}
"""Counters of isa.CYCLE_COUNTERS other than `issue`, and what they say of a cycle."""
BINS = 720
"""Most bins of a frame."""


class Recorder:
    """Watches a frame in the cycle model; a byte of flags a cycle for units, one for the phase."""

    def __init__(self) -> None:
        self._units = bytearray()
        self._phases = bytearray()
        self._numbers = {phase: index for index, phase in enumerate(WAITS, 1)}

    def __call__(self, seen: Activity) -> None:
        """One cycle."""
        issued = seen.phase == "issue"
        flags = (
            issued and not seen.mac,
            (issued and seen.mac) or seen.matvec,
            seen.lanes,
            seen.scalar,
            seen.beat,
        )
        self._units.append(sum(flag << index for index, flag in enumerate(flags)))
        self._phases.append(self._numbers.get(seen.phase, 0))

    def to_dict(self) -> dict[str, Any]:
        """For JSON: bin_cycles; units and waits: name -> cycles of each bin in which it is so."""
        units = np.frombuffer(bytes(self._units), np.uint8)
        phases = np.frombuffer(bytes(self._phases), np.uint8)
        cycles = len(units)
        width = max(1, -(-cycles // BINS))
        edges = np.arange(0, max(cycles, 1), width)

        def binned(flags: np.ndarray[Any, Any]) -> list[int]:
            return np.add.reduceat(flags.astype(np.int64), edges).tolist()

        return {
            "cycles": cycles,
            "bin_cycles": width,
            "units": {name: binned((units >> index) & 1) for index, name in enumerate(UNITS)},
            "waits": {
                text: binned(phases == self._numbers[phase]) for phase, text in WAITS.items()
            },
        }
