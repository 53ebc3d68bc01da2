"""What a characterisation says: joules of one operation of each unit, mapped to one library.

`hwflow energy characterise` writes it (bench/energy/*.json), the network's energy and the comparison read it.
docs/energy.md has the accounting behind the figures.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
from scipy.stats import t as student

from hwflow.errors import FlowError
from hwflow.files import write_atomically

VERSION = 1
EVIDENCE = "gate-level"
LEAST_SEGMENTS = 10
"""Segments below which no interval is given."""
CONFIDENCE = 0.95

Operands = Literal["recorded", "random"]
UnitName = Literal[
    "binary_pe",
    "mac8_pe",
    "mac4_pe",
    "bf16_mac",
    "vector_lane",
    "feature_periphery",
    "binary_operands",
    "mac8_operands",
    "mac4_operands",
    "bf16_operands",
]
UNITS: tuple[UnitName, ...] = get_args(UnitName)
OPERATIONS: Mapping[UnitName, str] = {
    "binary_pe": "binary_mac",
    "mac8_pe": "mac8x8",
    "mac4_pe": "mac4x4",
    "bf16_mac": "bf16_mac",
    "vector_lane": "element",
    "feature_periphery": "tap_read",
    "binary_operands": "binary_mac",
    "mac8_operands": "mac8x8",
    "mac4_operands": "mac4x4",
    "bf16_operands": "bf16_mac",
}
"""What each unit's energy is given for: one binary, 8x8, 4x4 bit or bfloat16 multiply-add (all slots of a step, masked
and padded ones too), one element through a vector lane, one read of a tap (all banks of one feature memory)."""
OPERAND_REGISTERS: Mapping[UnitName, UnitName] = {
    "binary_pe": "binary_operands",
    "mac8_pe": "mac8_operands",
    "mac4_pe": "mac4_operands",
    "bf16_mac": "bf16_operands",
}
"""The registers outside a processing element that hold its operands: what to add to it for the energy of its MACs."""
PARTS = ("datapath", "registers", "clock", "leakage")
"""Parts of an energy, whose sum is its `total`."""


@dataclass(frozen=True)
class Interval:
    """A mean over segments and its 95% Student interval, all in joules."""

    mean: float
    low: float
    high: float

    @property
    def relative(self) -> float:
        """Half the interval's width over the mean; 0 where all segments gave 0."""
        half = (self.high - self.low) / 2
        return half / abs(self.mean) if self.mean else (0.0 if half == 0 else math.inf)


@dataclass(frozen=True)
class EnergySplit:
    """An energy and its parts, in joules; every part's interval stands for itself."""

    datapath: Interval
    registers: Interval
    clock: Interval
    leakage: Interval
    total: Interval


@dataclass(frozen=True)
class LibraryRecord:
    """The cell library: its name, the SHA-256 of every file's text by file name, its supply in volts."""

    name: str
    files: dict[str, str]
    voltage: float


@dataclass(frozen=True)
class UnitCharacterisation:
    """One unit on one kind of operands.

    Attributes:
        unit, operation: what was mapped and what its energy is given for (`OPERATIONS`).
        parameters: sizes of the unit, by name.
        operands: recorded from the RTL running the network, or random data under the recorded control.
        operations: counted in all segments; masked: those of them that add nothing.
        operations_per_cycle: of one instance that is busy.
        segments, cycles: of the stream that were counted.
        period: of the clock, seconds. cells: of the netlist. area: in the library's unit, mostly um^2.
        per_operation: J an operation of a busy cycle: what a segment took less its idle cycles, over its operations.
        idle_per_cycle: J a cycle in which the unit has nothing to do: clock, leakage, what toggles nevertheless.
            Energy of a unit in a run = operations * per_operation
            + (cycles - operations / operations_per_cycle) * idle_per_cycle.
        netlist, stimulus: SHA-256.
    """

    unit: UnitName
    operation: str
    parameters: dict[str, int]
    operands: Operands
    operations: int
    masked: int
    operations_per_cycle: int
    segments: int
    cycles: int
    period: float
    cells: int
    area: float
    per_operation: EnergySplit
    idle_per_cycle: EnergySplit
    netlist: str
    stimulus: str
    evidence: str = EVIDENCE


@dataclass(frozen=True)
class Characterisation:
    """All units of one run of the command: one library, one network's operands.

    Attributes:
        library: the cells. network, target: names of what was recorded. images: how many. seed: of the choice of
            segments and of the random operands. tools: versions by name. command: that makes the file.
    """

    library: LibraryRecord
    network: str
    target: str
    images: int
    seed: int
    tools: dict[str, str]
    command: str
    units: tuple[UnitCharacterisation, ...]

    def unit(self, unit: UnitName, operands: Operands = "recorded") -> UnitCharacterisation:
        """The characterisation of `unit` on `operands`.

        Raises:
            FlowError: it is not there, with the command that makes it.
        """
        for each in self.units:
            if (each.unit, each.operands) == (unit, operands):
                return each
        raise FlowError(
            f"the characterisation of {self.library.name} has no {unit} on {operands} operands; "
            f"run `hwflow energy characterise` with --unit {unit}, or without --unit for all"
        )

    def json(self) -> str:
        """The file's text; same content, same bytes."""
        return json.dumps({"version": VERSION, **asdict(self)}, indent=1) + "\n"

    def save(self, path: Path) -> None:
        """Writes the file, whole or not at all.

        Raises:
            FlowError: it cannot be written.
        """
        write_atomically(path, self.json().encode())


