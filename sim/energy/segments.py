"""Which cycles of a recording are characterised: segments in which a unit works, and in which it does nothing.

All cycles in which an operation begins, and in which one does in half of the segment's cycles, are put in the order of
their place in the frame, those of all images and instances of the unit together, and cut into as many equal parts as
there are to be segments; in each part one cycle is drawn, where a segment begins. So segments are spread over the layers
in proportion to the unit's work in them. Segments of rest are drawn in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hwflow.energy.stimulus import Segment
from hwflow.errors import FlowError

LONGEST_WARM_UP = 1024
"""Cycles before a segment at most, in which its registers come into step; others are not taken."""
EVENTS = 2
"""Events of each kind that a warm-up holds: the first makes the state known, the second what depends on it."""
LEAST_WORK = 0.5
"""Share of a working segment's cycles in which operations begin, at least: in sparse ones the unit mostly rests."""

Flags = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]
Places = npt.NDArray[np.integer[Any]]
"""Of every cycle of the traces, its place in the frame."""


@dataclass(frozen=True, eq=False)
class Work:
    """What an instance does in each cycle of its trace.

    busy: an operation begins. masked: one that adds nothing.
    settling: kinds of events; after `EVENTS` of each kind and `drain` cycles every register is known.
    drain: cycles after which an operation has left the unit.
    """

    busy: Flags
    masked: Flags
    settling: tuple[Flags, ...]
    drain: int


@dataclass(frozen=True)
class Window:
    """A segment in the cycles of the trace number `trace`."""

    trace: int
    segment: Segment


def working(
    works: Sequence[Work], places: Places, count: int, length: int, rng: np.random.Generator
) -> list[Window]:
    """`count` segments of `length` cycles that begin with an operation.

    Raises:
        FlowError: the recording has too few operations.
    """
    dense: list[Flags] = []
    for work in works:
        total = np.concatenate([[0], np.cumsum(work.busy)])
        ahead = np.minimum(np.arange(len(work.busy)) + length, len(work.busy))
        dense.append(work.busy & (total[ahead] - total[:-1] >= LEAST_WORK * length))
    return _drawn(works, places, dense, count, length, rng, "works")


def resting(
    works: Sequence[Work], places: Places, count: int, length: int, rng: np.random.Generator
) -> list[Window]:
    """`count` segments of `length` cycles in which nothing is in the unit.

    Raises:
        FlowError: the recording has too few such stretches.
    """
    quiet: list[Flags] = []
    for work in works:
        total = np.concatenate([[0], np.cumsum(work.busy)])
        at = np.arange(len(work.busy))
        first = np.maximum(at - work.drain, 0)
        last = np.minimum(at + length, len(work.busy))
        quiet.append(total[last] == total[first])
    return _drawn(works, places, quiet, count, length, rng, "rests")


def _drawn(
    works: Sequence[Work],
    places: Places,
    chosen: Sequence[Flags],
    count: int,
    length: int,
    rng: np.random.Generator,
    what: str,
) -> list[Window]:
    traces, begins, cycles = (list[Integers]() for _ in range(3))
    for number, (work, flags) in enumerate(zip(works, chosen, strict=True)):
        at = np.flatnonzero(flags[: len(flags) - length + 1])
        begin = starts(work, at)
        usable = (begin >= 0) & (at - begin <= LONGEST_WARM_UP)
        traces.append(np.full(int(usable.sum()), number))
        begins.append(begin[usable])
        cycles.append(at[usable])
    trace, start, cycle = (np.concatenate(each) for each in (traces, begins, cycles))
    if len(cycle) < count:
        raise FlowError(
            f"the recording has {len(cycle)} of {count} segments of {length} cycles in which the unit {what}; "
            "record more --images, or take fewer or shorter segments"
        )
    picks = [
        int(rng.choice(part))
        for part in np.array_split(np.argsort(places[cycle], kind="stable"), count)
    ]
    return [
        Window(
            int(trace[pick]), Segment(int(start[pick]), int(cycle[pick]), int(cycle[pick]) + length)
        )
        for pick in picks
    ]


def starts(work: Work, at: Integers) -> Integers:
    """Of each cycle the latest one from which registers at 0 come into step until then; negative: there is none."""
    start = at.copy()
    for kind in work.settling:
        events = np.flatnonzero(kind)
        before = np.searchsorted(events, at - work.drain) - EVENTS
        found = events[np.maximum(before, 0)] - work.drain if len(events) else np.full_like(at, -1)
        start = np.minimum(start, np.where(before >= 0, found, -1))
    return start
