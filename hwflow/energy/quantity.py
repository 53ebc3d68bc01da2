"""Joules with what makes them uncertain, kept apart by cause."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hwflow.energy.characterisation import Interval


@dataclass(frozen=True)
class Quantity:
    """A mean in joules and half widths of 95% intervals by cause.

    What one cause does to several terms adds up linearly: the same unit's mean is used for all of them. Causes are
    independent, so their sum is the root of the squares; half widths of different degrees of freedom are added alike,
    which is approximate.
    """

    mean: float = 0.0
    causes: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def half(self) -> float:
        """Half the width of the 95% interval."""
        return math.sqrt(sum(each**2 for each in self.causes.values()))

    def to_dict(self) -> dict[str, float]:
        """For JSON: mean, low, high in joules."""
        return {"mean": self.mean, "low": self.mean - self.half, "high": self.mean + self.half}


def times(number: float, each: Interval, cause: str) -> Quantity:
    """`number` events of energy `each`."""
    half = (each.high - each.low) / 2
    return Quantity(number * each.mean, {cause: number * half} if half else {})


def total(parts: Iterable[Quantity]) -> Quantity:
    """The sum."""
    mean = 0.0
    causes: dict[str, float] = {}
    for part in parts:
        mean += part.mean
        for cause, half in part.causes.items():
            causes[cause] = causes.get(cause, 0.0) + half
    return Quantity(mean, causes)