def interval(samples: Sequence[float]) -> Interval:
    """Mean and 95% Student interval of one value a segment (n - 1 degrees of freedom).

    Raises:
        FlowError: fewer than `LEAST_SEGMENTS` samples.
    """
    count = len(samples)
    if count < LEAST_SEGMENTS:
        raise FlowError(
            f"{count} segments are too few for an interval; give --segments {LEAST_SEGMENTS} or more"
        )
    values = np.asarray(samples, np.float64)
    mean = float(values.mean())
    error = float(values.std(ddof=1)) / math.sqrt(count)
    half = float(student.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
    return Interval(mean, mean - half, mean + half)


def load(path: Path) -> Characterisation:
    """The characterisation in a file.

    Raises:
        FlowError: unreadable, another version, or a field that is missing or wrong, named.
    """
    try:
        content: Any = json.loads(path.read_text())
    except OSError as error:
        raise FlowError(
            f"{path}: cannot be read ({error.strerror}); name a file of hwflow energy characterise"
        ) from error
    except ValueError as error:
        raise FlowError(
            f"{path}: not JSON ({error}); make it again with hwflow energy characterise"
        ) from error
    found = _Reader(content, str(path), "")
    version = found.integer("version")
    if version != VERSION:
        raise found.wrong("version", f"is {version}, this is for {VERSION}")
    units = found.items("units")
    if not units:
        raise found.wrong("units", "is empty")
    library = found.inner("library")
    return Characterisation(
        library=LibraryRecord(
            library.text("name"),
            library.texts("files"),
            library.number("voltage", least=1e-3),
        ),
        network=found.text("network"),
        target=found.text("target"),
        images=found.integer("images", least=1),
        seed=found.integer("seed"),
        tools=found.texts("tools"),
        command=found.text("command"),
        units=tuple(_unit(each) for each in units),
    )


def _unit(found: _Reader) -> UnitCharacterisation:
    unit = found.text("unit")
    if unit not in UNITS:
        raise found.wrong("unit", f"is {unit!r}, not one of {', '.join(UNITS)}")
    if found.text("operation") != OPERATIONS[unit]:
        raise found.wrong("operation", f"of {unit} must be {OPERATIONS[unit]}")
    operands = found.text("operands")
    if operands not in get_args(Operands):
        raise found.wrong("operands", f"is {operands!r}, not recorded or random")
    if found.text("evidence") != EVIDENCE:
        raise found.wrong("evidence", f"must be {EVIDENCE}")
    return UnitCharacterisation(
        unit=unit,
        operation=OPERATIONS[unit],
        parameters=found.integers("parameters"),
        operands=cast(Operands, operands),
        operations=found.integer("operations", least=1),
        masked=found.integer("masked"),
        operations_per_cycle=found.integer("operations_per_cycle", least=1),
        segments=found.integer("segments", least=LEAST_SEGMENTS),
        cycles=found.integer("cycles", least=1),
        period=found.number("period", least=1e-15),
        cells=found.integer("cells", least=1),
        area=found.number("area", least=0),
        per_operation=_split(found.inner("per_operation")),
        idle_per_cycle=_split(found.inner("idle_per_cycle")),
        netlist=found.text("netlist"),
        stimulus=found.text("stimulus"),
    )


def _split(found: _Reader) -> EnergySplit:
    parts = {name: _interval(found.inner(name)) for name in (*PARTS, "total")}
    total = sum(parts[name].mean for name in PARTS)
    if not math.isclose(parts["total"].mean, total, rel_tol=1e-9, abs_tol=1e-30):
        raise found.wrong("total", "is not the sum of its parts")
    return EnergySplit(**parts)


def _interval(found: _Reader) -> Interval:
    made = Interval(*(found.number(name) for name in ("mean", "low", "high")))
    if not made.low <= made.mean <= made.high:
        raise found.wrong("mean", "lies outside low..high")
    return made


class _Reader:
    """A JSON object whose fields are asked for by name and type; complaints name file and field."""

    def __init__(self, value: Any, path: str, where: str) -> None:
        self._path, self._where = path, where
        if not isinstance(value, dict):
            raise FlowError(f"{path}: {where or 'the file'} is not a JSON object; {_AGAIN}")
        self._value = cast(dict[str, Any], value)

    def wrong(self, name: str, what: str) -> FlowError:
        return FlowError(f"{self._path}: {self._where}{name} {what}; {_AGAIN}")

    def _get(self, name: str) -> Any:
        if name not in self._value:
            raise self.wrong(name, "is missing")
        return self._value[name]

    def inner(self, name: str) -> _Reader:
        return _Reader(self._get(name), self._path, f"{self._where}{name}.")

    def items(self, name: str) -> list[_Reader]:
        value = self._get(name)
        if not isinstance(value, list):
            raise self.wrong(name, "is not a list")
        many = cast(list[Any], value)
        return [
            _Reader(each, self._path, f"{self._where}{name}[{at}].") for at, each in enumerate(many)
        ]

    def text(self, name: str) -> str:
        value = self._get(name)
        if not isinstance(value, str):
            raise self.wrong(name, "is not text")
        return value

    def number(self, name: str, *, least: float = -math.inf) -> float:
        value = self._get(name)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise self.wrong(name, "is not a number")
        if value < least:
            raise self.wrong(name, f"is {value}, expected at least {least}")
        return float(value)

    def integer(self, name: str, *, least: int = 0) -> int:
        value = self._get(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong(name, "is not an integer")
        if value < least:
            raise self.wrong(name, f"is {value}, expected at least {least}")
        return value

    def texts(self, name: str) -> dict[str, str]:
        inner = self.inner(name)
        return {key: inner.text(key) for key in inner._value}

    def integers(self, name: str) -> dict[str, int]:
        inner = self.inner(name)
        return {key: inner.integer(key) for key in inner._value}


_AGAIN = "make it again with hwflow energy characterise"
