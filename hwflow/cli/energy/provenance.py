"""What a file of figures says of where they are from."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer

if TYPE_CHECKING:
    from hwflow.energy.cells import Library


def hashes(library: Library) -> dict[str, str]:
    """Name of a Liberty file -> SHA-256 of its text."""
    return {
        name: hashlib.sha256(text.encode()).hexdigest() for name, text in library.sources.items()
    }


def command_line(context: typer.Context, name: str) -> str:
    """The command line, options that were given only; files by their last component, but for a relative target."""
    words = [f"hwflow energy {name}"]
    for option, value in context.params.items():
        source = context.get_parameter_source(option)
        if source is None or source.name != "COMMANDLINE" or option in ("out", "json"):
            continue
        many = cast(list[object], value) if isinstance(value, list) else [value]
        for each in many:
            path = Path(str(each))
            shown = path.name if isinstance(each, Path) or path.is_absolute() else each
            words.append(f"--{option.replace('_', '-')} {shown}")
    return " ".join(words)
