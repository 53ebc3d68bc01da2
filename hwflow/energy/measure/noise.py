"""How many independent samples a log has: autocorrelation of what a model leaves unexplained."""

from __future__ import annotations

import numpy as np

from hwflow.energy.measure.log import Floats, Integers

WINDOW = 5
"""The sum of autocorrelations ends at the first lag that is so many times the sum so far."""


def correlation_time(residual: Floats, index: Integers) -> float:
    """Integrated autocorrelation time in samples, at least 1: the variance of a mean is variance * time / samples.

    residual: float64 (n,), mean 0; index: int64 (n,), places on the meter's grid: missing samples make no pairs.
    The window is Sokal's (Monte Carlo methods in statistical mechanics, 1997): the first lag M >= 5 * time(M).
    """
    length = int(index[-1] - index[0]) + 1
    values, here = np.zeros(length), np.zeros(length)
    values[index - index[0]] = residual
    here[index - index[0]] = 1
    size = 1 << (2 * length - 1).bit_length()
    products = np.fft.irfft(np.abs(np.fft.rfft(values, size)) ** 2, size)[:length]
    pairs = np.rint(np.fft.irfft(np.abs(np.fft.rfft(here, size)) ** 2, size)[:length])
    usable = pairs >= 1
    covariance = np.where(usable, products / np.maximum(pairs, 1), 0.0)
    if covariance[0] <= 0:
        return 1.0
    times = 2 * np.cumsum(covariance / covariance[0]) - 1
    lags = np.arange(length)
    ends = np.flatnonzero(lags >= WINDOW * times)
    return max(1.0, float(times[ends[0] if len(ends) else -1]))
