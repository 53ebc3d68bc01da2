"""A power log: samples in time, with what is missing made known."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwflow.errors import FlowError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LEAST_SAMPLES = 50
"""Fewer samples make no log: phases need more."""
LATEST_S = 1e12
"""No clock counts further in seconds."""
LARGEST_W = 1e6
"""No meter of a board's rail shows more."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PowerLog:
    """Samples of one rail.

    time: float64 (n,), seconds since the first sample; power: float64 (n,), watts; index: int64 (n,), number of the
    sample on the meter's grid, which counts the missing ones; step: usual time between samples in seconds; began:
    clock time of the first sample in the log's own seconds; digest: SHA-256 of times and powers.
    """

    time: Floats
    power: Floats
    index: Integers
    step: float
    began: float
    digest: str

    @property
    def rate(self) -> float:
        """Samples a second."""
        return 1 / self.step

    @property
    def missing(self) -> int:
        """Samples of the grid that are not there."""
        return int(self.index[-1]) + 1 - len(self.index)


def make_log(
    source: str,
    clock: Sequence[float],
    power: Sequence[float],
    lines: Sequence[int],
    *,
    allow_missing: float,
    allow_negative_w: float,
) -> PowerLog:
    """Samples as a log; NaN powers are missing samples.

    Args:
        source: for messages: the file or device.
        clock: seconds.
        power: watts.
        lines: where each sample stands, for messages.
        allow_missing: largest share of missing samples.
        allow_negative_w: power down to minus that is a meter's offset.

    Raises:
        FlowError: too few samples, values that are not finite or too large, time that does not increase, gaps beyond
            what is allowed, negative power; each with the line and what to do.
    """
    times, watts = np.asarray(clock, np.float64), np.asarray(power, np.float64)
    if len(times) < LEAST_SAMPLES:
        raise FlowError(
            f"{source}: {len(times)} samples are too few for a measurement; record {LEAST_SAMPLES} or more"
        )
    for what, unusable, values, limit in (
        ("time", ~(np.abs(times) <= LATEST_S), times, f"{LATEST_S:g} s"),
        ("power", np.abs(watts) > LARGEST_W, watts, f"{LARGEST_W:g} W"),
    ):
        if unusable.any():
            at = int(np.flatnonzero(unusable)[0])
            raise FlowError(
                f"{source}, line {lines[at]}: {what} is {values[at]:.6g}, expected a finite number within {limit}; "
                "correct the line, or the column's unit"
            )
    steps = np.diff(times)
    if not (steps > 0).all():
        at = int(np.flatnonzero(~(steps > 0))[0]) + 1
        raise FlowError(
            f"{source}, line {lines[at]}: time does not increase ({times[at - 1]:.9g} s, then {times[at]:.9g} s); "
            "sort the log, or take out what was recorded twice"
        )
    step = float(np.median(steps))
    here = np.isfinite(watts)
    negative = here & (watts < -allow_negative_w)
    if negative.any():
        at = int(np.flatnonzero(negative)[0])
        raise FlowError(
            f"{source}, line {lines[at]}: power is {watts[at]:.6g} W, {int(negative.sum())} samples are negative; turn "
            "the sense wires round, check the column, or state the meter's offset"
        )
    # Samples of the grid in every step: halves go down, so that more than 1 is a gap, and nothing else.
    grid = np.maximum(1, np.ceil(steps / step - 0.5))
    index = np.concatenate([[0], np.cumsum(grid)]).astype(np.int64)
    lost = int(index[-1]) + 1 - int(here.sum())
    if lost > allow_missing * (index[-1] + 1):
        longest = int(np.argmax(steps))
        what = (
            f"the longest gap of {steps[longest]:.3g} s begins at line {lines[longest]}"
            if grid[longest] > 1
            else f"line {lines[int(np.flatnonzero(~here)[0])]} is the first without a value"
        )
        raise FlowError(
            f"{source}: {lost} of {index[-1] + 1} samples are missing; {what}; record again with less load on the "
            f"machine, or allow it with --allow-missing {min(1.0, 1.1 * lost / (index[-1] + 1)):.2g}"
        )
    began = float(times[here][0])
    kept, watts = times[here] - began, watts[here]
    first = index[here][0]
    digest = hashlib.sha256(kept.tobytes() + watts.tobytes()).hexdigest()
    return PowerLog(
        time=kept, power=watts, index=index[here] - first, step=step, began=began, digest=digest
    )
