"""Segments: where they lie, that their warm-up brings registers into step, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from hwflow.errors import FlowError
from sim.energy.segments import EVENTS, LEAST_WORK, LONGEST_WARM_UP, Work, resting, working

CYCLES = 4000


def work(busy: np.ndarray, ends: np.ndarray) -> Work:
    return Work(busy, np.zeros_like(busy), (ends,), 4)


@pytest.fixture
def works() -> list[Work]:
    """Two instances: works, rests, works; sums end every ten cycles."""
    at = np.arange(CYCLES)
    busy = (at < 1000) | (at >= 2500)
    return [work(busy, busy & (at % 10 == 9)), work(busy, busy & (at % 10 == 4))]


def test_segments_are_spread_over_the_work(works: list[Work]) -> None:
    places = np.arange(CYCLES)
    found = working(works, places, 20, 50, np.random.default_rng(1))
    starts = [each.segment.warm_up for each in found]
    assert len(found) == 20 and starts == sorted(starts)
    # 1,000 of 2,500 working cycles come before the rest, those before the first sums are not taken.
    assert sum(start < 1000 for start in starts) in (7, 8)
    assert {each.trace for each in found} == {0, 1}
    for each in found:
        assert each.segment.counted == 50
        part = works[each.trace].busy[each.segment.warm_up : each.segment.stop]
        assert part[0] and part.mean() >= LEAST_WORK


def test_a_warm_up_holds_two_events_and_what_follows_them(works: list[Work]) -> None:
    places = np.arange(CYCLES)
    rng = np.random.default_rng(2)
    for each in [*working(works, places, 12, 50, rng), *resting(works, places, 12, 50, rng)]:
        of, segment = works[each.trace], each.segment
        events = np.flatnonzero(of.settling[0][segment.start : segment.warm_up - of.drain])
        assert len(events) == EVENTS and events[0] == of.drain


def test_nothing_is_in_a_unit_that_rests(works: list[Work]) -> None:
    found = resting(works, np.arange(CYCLES), 12, 50, np.random.default_rng(3))
    for each in found:
        assert 1000 + works[0].drain <= each.segment.warm_up and each.segment.stop <= 2500
        assert each.segment.warm_up - each.segment.start <= LONGEST_WARM_UP


def test_the_same_seed_gives_the_same_segments(works: list[Work]) -> None:
    places = np.arange(CYCLES)
    first, again, other = (
        working(works, places, 12, 50, np.random.default_rng(seed)) for seed in (4, 4, 5)
    )
    assert first == again != other


def test_too_little_work_is_refused() -> None:
    busy = np.zeros(CYCLES, np.bool_)
    busy[::3] = True  # never half of a segment
    with pytest.raises(FlowError, match=r"has 0 of 12 segments of 50 cycles.*--images"):
        working([work(busy, busy)], np.arange(CYCLES), 12, 50, np.random.default_rng(1))
