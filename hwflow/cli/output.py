"""What the commands share: consoles, tables, JSON, and output that is whole or not there."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from hwflow.errors import FlowError

REPORT_WIDTH = 140
"""Width of tables that do not go to a terminal."""

Json = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]
Target = Annotated[str, typer.Option(help="name of a target, or a .yaml file")]


def console() -> Console:
    """Standard output, for reports."""
    return Console(width=None if sys.stdout.isatty() else REPORT_WIDTH, highlight=False)


def progress_console() -> Console:
    """Standard error, for progress displays and notes."""
    return Console(stderr=True, highlight=False)


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


@contextmanager
def staged(folder: Path) -> Generator[Path]:
    """A scratch folder whose files move into `folder` once the block has ended well.

    After an exception `folder` is as it was. Other files in `folder` stay.

    Raises:
        FlowError: `folder` is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise FlowError(f"{folder} is a file; give a folder to write to")
    existing = next(p for p in (folder, *folder.absolute().parents) if p.is_dir())
    scratch = Path(tempfile.mkdtemp(prefix=".hwflow-", dir=existing))
    try:
        yield scratch
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(scratch.rglob("*")):
            if path.is_file():
                final = folder / path.relative_to(scratch)
                final.parent.mkdir(parents=True, exist_ok=True)
                path.replace(final)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
