"""Ratios of means, fits through the origin and rank correlations, each with a 95% interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from hwflow.energy.characterisation import CONFIDENCE, Interval

Reals = npt.NDArray[np.float64]

RESAMPLES = 2000
"""Bootstrap samples of a rank correlation's interval."""
SEED = 20222
"""Of their choice."""
SINGLE = 1e-9
"""A class whose only layer has a leverage within this of 1 has no interval."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """A value and its 95% interval; low and high are None where it has none."""

    value: float
    low: float | None
    high: float | None


def quantile(freedom: int) -> float:
    """Student's two-sided 95% quantile."""
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))


def ratio(above: Interval, below: Interval, segments: tuple[int, int]) -> Bounds:
    """Quotient above / below with Fieller's interval for independent means; segments: that each is a mean of.

    Student's quantile is that of the fewer degrees of freedom, which is on the safe side. Without bounds where `below`
    does not differ from 0. Source: E. C. Fieller, J. R. Statist. Soc. B 16 (1954), pages 175-185.
    """
    value = above.mean / below.mean
    errors = [
        (each.high - each.low) / 2 / quantile(count - 1)
        for each, count in zip((above, below), segments, strict=True)
    ]
    t = quantile(min(segments) - 1)
    g = (t * errors[1] / below.mean) ** 2
    if g >= 1:
        return Bounds(value=value, low=None, high=None)
    spread = errors[0] ** 2 * (1 - g) + (value * errors[1]) ** 2
    half = t / abs(below.mean) * math.sqrt(spread)
    return Bounds(value=value, low=(value - half) / (1 - g), high=(value + half) / (1 - g))


def fit(energy: Reals, effort: Reals) -> list[Bounds]:
    """Energy an effort of every column: least squares through the origin, with intervals.

    energy: [layers]; effort: [layers, classes], no empty column. A layer's variance is taken as proportional to its whole
    effort, so one class alone gives total energy / total effort. The intervals allow for any other variance (HC3 of
    MacKinnon and White, J. Econometrics 29 (1985), pages 305-325) with Student's quantile for layers - classes degrees of
    freedom. A class that only one layer has gets no interval, nor does any where layers are no more than classes.
    """
    weight = 1 / np.sqrt(effort.sum(axis=1))
    x, y = effort * weight[:, None], energy * weight
    scale = np.linalg.norm(x, axis=0)
    x = x / scale
    inverse = np.linalg.pinv(x.T @ x)
    coefficients = inverse @ x.T @ y
    freedom = len(y) - x.shape[1]
    if freedom < 1:
        return [Bounds(value=float(c), low=None, high=None) for c in coefficients / scale]
    leverage = np.einsum("ij,jk,ik->i", x, inverse, x)
    free = leverage < 1 - SINGLE
    residual = np.where(free, (y - x @ coefficients) / np.where(free, 1 - leverage, 1), 0)
    spread = inverse @ (x.T * residual**2) @ x @ inverse
    halves = quantile(freedom) * np.sqrt(np.diag(spread)) / scale
    found: list[Bounds] = []
    for column, (value, half) in enumerate(zip(coefficients / scale, halves, strict=True)):
        alone = np.count_nonzero(effort[:, column]) < 2
        low, high = (None, None) if alone else (float(value - half), float(value + half))
        found.append(Bounds(value=float(value), low=low, high=high))
    return found


def exponent(ace: Sequence[float], energy: Sequence[float]) -> Bounds:
    """The b of energy = a * ACE**b by least squares of the logarithms; Student's interval, none for two points."""
    found: Any = stats.linregress(np.log(np.asarray(ace)), np.log(np.asarray(energy)))
    slope = float(found.slope)
    if len(ace) < 3:
        return Bounds(value=slope, low=None, high=None)
    half = quantile(len(ace) - 2) * float(found.stderr)
    return Bounds(value=slope, low=slope - half, high=slope + half)


@dataclass(frozen=True, kw_only=True)
class RankCorrelation:
    """How far two orders agree; spearman with the interval of a seeded bootstrap over the layers."""

    layers: int
    spearman: Bounds
    kendall: float


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> RankCorrelation | None:
    """Of two figures of the same layers; None for fewer than three layers or a figure that is the same in all."""
    x, y = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    kendall: Any = stats.kendalltau(x, y)
    whole: Any = stats.spearmanr(x, y)
    chosen = np.random.default_rng(SEED).integers(0, len(x), (RESAMPLES, len(x)))
    rx, ry = (stats.rankdata(v[chosen], axis=1) for v in (x, y))
    rx, ry = rx - rx.mean(1, keepdims=True), ry - ry.mean(1, keepdims=True)
    size = np.sqrt((rx**2).sum(1) * (ry**2).sum(1))
    found = (rx * ry).sum(1)[size > 0] / size[size > 0]
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(found, [tail, 100 - tail])
    spearman = Bounds(value=float(whole.statistic), low=float(low), high=float(high))
    return RankCorrelation(layers=len(x), spearman=spearman, kendall=float(kendall.statistic))
