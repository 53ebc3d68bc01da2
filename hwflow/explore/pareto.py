"""Which designs nothing else beats in every respect, and which is the best by a stated order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hwflow.explore.evaluate import Result

OBJECTIVES = {
    "frames_per_second": -1,
    "lut4": 1,
    "block_rams": 1,
    "multipliers": 1,
    "energy": 1,
    "top1": -1,
}
"""What a front is made of -> 1 where less is better, -1 where more is."""


def objectives(results: Sequence[Result]) -> list[str]:
    """Those objectives that every feasible result has a value of."""
    feasible = [each for each in results if each["feasible"]]
    return [
        name for name in OBJECTIVES if feasible and all(e.get(name) is not None for e in feasible)
    ]


def front(results: Sequence[Result]) -> list[Result]:
    """The feasible results that no other is at least as good as in every objective and better in one.

    Of results that are equal in all, the first is kept. In the order of `ranked`.
    """
    names = objectives(results)
    feasible = [each for each in ranked(results) if each["feasible"]]
    if not names:
        return []
    costs = np.array([[OBJECTIVES[n] * each[n] for n in names] for each in feasible], np.float64)
    # In this order nothing is beaten by what comes after it.
    order = np.lexsort(costs.T[::-1])
    kept: list[int] = []
    best = np.empty((0, len(names)))
    for at in order:
        if len(best) and bool((best <= costs[at]).all(axis=1).any()):
            continue
        kept.append(int(at))
        best = costs[kept]
    return [feasible[at] for at in sorted(kept)]


def ranked(
    results: Sequence[Result], least_binary_macs: int = 0, least_top1: float = 0.0
) -> list[Result]:
    """Feasible results with so many binary MACs a cycle and that top-1, best first by `OBJECTIVES`, then by parameters.

    A top-1 that was not measured is enough.
    That is: most frames per second, then fewest LUT4, block RAMs and multipliers, least energy, most accurate.
    """

    def cost(each: Result) -> tuple[Any, ...]:
        numbers = [OBJECTIVES[name] * (each.get(name) or 0.0) for name in OBJECTIVES]
        return (*numbers, *(str(value) for value in each["config"].values()))

    chosen = [
        each
        for each in results
        if each["feasible"]
        and each["binary_macs"] >= least_binary_macs
        and (each["top1"] is None or each["top1"] >= least_top1)
    ]
    return sorted(chosen, key=cost)
