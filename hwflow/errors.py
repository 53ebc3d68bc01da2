"""The one exception type that user-facing code raises for bad input."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FlowError(Exception):
    """Bad input from the user: a file, a field or an option that cannot be used.

    The message is one line that names the file or field, says what was expected and what to do.
    The command line prints it without a traceback and exits with status 2.
    """


class UnsuitableError(FlowError):
    """A target that cannot run a network, or of which a model knows nothing: a search over targets goes on to the next."""


def get_extra(extra: str) -> str:
    """How to get the packages of an extra of pyproject.toml.

    Always from the clone: no public index has a package of the name hwflow that is shown to be this one.
    """
    return f"run `make venv`, or pip install -e '.[{extra}]' in the clone"


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean NEAREST?` to go after an unknown name, or nothing where none is near."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""
