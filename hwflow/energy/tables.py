"""Tables of a cell library over one or two variables, and functions of pins as truth tables."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hwflow.errors import FlowError

Floats = npt.NDArray[np.float64]
Truth = npt.NDArray[np.bool_]
"""[2**n], index: the values of n variables, variable 0 in bit 0."""


@dataclass(frozen=True)
class Table:
    """Values over `x` (slew of the related pin, s) and `y` (load, F; of constraints: slew of the data pin, s).

    values: [x][y], in SI units (s or J). One point on an axis: constant along it.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    def at(self, x: float, y: float) -> float:
        """Bilinear interpolation, and linear extrapolation from the outermost interval (Liberty's convention)."""
        i, s = _place(self.x, x)
        j, t = _place(self.y, y)
        row = self.values[i]
        near = row[j] if t == 0 else row[j] + t * (row[j + 1] - row[j])
        if s == 0:
            return near
        row = self.values[i + 1]
        far = row[j] if t == 0 else row[j] + t * (row[j + 1] - row[j])
        return near + s * (far - near)

    def many(self, x: Floats, y: Floats) -> Floats:
        """The same for arrays of one shape."""
        i, s = _places(self.x, x)
        j, t = _places(self.y, y)
        values = np.asarray(self.values)
        far_i = np.minimum(i + 1, len(self.x) - 1)
        far_j = np.minimum(j + 1, len(self.y) - 1)
        near = values[i, j] + t * (values[i, far_j] - values[i, j])
        far = values[far_i, j] + t * (values[far_i, far_j] - values[far_i, j])
        return near + s * (far - near)


def _places(axis: Sequence[float], values: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    points = np.asarray(axis)
    if len(points) == 1:
        return np.zeros(values.shape, dtype=np.int64), np.zeros(values.shape)
    index = np.clip(np.searchsorted(points, values, side="right") - 1, 0, len(points) - 2)
    return index, (values - points[index]) / (points[index + 1] - points[index])


def _place(axis: Sequence[float], value: float) -> tuple[int, float]:
    """The interval of `axis` and where in it `value` is: 0 at its start, 1 at its end, beyond when outside."""
    if len(axis) == 1:
        return 0, 0.0
    index = min(max(bisect_right(axis, value) - 1, 0), len(axis) - 2)
    return index, (value - axis[index]) / (axis[index + 1] - axis[index])


@cache
def truth(function: str, variables: tuple[str, ...]) -> Truth:
    """A function in Liberty's notation as truth table over `variables`.

    Raises:
        FlowError: it is malformed or names something else.
    """
    from liberty.boolean_functions import parse_boolean_function

    if not re.fullmatch(r"[\w\[\]\s()!'*&|+^]+", function):
        raise FlowError(
            f"function {function!r} cannot be read (empty or a strange sign); correct it"
        )
    states = np.arange(1 << len(variables))
    values = {name: (states >> bit & 1).astype(bool) for bit, name in enumerate(variables)}
    try:
        expression = parse_boolean_function(_explicit(function))
    except Exception as error:  # whatever the parser's own parser raises
        reason = str(error).splitlines()[0]
        raise FlowError(f"function {function!r} cannot be read ({reason}); correct it") from error
    return np.broadcast_to(_evaluate(expression, values, function), states.shape).copy()


def _explicit(function: str) -> str:
    """Without double negation by `''`, and with single spaces: what the parser's grammar takes."""
    return re.sub(r"\s+", " ", function.replace("''", "")).strip()


def _evaluate(expression: Any, values: dict[str, Truth], function: str) -> Truth:
    kind = type(expression).__name__
    if kind in ("BooleanTrue", "BooleanFalse"):
        return np.asarray(kind == "BooleanTrue")
    if kind == "Symbol":
        if expression.name not in values:
            raise FlowError(
                f"function {function!r} names {str(expression.name)!r}, which is no pin of the cell; "
                f"expected one of {', '.join(sorted(values))}"
            )
        return values[expression.name]
    parts = [_evaluate(part, values, function) for part in expression.args]
    if kind == "Not":
        return ~parts[0]
    combine = {"And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor}[kind]
    return combine.reduce(np.broadcast_arrays(*parts))
