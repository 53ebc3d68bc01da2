"""Faults of a serial line, by a seeded plan: what the fault tests put between a host and a board."""

from __future__ import annotations

import random
from collections import Counter, deque
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FaultPlan:
    """Chances are of a byte, in either direction; resets and the cut come after so many bytes from the host.

    delay_polls: how long a delayed byte and those behind it are held, in polls of the bench.
    """

    seed: int = 1
    corrupt: float = 0.0
    drop: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0
    delay_polls: int = 50
    resets: tuple[int, ...] = ()
    cut: int | None = None


class FaultyLine:
    """One direction of a line. Bytes go in as they come, and out, perhaps other ones, when they are due."""

    def __init__(self, plan: FaultPlan, name: str) -> None:
        self._plan = plan
        self._random = random.Random(f"{plan.seed} {name}")
        self._queue: deque[tuple[int, int]] = deque()
        self._now = 0
        self._free_at = 0
        self.counts: Counter[str] = Counter()

    def put(self, data: bytes) -> None:
        """Bytes enter the line."""
        for byte in data:
            copies = 1
            if self._happens("corrupt"):
                byte ^= self._random.randrange(1, 256)
            if self._happens("drop"):
                copies = 0
            elif self._happens("duplicate"):
                copies = 2
            if self._happens("delay"):
                self._free_at = max(self._free_at, self._now) + self._plan.delay_polls
            self._queue.extend([(self._free_at, byte)] * copies)

    def take(self, most: int) -> bytes:
        """What leaves the line now, at most so many bytes."""
        out = bytearray()
        while self._queue and self._queue[0][0] <= self._now and len(out) < most:
            out.append(self._queue.popleft()[1])
        return bytes(out)

    def tick(self) -> None:
        """A poll is over."""
        self._now += 1

    @property
    def empty(self) -> bool:
        """Nothing is on the line."""
        return not self._queue

    def _happens(self, fault: str) -> bool:
        happens = self._random.random() < getattr(self._plan, fault)
        self.counts[fault] += happens
        return happens
