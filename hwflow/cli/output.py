"""What the commands share: consoles, tables, JSON, and output that is whole or not there."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from hwflow import interruption, progress
from hwflow.cli import complete
from hwflow.errors import FlowError
from hwflow.progress import ProgressConsole

REPORT_WIDTH = 180
"""Least width of a report: a narrower terminal wraps lines, but no number is cut."""

Json = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]
Target = Annotated[
    str, typer.Option(help="name of a target, or a .yaml file", autocompletion=complete.targets)
]


def console() -> Console:
    """Standard output, for reports."""
    width = max(shutil.get_terminal_size().columns, REPORT_WIDTH)
    return Console(width=width, highlight=False)


def refuse_beside(context: typer.Context, decisive: str, ignored: Sequence[str]) -> None:
    """Raises FlowError when the command line has one of `ignored` beside option `decisive`.

    Names are those of the command's parameters.
    """
    for name in ignored:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            given, other = (f"--{each.replace('_', '-')}" for each in (decisive, name))
            raise FlowError(f"{given} and {other} exclude each other; give one of them")


def progress_console() -> ProgressConsole:
    """Standard error, for progress displays and notes."""
    return ProgressConsole()


def print_json(value: Any) -> None:
    """Prints `value` on standard output, keys in the order given."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def table(title: str, columns: Sequence[str], *, left: int = 1) -> Table:
    """An empty table; the first `left` columns are text, the others numbers."""
    made = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for index, name in enumerate(columns):
        made.add_column(name, justify="left" if index < left else "right", no_wrap=True)
    return made


def number(value: float | None, digits: int = 0) -> str:
    """A number with thousands separated; nothing for None."""
    return "" if value is None else f"{value:,.{digits}f}"


class SimulationReport:
    """Feeds a progress bar from simulations that each count their images from 0."""

    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar, self._task = bar, task
        self._began: float | None = None

    def from_image(self, first: int, cycles: int) -> Callable[[int, int], None]:
        """What a simulation calls with its (images done, cycles)."""
        return lambda done, more: self.reached(first + done, cycles + more)

    def reached(self, done: int, cycles: int) -> None:
        """Shows that `done` images and `cycles` cycles are simulated."""
        if cycles and self._began is None:
            self._began = time.monotonic()
            self._bar.update(self._task, description="simulating")
        seconds = time.monotonic() - self._began if self._began is not None else 0.0
        rate = f"{number(cycles / seconds)} cycles/s" if seconds else ""
        self._bar.update(self._task, completed=done, rate=rate)


@contextmanager
def simulation_progress(description: str, images: int) -> Generator[SimulationReport]:
    """A progress bar over `images` images on standard error."""
    with progress.bar(description, images, counted="images ") as (bar, task):
        yield SimulationReport(bar, task)


@contextmanager
def counted_progress(description: str) -> Generator[Callable[[int, int], None]]:
    """A progress bar on standard error; yields what is told (done, of how many)."""
    with progress.bar(description, None) as (bar, task):
        yield lambda done, total: bar.update(task, completed=done, total=total)


def check_staged(folder: Path) -> None:
    """Raises FlowError when `folder`, or a folder it would be in, is a file."""
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise FlowError(f"{path} is a file; give a folder to write to")


@contextmanager
def staged(folder: Path) -> Generator[Path]:
    """A scratch folder whose files move into `folder` once the block has ended well.

    After an exception `folder` is as it was. Other files in `folder` stay.

    Raises:
        FlowError: `folder` is a file.
    """
    check_staged(folder)
    existing = next(p for p in (folder, *folder.absolute().parents) if p.is_dir())
    scratch = Path(tempfile.mkdtemp(prefix=".hwflow-", dir=existing))
    try:
        yield scratch
        with interruption.put_off():
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(scratch.rglob("*")):
                if path.is_file():
                    final = folder / path.relative_to(scratch)
                    final.parent.mkdir(parents=True, exist_ok=True)
                    path.replace(final)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
