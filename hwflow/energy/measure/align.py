"""Where the markers are in the log: by one clock for both, by the steps of the power, or as told."""

from __future__ import annotations

import math

import numpy as np

from hwflow.energy.measure.log import Floats, PowerLog
from hwflow.energy.measure.markers import Markers
from hwflow.energy.measure.noise import correlation_time
from hwflow.energy.measurement import Alignment
from hwflow.errors import FlowError, suggestion

METHODS = ("clock", "edges")
CERTAIN = 25.0
"""Chi-square between the best shift and the next peak, and between it and no work at all, that is taken as certain."""
FINE = 40
"""Shifts tried within a sample on either side of the coarse one."""


def spans(markers: Markers) -> Floats:
    """float64 (m, 2): start and stop of every marker by the host's clock, each begun half of `late_s` late."""
    starts = np.array([m.start_s + m.late_s / 2 for m in markers.markers])
    return np.stack([starts, starts + [markers.seconds(m) for m in markers.markers]], axis=1)


def late_error(markers: Markers) -> float:
    """Standard uncertainty of a marker's start by the host's clock, seconds (uniform over `late_s`)."""
    return max(m.late_s for m in markers.markers) / math.sqrt(12)


def align(log: PowerLog, markers: Markers, method: str, shift: float | None) -> Alignment:
    """The shift that takes the markers' clock to the log's.

    Raises:
        FlowError: an unknown method, markers outside the log, or edges that are not found or not certain.
    """
    if shift is not None:
        found = Alignment(method="given", shift_s=shift, standard_error_s=log.step / math.sqrt(12))
    elif method == "clock":
        sampled = log.step / math.sqrt(12)
        error = math.hypot(sampled, late_error(markers))
        found = Alignment(method="clock", shift_s=-log.began, standard_error_s=error)
    elif method == "edges":
        found = _edges(log, markers)
    else:
        raise FlowError(
            f"--align {method}: unknown{suggestion(method, METHODS)}; give one of {', '.join(METHODS)}"
        )
    placed = spans(markers) + found.shift_s
    if placed.min() < 0 or placed.max() > log.time[-1]:
        raise FlowError(
            f"the markers would be from {placed.min():.3f} to {placed.max():.3f} s of a log of {log.time[-1]:.3f} s; "
            "record from before the first marker until after the last, or align by --align edges if the clocks differ"
        )
    return found


def _edges(log: PowerLog, markers: Markers) -> Alignment:
    """Least squares over the shift: power = constant + drift + step while a marker lasts.

    The coarse shift is the peak of the cross-correlation on the meter's grid, the fine one the least of the squares,
    its uncertainty from their curvature and the residual's autocorrelation.
    """
    own = spans(markers)
    own = own[np.argsort(own[:, 0])]
    lowest, highest = -float(own[0, 0]), float(log.time[-1] - own[-1, 1])
    if highest <= lowest:
        raise FlowError(
            f"the markers last {own[-1, 1] - own[0, 0]:.3f} s, the log {log.time[-1]:.3f} s; record for longer than the run"
        )
    shifts = np.arange(lowest, highest + log.step / 2, log.step)
    power = log.power - _line(log)
    grid = np.zeros(int(log.index[-1]) + 1)
    grid[log.index] = power
    pattern = share_of_samples(
        np.arange(len(grid), dtype=np.float64) * log.step, log.step, own + lowest
    )
    size = 1 << (2 * len(grid) - 1).bit_length()
    product = np.fft.rfft(grid, size) * np.conj(np.fft.rfft(pattern, size))
    peaks = np.fft.irfft(product, size)[: len(shifts)]
    coarse = float(shifts[int(np.argmax(peaks))])
    tried = np.clip(coarse + np.linspace(-1.5, 1.5, 3 * FINE + 1) * log.step, lowest, highest)
    squares = np.array([_squares(log, own + s)[0] for s in tried])
    best = float(tried[int(np.argmin(squares))])
    least, residual = _squares(log, own + best)
    variance = float(np.mean(residual**2)) * correlation_time(residual, log.index)
    variance = max(variance, 1e-30)
    _certain(log, own, shifts, peaks, best, least, variance)
    # Squares grow with the distance from the best shift: where they have grown by one variance is one standard error.
    far = max(log.step / 2, 1e-9)
    grown = [
        _squares(log, own + float(np.clip(best + s, lowest, highest)))[0] - least
        for s in (-far, far)
    ]
    curvature = max(float(np.mean(grown)) / far**2, 1e-30)
    error = math.hypot(math.sqrt(variance / curvature), log.step / math.sqrt(12))
    return Alignment(method="edges", shift_s=best, standard_error_s=error)


def _certain(
    log: PowerLog,
    own: Floats,
    shifts: Floats,
    peaks: Floats,
    best: float,
    least: float,
    variance: float,
) -> None:
    """Raises FlowError unless the best shift explains the log far better than none and than any other."""
    flat = float(np.sum((log.power - _line(log)) ** 2))
    if flat - least < CERTAIN * variance:
        raise FlowError(
            "the log shows no steps where the markers could be; raise --repeat, sample the accelerator's own rail, or "
            "align by --align clock"
        )
    shortest = float(np.min(own[:, 1] - own[:, 0]))
    far = np.abs(shifts - best) > max(shortest / 2, 2 * log.step)
    local = np.r_[False, (peaks[1:-1] >= peaks[:-2]) & (peaks[1:-1] >= peaks[2:]), False] & far
    for place in np.flatnonzero(local)[np.argsort(-peaks[local])][:5]:
        other, _ = _squares(log, own + float(shifts[place]))
        if other - least < CERTAIN * variance:
            raise FlowError(
                f"the log fits the markers at shifts of {best:.3f} and {float(shifts[place]):.3f} s alike; leave unequal "
                "pauses between markers, or give --shift"
            )


def share_of_samples(times: Floats, step: float, placed: Floats) -> Floats:
    """float64 (n,): which share of the `step` seconds before each time is within a marker; `placed` in order, (m, 2)."""
    edges = placed.ravel()
    spent = np.where(np.arange(len(edges) - 1) % 2, 0.0, np.diff(edges))
    worked = np.concatenate([[0.0], np.cumsum(spent)])
    return (np.interp(times, edges, worked) - np.interp(times - step, edges, worked)) / step


def _line(log: PowerLog) -> Floats:
    fit = np.polynomial.polynomial.polyfit(log.time, log.power, 1)
    return np.asarray(np.polynomial.polynomial.polyval(log.time, fit), np.float64)


def _squares(log: PowerLog, placed: Floats) -> tuple[float, Floats]:
    """Sum of squares that the model leaves at this place of the markers, and what it leaves (n,)."""
    share = share_of_samples(log.time, log.step, placed)
    design = np.stack([np.ones_like(log.time), log.time - log.time.mean(), share], axis=1)
    solution, *_ = np.linalg.lstsq(design, log.power, rcond=None)
    left = log.power - design @ solution
    return float(left @ left), left
