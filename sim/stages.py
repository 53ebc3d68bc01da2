"""Seconds of the stages of a run."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager


class Stages:
    """Wall seconds by stage, in the order in which the stages first ended."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Generator[None]:
        """Adds the block's seconds to the stage `name`."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.add(name, time.monotonic() - began)

    def add(self, name: str, seconds: float) -> None:
        """Adds seconds that were measured elsewhere."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
