"""Progress of a training run, on standard error."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from hwflow.progress import ProgressConsole, Times

Report = Callable[[int, int], None]
"""Called with (done, of how many)."""


def training_progress() -> Progress:
    """A display whose tasks may have a field `note`, such as the loss."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        Times(),
    )
    return ProgressConsole().bar(*columns)


@contextmanager
def shown(progress: Progress | None) -> Generator[Progress]:
    """The caller's running display, or one of our own for the length of the block."""
    if progress is not None:
        yield progress
        return
    with training_progress() as own:
        yield own


def reporter(progress: Progress, description: str) -> Report:
    """A new task that is told (done, of how many)."""
    task = progress.add_task(description, total=None, note="")
    return lambda done, total: progress.update(task, completed=done, total=total)
