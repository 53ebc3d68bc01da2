"""Writes every page and drawing of docs/ that is made from the code: `python -m docs.generate`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from docs.generate import drawings, tables, worked_example
from hwflow import register_files

DOCS = Path(__file__).parents[1]

MADE: Mapping[str, Callable[[], str]] = {
    "instructions.md": tables.instructions,
    "records.md": tables.records,
    "files.md": tables.files,
    "worked-example.md": worked_example.page,
    "registers.md": register_files.markdown,
    "drawings/flow.svg": drawings.flow,
    "drawings/accelerator.svg": drawings.accelerator,
    "drawings/systolic.svg": drawings.systolic,
    "drawings/banks.svg": drawings.banks,
}
"""File below docs/ and what gives its text."""


def main() -> None:
    """Write each file that differs."""
    for name, make in MADE.items():
        path = DOCS / name
        text = make()
        if not path.is_file() or path.read_text() != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)


if __name__ == "__main__":
    main()
