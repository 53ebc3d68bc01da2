"""Logs of bench meters: CSV files whose columns and units are in the header or in options."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hwflow.energy.measure.log import PowerLog, make_log
from hwflow.errors import FlowError

UNITS: Mapping[str, Mapping[str, float]] = {
    "time": {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9},
    "power": {"W": 1.0, "mW": 1e-3, "uW": 1e-6},
    "voltage": {"V": 1.0, "mV": 1e-3, "uV": 1e-6},
    "current": {"A": 1.0, "mA": 1e-3, "uA": 1e-6},
}
"""Units of each quantity and their size in the first one."""

_HEADER = re.compile(r"(?P<name>.*?)\s*[\[(/]\s*(?P<unit>[^\])]+?)\s*[\])]?\s*")
_SUFFIX = re.compile(r"(?P<name>.+)_(?P<unit>[a-zA-Zµ]+)")
DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Columns:
    """Options that name columns, each as NAME or NAME=UNIT; None: found by name, unit from the header."""

    time: str | None = None
    power: str | None = None
    voltage: str | None = None
    current: str | None = None


@dataclass(frozen=True)
class _Column:
    place: int
    title: str
    scale: float


def read_csv(
    path: Path, columns: Columns, *, allow_missing: float, allow_negative_w: float
) -> tuple[PowerLog, str]:
    """A log and the title of what was measured. Lines that begin with # are comments; empty cells are missing samples.

    Raises:
        FlowError: no such file, no header, a column or unit that is missing or contradictory, a cell that is no
            number, and what `make_log` refuses.
    """
    rows = _rows(path)
    if len(rows) < 2:
        raise FlowError(f"{path}: no samples; expected a header and a line a sample")
    (_, header), body = rows[0], rows[1:]
    time = _find(path, header, "time", columns.time)
    voltage = current = None
    power = _find(path, header, "power", columns.power, needed=columns.power is not None)
    if power is None:
        voltage = _find(path, header, "voltage", columns.voltage)
        current = _find(path, header, "current", columns.current)
    assert time is not None
    lines = [line for line, _ in body]
    clock = [_cell(path, line, row, time, empty=False) for line, row in body]
    if power is not None:
        watts = [_cell(path, line, row, power) for line, row in body]
        title = power.title
    else:
        assert voltage is not None
        assert current is not None
        watts = [
            _cell(path, line, row, voltage) * _cell(path, line, row, current) for line, row in body
        ]
        title = f"{voltage.title} x {current.title}"
    log = make_log(
        str(path),
        clock,
        watts,
        lines,
        allow_missing=allow_missing,
        allow_negative_w=allow_negative_w,
    )
    return log, title


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise FlowError(f"{path}: cannot be read ({error.strerror}); name a CSV log") from error
    except UnicodeDecodeError as error:
        raise FlowError(f"{path}: not UTF-8 text ({error}); export the log as CSV") from error
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.startswith("#")
    ]
    if not lines:
        raise FlowError(f"{path}: empty; expected a header and a line a sample")
    delimiter = max(DELIMITERS, key=lines[0][1].count)
    parsed = csv.reader((line for _, line in lines), delimiter=delimiter)
    try:
        return [(number, row) for (number, _), row in zip(lines, parsed, strict=False)]
    except csv.Error as error:
        raise FlowError(f"{path}: not CSV ({error}); export the log again") from error


def _split(title: str) -> tuple[str, str]:
    """Name and unit of a column's title: `Power [mW]`, `power (W)`, `time/s`, `time_ms`; unit "" if there is none."""
    found = _HEADER.fullmatch(title.strip()) or _SUFFIX.fullmatch(title.strip())
    if found is None:
        return title.strip(), ""
    unit = found["unit"].replace("µ", "u").replace("μ", "u")
    if found.re is _SUFFIX and not any(unit in units for units in UNITS.values()):
        return title.strip(), ""
    return found["name"].strip(), unit


def _find(
    path: Path,
    header: Sequence[str],
    quantity: str,
    option: str | None,
    *,
    needed: bool = True,
) -> _Column | None:
    """The column of a quantity; None where it need not be there and is not."""
    wanted, equals, given = (option or quantity).partition("=")
    titles = [_split(title) for title in header]
    matches = [
        place
        for place, (name, _) in enumerate(titles)
        if header[place].strip() == wanted or name.lower() == wanted.lower()
    ]
    shown = ", ".join(title.strip() for title in header)
    if not matches:
        if not needed:
            return None
        raise FlowError(
            f"{path}: no column of {quantity} named {wanted!r}; the header has {shown}; name one with "
            f"--{quantity}-column NAME=UNIT"
        )
    if len(matches) > 1:
        raise FlowError(
            f"{path}: {len(matches)} columns are named {wanted!r}; name one as the header has it: {shown}"
        )
    place = matches[0]
    unit = titles[place][1]
    known = UNITS[quantity]
    if equals and unit in known and given != unit:
        raise FlowError(
            f"{path}: the header gives {header[place].strip()!r}, --{quantity}-column the unit {given!r}; drop one"
        )
    unit = given if equals else unit
    if unit not in known:
        other = next((q for q, units in UNITS.items() if unit in units), None)
        said = "has no unit" if not unit else f"has the unit {unit!r}"
        if other is not None:
            said += f", one of {other}"
        raise FlowError(
            f"{path}: column {header[place].strip()!r} {said}; expected {', '.join(known)}; state it with "
            f"--{quantity}-column '{wanted}=UNIT'"
        )
    return _Column(place, header[place].strip(), known[unit])


def _cell(path: Path, line: int, row: list[str], column: _Column, *, empty: bool = True) -> float:
    text = row[column.place].strip() if column.place < len(row) else ""
    if empty and text.lower() in ("", "nan", "n/a"):
        return float("nan")
    try:
        return float(text) * column.scale
    except ValueError as error:
        raise FlowError(
            f"{path}, line {line}: {text!r} in column {column.title!r} is no number; use a point for decimals, or "
            "leave the cell empty for a missing sample"
        ) from error
