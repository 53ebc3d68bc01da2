"""A space of designs: for each parameter the values to try, a part that a design must fit, and what is best.

A space is a YAML file; those in `hwflow/explore/spaces` are known by name. docs/explore.md describes its fields.
"""

from __future__ import annotations

import importlib.resources
import math
import random
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import yaml

from hwflow.config import AcceleratorConfig, load_target
from hwflow.errors import FlowError, suggestion

FIT = "fit"
"""Value of a parameter of `FITTED`: the least with which the network fits."""
FITTED = (
    "bit_rows",
    "byte_rows",
    "main_rows",
    "side_rows",
    "pool_rows",
    "line_pixels",
    "channel_limit",
)
CLOCK = "clock_mhz"
DESIGN = tuple(each.name for each in fields(AcceleratorConfig) if each.name != "name")
"""Parameters of a design that a space has values for, beside the clock."""
ALL_DRAWN = 1 << 21
"""Combinations up to which the order of drawing is a shuffle of all."""
MISSES = 200_000
"""Combinations without a design, one after the other, after which no more are drawn from a larger space: some seconds."""
MOST_MHZ = 10_000
RESOURCES = ("lut4", "block_rams", "multipliers")
MEMORIES = ("block-ram", "sdram")
"""Where a board keeps the network: in the part's block RAM, or beside it."""

