"""The idle power's drift: a polynomial in time, and what it is on average while markers last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hwflow.energy.measure.log import Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class Curve:
    """Least squares with a drift of some degree.

    design: float64 (n, p), columns 1 and time from the middle, then the steps of the groups, then the drift's higher
    terms, ((time from the middle) / scale)**k less centres[k - 2], k = 2 .. degree. solution: (p,); residual: (n,) W.
    """

    design: Floats
    solution: Floats
    residual: Floats
    scale: float
    centres: tuple[float, ...]

    def idle_row(self, placed: Floats) -> Floats:
        """float64 (p,): times the solution, idle power on average over spans (m, 2), seconds from the log's middle."""
        row = np.zeros(len(self.solution))
        row[0] = 1.0
        row[1] = _average(placed, 1)
        for number, centre in enumerate(self.centres, 2):
            place = len(row) - len(self.centres) + number - 2
            row[place] = _average(placed / self.scale, number) - centre
        return row


def curve(design: Floats, power: Floats, degree: int) -> Curve:
    """The fit with a drift of this degree; design: the columns without higher terms."""
    scale = max(float(np.abs(design[:, 1]).max()), 1e-30)
    centres: list[float] = []
    for number in range(2, degree + 1):
        term = (design[:, 1] / scale) ** number
        centres.append(float(term.mean()))
        design = np.column_stack([design, term - centres[-1]])
    solution = np.asarray(np.linalg.lstsq(design, power, rcond=None)[0], np.float64)
    return Curve(
        design=design,
        solution=solution,
        residual=power - design @ solution,
        scale=scale,
        centres=tuple(centres),
    )


def idle_rows(found: Curve, places: Sequence[Floats]) -> Floats:
    """float64 (groups, p): `idle_row` of the spans of every group."""
    return np.stack([found.idle_row(placed) for placed in places])


def _average(placed: Floats, power: int) -> float:
    """Mean of t**power over spans, each as long as it is."""
    start, stop = placed[:, 0], placed[:, 1]
    whole = np.sum(stop ** (power + 1) - start ** (power + 1)) / (power + 1)
    return float(whole / np.sum(stop - start))
