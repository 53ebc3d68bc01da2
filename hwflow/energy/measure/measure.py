"""The whole way: log, markers, meter -> a record."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.stats import t as student

from hwflow.energy.measure.align import align, late_error, spans
from hwflow.energy.measure.analyse import (
    CONFIDENCE,
    SETTLE_STEPS,
    Fit,
    energies,
    fit,
    moved_alignment,
    unconfigured_phase,
)
from hwflow.energy.measure.log import PowerLog
from hwflow.energy.measure.markers import Markers
from hwflow.energy.measurement import (
    EVIDENCE,
    Alignment,
    Estimate,
    MarkedRun,
    MeasuredEnergy,
    Measurement,
    Meter,
)
from hwflow.errors import FlowError

REMEDIES = {
    "gain": "use a meter with a more accurate gain",
    "clock": "state the clock more closely with --clock-accuracy",
    "drift": "let the board warm up, or measure for a shorter time",
}
"""What to do about a cause of uncertainty that more samples do not lessen."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to analyse. settle_s: left out after an edge, None: two samples; precision: of every active energy, or None."""

    align: str = "clock"
    shift_s: float | None = None
    settle_s: float | None = None
    precision: float | None = None


def measure(
    log: PowerLog,
    markers: Markers,
    meter: Meter,
    options: Options,
    unconfigured: PowerLog | None = None,
) -> Measurement:
    """What the accelerator took.

    Raises:
        FlowError: markers that do not lie in the log, phases without enough samples, running that takes less than
            waiting, or an interval wider than asked; with what to do.
    """
    aligned = align(log, markers, options.align, options.shift_s)
    guard = _guard(log, markers, meter, options, aligned)
    found = fit(log, markers, aligned.shift_s, guard)
    moved = [fit(log, markers, s, guard, degree=found.degree) for s in moved_alignment(aligned)]
    idle_phase, idle = (None, None) if unconfigured is None else unconfigured_phase(unconfigured)
    results = energies(found, moved, log, markers, meter, idle)
    for result in results:
        _sound(result, log, options.precision)
    placed = spans(markers) + aligned.shift_s
    return Measurement(
        evidence=EVIDENCE,
        network=markers.network,
        target=markers.target,
        network_hash=markers.network_hash,
        target_hash=markers.target_hash,
        gateware_hash=markers.gateware_hash,
        log_hash=log.digest,
        clock_hz=markers.clock_hz,
        images=markers.images,
        sample_rate_hz=log.rate,
        samples=len(log.time),
        missing=log.missing,
        meter=meter,
        alignment=aligned,
        markers=tuple(
            MarkedRun(
                start_s=float(start),
                stop_s=float(stop),
                runs=marker.runs,
                layer=marker.layer,
                times=marker.times,
                cycles=marker.cycles,
            )
            for marker, (start, stop) in zip(markers.markers, placed, strict=True)
        ),
        phases=(*([] if idle_phase is None else [idle_phase]), *found.phases),
        drift_w_per_s=_drift(found, meter),
        energies=results,
    )


def _guard(
    log: PowerLog, markers: Markers, meter: Meter, options: Options, aligned: Alignment
) -> tuple[float, float]:
    """Seconds left out before and after an edge: three standard errors of its place, and what the meter smears."""
    settle = SETTLE_STEPS * log.step if options.settle_s is None else options.settle_s
    running = meter.clock_limit * float(log.time[-1])
    unsure = 3 * math.hypot(aligned.standard_error_s, late_error(markers)) + running
    return log.step + unsure, settle + unsure


def _drift(found: Fit, meter: Meter) -> Estimate:
    slope = float(found.solution[1])
    error = math.hypot(
        math.sqrt(float(found.covariance[1, 1])), meter.gain_limit / math.sqrt(3) * abs(slope)
    )
    half = float(student.ppf((1 + CONFIDENCE) / 2, max(1.0, found.freedom([])))) * error
    return Estimate(mean=slope, low=slope - half, high=slope + half, standard_error=error)


def _sound(result: MeasuredEnergy, log: PowerLog, precision: float | None) -> None:
    """Raises FlowError for work that takes less than nothing, or for an interval that is too wide."""
    name = result.layer or "the network"
    active = result.active
    if active.high < 0:
        raise FlowError(
            f"{name} takes less power running than waiting ({active.mean / result.seconds:.4g} W); the markers lie "
            "beside the work: check the alignment and the sign of the current"
        )
    if precision is None:
        return
    half = active.high - active.mean
    if half <= precision * abs(active.mean):
        return
    # What more repetitions lessen: noise with their root, alignment faster.
    sampled = result.budget["noise"] + result.budget["alignment"]
    wanted, systematic = precision * abs(active.mean), (1 - sampled) * half**2
    if wanted**2 > systematic:
        factor = sampled * half**2 / (wanted**2 - systematic)
        worst = "noise"
        remedy = f"repeat it {math.ceil(factor * result.runs)} times instead of {result.runs}, with as much more idle"
    else:
        worst = max(REMEDIES, key=lambda cause: result.budget[cause])
        remedy = REMEDIES[worst]
    raise FlowError(
        f"{name}: {active.mean:.4g} J is known to {half / abs(active.mean):.2%}, asked for is {precision:.2%}, because of "
        f"{worst}; {remedy} ({log.rate:.4g} samples a second)"
    )
