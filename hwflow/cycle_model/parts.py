"""Building blocks of the cycle model: a FIFO with a registered output, a delay line, the memory."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import Generic, TypeVar

T = TypeVar("T")


class BufferedFifo(Generic[T]):
    """Control of `amaranth.lib.fifo.SyncFIFOBuffered`: an item is readable two cycles after its write."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._items: deque[T] = deque()
        self._inner = 0
        self.readable = False

    @property
    def writable(self) -> bool:
        """There is room in this cycle."""
        return not self.readable if self._depth == 1 else self._inner != self._depth - 1

    @property
    def level(self) -> int:
        """Items inside, the one at the output included."""
        return self._inner + self.readable

    @property
    def head(self) -> T:
        """The item at the output; only when `readable`."""
        return self._items[0]

    def step(self, item: T | None, read: bool) -> None:
        """One clock edge: write `item` if there is room, remove the head if `read`."""
        write = item is not None and self.writable
        if write and item is not None:
            self._items.append(item)
        if read and self.readable:
            self._items.popleft()
        if self._depth == 1:
            self.readable = write or (self.readable and not read)
            return
        refill = self._inner > 0 and (not self.readable or read)
        self._inner += write - refill
        if refill:
            self.readable = True
        elif read:
            self.readable = False


class Delay(Generic[T]):
    """A value `cycles` cycles later; before that, `idle`."""

    def __init__(self, cycles: int, idle: T) -> None:
        self._line: deque[T] = deque([idle] * cycles)

    def step(self, value: T) -> T:
        """Shift `value` in at this cycle; returns what was shifted in `cycles` cycles before."""
        self._line.append(value)
        return self._line.popleft()


class MemoryPort:
    """In-order memory: a request's first beat can be taken `latency` cycles after the request was accepted.

    bandwidth: beats a cycle, at most 1. What a cycle adds beyond one beat is lost, as in the simulated memory, so that
    only 1/n is met in the long run; steady: it is kept, and every fraction is met.

    Requests are always accepted (its queue is longer than the loader's).
    A beat to write is taken when `write_ready` is set, before beats are read, and lands as late as a first beat comes:
    `written` is set in that cycle. `write` is set by the writer in the cycle in which one is taken.
    """

    def __init__(self, latency: int, bandwidth: Fraction, *, steady: bool = False) -> None:
        self._latency = latency
        self._beats, self._per = bandwidth.numerator, bandwidth.denominator
        self._queue: deque[list[int]] = deque()
        self._credit = 0
        self._most = self._per + (self._beats - 1 if steady else 0)
        self._landing: deque[int] = deque()
        self.beat_valid = False
        self.write = self.written = False
        self.write_ready = True

    def step(self, cycle: int, request: int, taken: bool) -> None:
        """One clock edge: `request` beats are asked for (0: none); `taken` says that the beat on offer was accepted."""
        self._credit = min(self._credit + self._beats, self._most)
        if self.write:
            self._credit -= self._per
            self._landing.append(cycle + self._latency - 1)
            self.write = False
        self.written = bool(self._landing) and cycle >= self._landing[0]
        if self.written:
            self._landing.popleft()
        if request:
            self._queue.append([cycle + self._latency - 1, request])
        if taken or not self.beat_valid:
            self._answer(cycle)
        self.write_ready = self._credit + self._beats >= self._per

    def _answer(self, cycle: int) -> None:
        """The next beat that is read, if one is due."""
        self.beat_valid = False
        if self._queue and cycle >= self._queue[0][0] and self._credit >= self._per:
            self.beat_valid = True
            self._credit -= self._per
            self._queue[0][1] -= 1
            if not self._queue[0][1]:
                self._queue.popleft()
