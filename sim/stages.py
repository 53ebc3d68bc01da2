"""Seconds of the stages of a run."""

from __future__ import annotations

import resource
import time
from collections.abc import Generator
from contextlib import contextmanager


def children_cpu() -> float:
    """CPU seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Stages:
    """Wall and CPU seconds by stage, in the order in which the stages first ended.

    On a loaded machine the wall time says little; the CPU time is this process's, and where a stage
    runs others, theirs.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu_seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, *, children: bool = False) -> Generator[None]:
        """Adds the block's seconds to the stage `name`; with the CPU time of `children` that end in it."""

        def cpu() -> float:
            return time.process_time() + (children_cpu() if children else 0.0)

        began, used = time.monotonic(), cpu()
        try:
            yield
        finally:
            self.add(name, time.monotonic() - began, cpu() - used)

    def add(self, name: str, seconds: float, cpu_seconds: float) -> None:
        """Adds seconds that were measured elsewhere."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        self.cpu_seconds[name] = self.cpu_seconds.get(name, 0.0) + cpu_seconds
