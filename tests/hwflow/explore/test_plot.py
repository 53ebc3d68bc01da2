"""The plot of a search."""

from __future__ import annotations

import pytest

from hwflow.explore.evaluate import Setup
from hwflow.explore.plot import FEASIBLE, MOST_POINTS, plot
from hwflow.explore.space import Space
from hwflow.explore.summary import Found


@pytest.mark.parametrize("count", [1, MOST_POINTS, 2 * MOST_POINTS - 1])
def test_no_more_points_are_drawn_than_are_told_apart(
    space: Space, setup: Setup, count: int
) -> None:
    names = ("cycles", "lut4", "block_rams", "multipliers", "binary_macs", "frames_per_second")
    results = [
        {
            "feasible": True,
            "top1": None,
            "config": {},
            "point": {"clock_mhz": 40},
            **dict.fromkeys(names, number),
        }
        for number in range(count)
    ]
    found = Found(
        space=space, setup=setup, seed=1, drawn=count, results=results, baselines=[], models=""
    )
    rows = plot(found, [], [])["data"]["values"]
    assert count / 2 <= sum(row["kind"] == FEASIBLE for row in rows) <= MOST_POINTS
