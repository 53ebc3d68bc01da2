"""Intervals that hold the planted truth about as often as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hwflow.energy.characterisation import Interval, interval
from hwflow.energy.statistics import exponent, fit, rank_correlation, ratio


def test_a_ratio_of_exact_means_is_exact() -> None:
    found = ratio(Interval(6.0, 6.0, 6.0), Interval(2.0, 2.0, 2.0), (10, 10))
    assert (found.value, found.low, found.high) == (3.0, 3.0, 3.0)


def test_fieller_covers_the_truth_in_about_95_of_100() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(1000):
        above, below = rng.normal(64, 12, 12), rng.normal(1, 0.3, 12)
        found = ratio(interval(list(above)), interval(list(below)), (12, 12))
        covered += (
            found.low is not None and found.high is not None and found.low <= 64 <= found.high
        )
    assert 930 <= covered <= 985


def test_a_ratio_to_what_may_be_zero_has_no_interval() -> None:
    found = ratio(Interval(6.0, 5.0, 7.0), Interval(2.0, -1.0, 5.0), (10, 10))
    assert found.low is None and found.high is None


def test_a_fit_finds_the_planted_energy_of_each_class() -> None:
    rng = np.random.default_rng(1)
    effort = rng.uniform(1e5, 1e8, (40, 3))
    truth = np.array([1e-15, 0.7e-15, 0.4e-15])
    noise = 1 + rng.normal(0, 0.02, 40)
    for bounds, wanted in zip(fit(effort @ truth * noise, effort), truth, strict=True):
        assert bounds.low is not None and bounds.high is not None
        assert bounds.low < wanted < bounds.high
        assert math.isclose(bounds.value, wanted, rel_tol=0.1)


def test_one_class_alone_gives_the_ratio_of_totals() -> None:
    effort = np.array([[1.0], [10.0], [100.0]])
    energy = np.array([3.0, 19.0, 210.0])
    (found,) = fit(energy, effort)
    assert math.isclose(found.value, energy.sum() / effort.sum())


def test_a_class_of_one_layer_has_no_interval_and_spoils_no_other() -> None:
    effort = np.array([[1.0, 0], [2.0, 0], [4.0, 0], [8.0, 0], [0, 5.0]])
    energy = np.array([1.0, 2.1, 3.9, 8.1, 50.0])
    many, alone = fit(energy, effort)
    assert many.low is not None and math.isclose(many.value, 1.0, rel_tol=0.05)
    assert alone.low is None and math.isclose(alone.value, 10.0)


def test_fewer_layers_than_classes_give_no_interval() -> None:
    found = fit(np.array([1.0, 2.0]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert [each.low for each in found] == [None, None]


def test_the_exponent_of_a_power_law() -> None:
    found = exponent([1, 16, 64, 256], [2.0 * ace**0.8 for ace in (1, 16, 64, 256)])
    assert math.isclose(found.value, 0.8)
    assert found.low is not None and math.isclose(found.low, 0.8, rel_tol=1e-6)
    assert exponent([1, 16], [1.0, 16.0]).low is None


def test_ranks() -> None:
    found = rank_correlation([1, 2, 3, 4, 5], [2, 3, 5, 8, 9])
    assert found is not None
    assert (found.spearman.value, found.kendall) == pytest.approx((1, 1))
    reverse = rank_correlation([1, 2, 3, 4], [4, 3, 2, 1])
    assert reverse is not None and reverse.spearman.value == pytest.approx(-1)
    assert rank_correlation([1, 2], [1, 2]) is None
    assert rank_correlation([1, 1, 1], [1, 2, 3]) is None