Value = int | float | str
Point = dict[str, Value]


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a part has of each resource, and the share of it that a design may take so that it can be routed."""

    name: str
    lut4: int
    block_rams: int
    multipliers: int
    share: Mapping[str, float]

    def limit(self, resource: str) -> int:
        """How much of a resource a design may take."""
        return math.floor(getattr(self, resource) * self.share.get(resource, 1.0))


@dataclass(frozen=True, kw_only=True)
class Space:
    """A space of designs.

    memory: where the network lies, of `MEMORIES`; a design with block RAM must have room for it. baseline: the target to
    compare with, whose values parameters without an axis have. least_binary_macs: what a design must have to be chosen
    for the board; others are looked at, too. most_top1_loss: by how much less accurate than the network at its best width
    a design may be to be chosen. clock_evidence: of the clocks among the axes. axes: parameter -> values, in
    the order of `DESIGN`, the clock last.
    """

    name: str
    part: Part
    memory: str
    baseline: str | None
    least_binary_macs: int
    most_top1_loss: float
    clock_evidence: str
    axes: Mapping[str, tuple[Value, ...]]

    @property
    def size(self) -> int:
        """Combinations of values, those without a design among them."""
        return math.prod(len(values) for values in self.axes.values())

    def point(self, index: int) -> Point:
        """The combination of that number, 0..size-1; the last axis counts fastest."""
        chosen: Point = {}
        for name, values in reversed(list(self.axes.items())):
            index, at = divmod(index, len(values))
            chosen[name] = values[at]
        return {name: chosen[name] for name in self.axes}

    def points(self, count: int, seed: int) -> list[Point]:
        """`count` different designs, or all where there are no more, drawn by `seed`, in the order of their numbers.

        Raises:
            FlowError: there is none, or a space that is too large to be looked through hardly has any.
        """
        found: list[int] = []
        refused, misses = "", 0
        for index in self._drawn(seed):
            why = refusal(self.point(index))
            if why is None:
                found.append(index)
                misses = 0
                if len(found) == count:
                    break
                continue
            refused, misses = refused or why, misses + 1
            if misses == MISSES and self.size > ALL_DRAWN:
                raise FlowError(
                    f"space {self.name}: {len(found):,} designs drawn of {count:,}, then {misses:,} combinations one after "
                    f"the other that are none, as: {refused}; change its axes or ask for fewer"
                )
        if not found:
            raise FlowError(
                f"space {self.name}: none of its combinations is a design, as: {refused}; change its axes"
            )
        return [self.point(index) for index in sorted(found)]

    def _drawn(self, seed: int) -> Generator[int]:
        generator = random.Random(seed)
        if self.size <= ALL_DRAWN:
            order = list(range(self.size))
            generator.shuffle(order)
            yield from order
            return
        seen: set[int] = set()
        while len(seen) < self.size:
            index = generator.randrange(self.size)
            if index not in seen:
                seen.add(index)
                yield index

    def nearest(self, config: AcceleratorConfig) -> Point:
        """The combination that is most like a design: its values, FIT in place of others, else the nearest."""
        chosen: Point = {}
        for name, values in self.axes.items():
            numbers = [value for value in values if not isinstance(value, str)]
            wanted = numbers[0] if name == CLOCK else getattr(config, name)
            if wanted in values or not numbers:
                chosen[name] = wanted if wanted in values else FIT
            elif FIT in values:
                chosen[name] = FIT
            else:
                chosen[name] = min(numbers, key=lambda value: (abs(value - wanted), value))
        return chosen

    def neighbours(self, point: Point, changes: int) -> list[Point]:
        """Designs that differ from `point` in at least one and at most `changes` parameters, each in any way."""
        found: dict[tuple[Value, ...], Point] = {}
        axes = list(self.axes.items())

        def vary(start: int, left: int, now: Point) -> None:
            for at in range(start, len(axes)):
                name, values = axes[at]
                for value in values:
                    if value == point[name]:
                        continue
                    other = {**now, name: value}
                    if valid(other):
                        found.setdefault(tuple(other.values()), other)
                    if left > 1:
                        vary(at + 1, left - 1, other)

        vary(0, changes, point)
        return list(found.values())


def valid(point: Point) -> bool:
    """Whether the hardware can have these parameters; FIT counts as a value that it can."""
    return refusal(point) is None


def refusal(point: Point) -> str | None:
    """Why the hardware cannot have these parameters; None where it can."""
    try:
        design(
            {name: _least(name, point) if value == FIT else value for name, value in point.items()}
        )
    except FlowError as error:
        return str(error)
    return None


def _least(name: str, point: Point) -> Value:
    return point["cols"] if name == "channel_limit" else 16


def design(point: Mapping[str, Value], name: str = "point") -> AcceleratorConfig:
    """The accelerator of a point without FIT.

    Raises:
        FlowError: values that the hardware cannot have.
    """
    return AcceleratorConfig(name=name, **{key: cast(int, point[key]) for key in DESIGN})


def space_names() -> list[str]:
    """Names of the spaces that ship with the package, sorted."""
    folder = importlib.resources.files("hwflow.explore") / "spaces"
    return sorted(Path(p.name).stem for p in folder.iterdir() if p.name.endswith(".yaml"))


def load_space(space: str | Path) -> Space:
    """Reads a space: a shipped name, or a YAML file.

    Raises:
        FlowError: no such space, not YAML, an unknown or missing field, a value of the wrong kind.
    """
    text, known = str(space), space_names()
    try:
        if text.endswith((".yaml", ".yml")):
            content = Path(text).read_text(encoding="utf-8")
        elif text in known:
            folder = importlib.resources.files("hwflow.explore") / "spaces"
            content = (folder / f"{text}.yaml").read_text(encoding="utf-8")
        else:
            raise FlowError(
                f"unknown space {text!r}{suggestion(text, known)}; spaces are {', '.join(known)}, or a .yaml file"
            )
        values = yaml.safe_load(content)
    except FileNotFoundError as error:
        raise FlowError(f"space file {text} does not exist; name one that does") from error
    except UnicodeDecodeError as error:
        raise FlowError(f"space {text} is not UTF-8 text ({error}); save it as such") from error
    except yaml.YAMLError as error:
        raise FlowError(f"space {text} is not valid YAML: {error}".replace("\n", " ")) from error
    return _Reader(f"space {text}").space(values)


class _Reader:
    """Turns parsed YAML into a space; every complaint names the file and the field."""

    def __init__(self, source: str) -> None:
        self._source = source

    def _wrong(self, what: str) -> FlowError:
        return FlowError(f"{self._source}: {what}; see docs/explore.md")

    def _mapping(
        self, value: Any, where: str, known: Sequence[str], optional: Sequence[str] = ()
    ) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._wrong(f"{where} must be a mapping of fields")
        found = cast(dict[str, Any], value)
        for key in found:
            if key not in known:
                hint = suggestion(str(key), known) or f"; fields are {', '.join(known)}"
                raise self._wrong(f"{where} has an unknown field {key!r}{hint}")
        for key in known:
            if key not in found and key not in optional:
                raise self._wrong(f"{where} has no field {key!r}")
        return found

    def space(self, value: Any) -> Space:
        known = (
            "name",
            "part",
            "memory",
            "baseline",
            "least_binary_macs",
            "most_top1_loss",
            "clock_evidence",
            "axes",
        )
        optional = ("baseline", "least_binary_macs", "most_top1_loss")
        found = self._mapping(value, "it", known, optional)
        for key in ("name", "clock_evidence"):
            if not isinstance(found[key], str):
                raise self._wrong(f"{key} must be text")
        loss = found.get("most_top1_loss", 0)
        if not isinstance(loss, int | float) or isinstance(loss, bool) or not 0 <= loss <= 1:
            raise self._wrong(f"most_top1_loss {loss!r} must be 0..1")
        baseline = found.get("baseline")
        if baseline is not None and not isinstance(baseline, str):
            raise self._wrong("baseline must be the name of a target")
        if found["memory"] not in MEMORIES:
            raise self._wrong(f"memory {found['memory']!r} must be one of {', '.join(MEMORIES)}")
        return Space(
            name=found["name"],
            part=self._part(found["part"]),
            memory=found["memory"],
            baseline=baseline,
            least_binary_macs=self._whole(
                found.get("least_binary_macs", 0), "least_binary_macs", 0
            ),
            most_top1_loss=float(loss),
            clock_evidence=found["clock_evidence"],
            axes=self._axes(found["axes"], baseline),
        )

    def _whole(self, value: Any, where: str, least: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self._wrong(f"{where} {value!r} must be a whole number from {least} on")
        return value

    def _part(self, value: Any) -> Part:
        found = self._mapping(value, "part", ("name", *RESOURCES, "share"), ("share",))
        share = self._mapping(found.get("share", {}), "part.share", RESOURCES, RESOURCES)
        for key, part in share.items():
            if not isinstance(part, int | float) or isinstance(part, bool) or not 0 < part <= 1:
                raise self._wrong(f"part.share.{key} {part!r} must be above 0 and at most 1")
        counts = {key: self._whole(found[key], f"part.{key}", 1) for key in RESOURCES}
        return Part(name=str(found["name"]), share=share, **counts)

    def _axes(self, value: Any, baseline: str | None) -> dict[str, tuple[Value, ...]]:
        names = (*DESIGN, CLOCK)
        found = self._mapping(value, "axes", names, () if baseline is None else DESIGN)
        if baseline is not None:
            found = {**load_target(baseline).to_dict(), **found}
        axes: dict[str, tuple[Value, ...]] = {}
        for name in names:
            given = found[name]
            values: list[Any] = cast(list[Any], given) if isinstance(given, list) else [given]
            if not values:
                raise self._wrong(f"axes.{name} has no values")
            for each in values:
                self._value(name, each)
            if len(set(values)) < len(values):
                raise self._wrong(f"axes.{name} has a value twice")
            axes[name] = tuple(values)
        return axes

    def _value(self, name: str, value: Any) -> None:
        if name == CLOCK:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 < value <= MOST_MHZ:
                raise self._wrong(
                    f"axes.{name}: {value!r} must be megahertz above 0 and at most {MOST_MHZ}"
                )
        elif name in FITTED and isinstance(value, str):
            if value != FIT:
                raise self._wrong(f"axes.{name}: {value!r} must be a whole number or {FIT}")
        else:
            self._whole(value, f"axes.{name}:", 0)
