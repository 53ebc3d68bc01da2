"""A progress bar for simulations, on standard error."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sim.network import Progress as Report


@contextmanager
def bar(images: int, *, title: str = "simulating") -> Generator[Report]:
    """Shows images done and cycles simulated; yields the callback that `simulate` takes as `progress`."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("images, {task.fields[cycles]:,} cycles"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=images, cycles=0)

        def report(done: int, cycles: int) -> None:
            progress.update(task, completed=done, cycles=cycles)

        yield report
