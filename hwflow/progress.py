"""Displays of progress on standard error: moving on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
)
from rich.status import Status
from rich.text import Text

QUIET_SECONDS = 10.0
"""Without a terminal nothing is said of what takes less, and then once in this time."""


class ProgressConsole(Console):
    """Standard error. What it shows while work goes on is plain lines where it is no terminal, or one that cannot move."""

    def __init__(self) -> None:
        super().__init__(stderr=True, highlight=False)

    def status(
        self, status: RenderableType, *, spinner: str = "line", **options: Any
    ) -> _SaidStatus:
        """A spinner with a text, for work of unknown length; see rich's Console.status."""
        return _SaidStatus(status, console=self, spinner=spinner, **options)

    def bar(self, *columns: ProgressColumn) -> SaidProgress:
        """Bars, for work of known length."""
        return SaidProgress(*columns, console=self, disable=not self.is_interactive)


class _Lines:
    """Says now and then what `text` returns, on a console that cannot move, until it is stopped."""

    def __init__(self, console: Console, text: Callable[[], str]) -> None:
        self._console, self._text = console, text
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if not self._console.is_interactive and self._thread is None:
            self._thread = threading.Thread(target=self._say, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _say(self) -> None:
        began = time.monotonic()
        while not self._over.wait(QUIET_SECONDS):
            if text := self._text():
                line = f"{text} ({duration(time.monotonic() - began)})"
                self._console.print(line, markup=False, soft_wrap=True)


class _SaidStatus(Status):
    """A spinner that also works without a terminal."""

    def __init__(self, status: RenderableType, **options: Any) -> None:
        super().__init__(status, **options)
        self._lines = _Lines(self.console, lambda: str(self.status))

    def start(self) -> None:
        """Begins to show."""
        self._lines.start()
        super().start()

    def stop(self) -> None:
        """Ends it."""
        self._lines.stop()
        super().stop()


class SaidProgress(Progress):
    """Bars that also work without a terminal."""

    def __init__(self, *columns: ProgressColumn, **options: Any) -> None:
        super().__init__(*columns, **options)
        self._lines = _Lines(self.console, self._text)

    def start(self) -> None:
        """Begins to show."""
        self._lines.start()
        super().start()

    def stop(self) -> None:
        """Ends it."""
        self._lines.stop()
        super().stop()

    def _text(self) -> str:
        return "; ".join(described(task) for task in self.tasks if not task.finished)


def described(task: Task) -> str:
    """A task in words: how much of it is done, and what remains."""
    if task.total is None:
        return task.description
    share = f"{task.description}: {task.completed:,.0f} of {task.total:,.0f}"
    left = task.time_remaining
    return share if left is None else f"{share}, {duration(left)} left"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, as 1:02:03 or 2:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Times(ProgressColumn):
    """Time so far, and what remains where that is known."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        """As in `0:12, 1:03 left`."""
        spent = task.finished_time if task.finished else task.elapsed
        text = duration(spent or 0)
        if not task.finished and task.time_remaining is not None:
            text += f", {duration(task.time_remaining)} left"
        return Text(text)


@contextmanager
def bar(
    description: str, total: int | None, *, counted: str = ""
) -> Generator[tuple[SaidProgress, TaskID]]:
    """A bar and its task. counted: what the numbers are of; empty for a percentage.

    The task has a field `rate`, text that is shown beside.
    """
    columns = (
        SpinnerColumn("line"),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn() if counted else TaskProgressColumn(),
        TextColumn(f"{counted}{{task.fields[rate]}}", markup=False),
        Times(),
    )
    with ProgressConsole().bar(*columns) as shown:
        yield shown, shown.add_task(description, total=total, rate="")
