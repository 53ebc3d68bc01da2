"""Names, texts and numbers of a Liberty group as liberty-parser gives them."""

from __future__ import annotations

import math
import re
from typing import Any

from hwflow.errors import FlowError


def name_of(value: Any) -> str:
    """A name, with or without quotes."""
    return str(value).strip('"')


def text_of(group: Any, name: str) -> str:
    """An attribute's last value as text; empty when it has none."""
    values = group.get_attributes(name)
    return name_of(values[-1]) if values else ""


def number_of(group: Any, name: str, default: float | None) -> Any:
    """An attribute's last value, finite, or `default`.

    Raises:
        FlowError: it is no finite number.
    """
    values = group.get_attributes(name)
    if not values:
        return default
    return _float(name_of(values[-1]), name)


def _float(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FlowError(f"{what} is {text!r}; expected a number in the Liberty file")
    return value


def list_of(group: Any, name: str) -> list[Any]:
    """The values of a complex attribute."""
    values = [] if group is None else group.get_attributes(name)
    if not values:
        return []
    return values[-1] if isinstance(values[-1], list) else [values[-1]]


def floats_of(values: Any) -> list[float]:
    """The numbers of lists in quotes.

    Raises:
        FlowError: one is no finite number.
    """
    texts = values if isinstance(values, list) else [values]
    return [
        _float(part, "an element of a table")
        for text in texts
        for part in re.split(r"[,\s\\]+", name_of(text).strip())
        if part
    ]
