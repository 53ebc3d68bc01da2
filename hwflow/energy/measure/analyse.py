"""From a log and its markers to joules of a run, and how sure they are.

Model: power = idle + drift * time + step of the group of markers that the sample is in. Samples near a marker's edge are
left out. Least squares; covariance from the residuals (heteroscedastic, times their autocorrelation
time). docs/measuring.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from hwflow.energy.measure.align import spans
from hwflow.energy.measure.drift import Curve, curve, idle_rows
from hwflow.energy.measure.log import Floats, PowerLog
from hwflow.energy.measure.markers import Markers
from hwflow.energy.measure.noise import correlation_time
from hwflow.energy.measurement import (
    CONFIGURED,
    LAYER,
    NETWORK,
    RUNNING,
    UNCONFIGURED,
    Alignment,
    Estimate,
    MeasuredEnergy,
    Meter,
    Phase,
)
from hwflow.errors import FlowError

LEAST_EFFECTIVE = 10.0
"""Independent samples that a phase needs at least."""
SETTLE_STEPS = 2
"""Samples after an edge that are left out unless told otherwise: a meter's average and its delay."""
CONFIDENCE = 0.95
CLEAR = 3.0
"""Standard errors from which on another degree of the drift is taken for real."""
MOST_DRIFT = 3
UNIFORM = math.sqrt(3)
"""Limit of a uniformly distributed error over its standard uncertainty."""

Group = tuple[str, int]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False, kw_only=True)
class Fit:
    """Parameters and their covariance, in the order of `solution`.

    solution: idle W at the middle of the log, drift W/s, the step of every group, W, the drift's higher terms.
    idle: (groups, parameters), times the solution idle W while a group's markers lasted. degree: of the drift's
    polynomial; change, idle_change: of the solution and of those idle powers with one degree more, 0 where a line does.
    effective: independent samples of the idle phases and of each group.
    """

    groups: tuple[Group, ...]
    solution: Floats
    covariance: Floats
    correlation: float
    effective: tuple[float, ...]
    phases: tuple[Phase, ...]
    idle: Floats
    degree: int
    change: Floats
    idle_change: Floats

    def freedom(self, groups: Sequence[Group]) -> float:
        """Degrees of freedom of a combination of these groups and the idle phases: those of the shortest."""
        chosen = [self.effective[0], *(self.effective[1 + self.groups.index(g)] for g in groups)]
        return min(chosen) - 1


def fit(
    log: PowerLog,
    markers: Markers,
    shift: float,
    guard: tuple[float, float],
    *,
    degree: int | None = None,
) -> Fit:
    """The model's parameters.

    Args:
        log: samples.
        markers: when there was work, by the host's clock.
        shift: seconds from the markers' clock to the log's.
        guard: seconds left out before and after every edge.
        degree: of the drift's polynomial; None: the least after which one more is not clear.

    Raises:
        FlowError: no idle phase before or after the markers, or too few samples in a phase; says how many are needed.
    """
    placed = spans(markers) + shift
    order = np.argsort(placed[:, 0])
    groups = tuple(dict.fromkeys(markers.markers[i].group for i in order))
    inside = [np.zeros(len(log.time), np.bool_) for _ in groups]
    idle = np.ones(len(log.time), np.bool_)
    before, after = guard
    for number in order:
        start, stop = placed[number]
        chosen = (log.time > start + after) & (log.time < stop - before)
        inside[groups.index(markers.markers[number].group)] |= chosen
        idle &= (log.time < start - before) | (log.time > stop + after)
    for where, there in (
        ("before the first", idle & (log.time < placed.min())),
        ("after the last", idle & (log.time > placed.max())),
    ):
        if not there.any():
            raise FlowError(
                f"the log has no idle sample {where} marker, so drift cannot be told from work; record "
                f"{math.ceil(LEAST_EFFECTIVE) * log.step:.3g} s or more of idle there"
            )
    used = idle | np.logical_or.reduce(inside)
    middle = float(log.time[-1]) / 2
    columns = [np.ones(len(log.time)), log.time - middle, *(i.astype(float) for i in inside)]
    design, power = np.stack(columns, axis=1)[used], log.power[used]
    masks = [idle, *inside]
    _enough(log, groups, masks, markers, 1.0, after + before)
    kept = design.shape[1]
    curves = [curve(design, power, number) for number in range(1, MOST_DRIFT + 2)]
    chosen = degree or next(
        (n for n in range(1, MOST_DRIFT + 1) if not _clear(curves[n], masks, used, log)), 0
    )
    if not chosen:
        raise FlowError(
            f"idle power drifts in a way that no polynomial of degree {MOST_DRIFT} follows; let the board warm up, and "
            "keep other work off the measured rail"
        )
    best, further = curves[chosen - 1], curves[chosen]
    design, solution, residual = best.design, best.solution, best.residual
    change = np.zeros(len(solution))
    change[:kept] = further.solution[:kept] - solution[:kept]
    own = [np.array([m.group == group for m in markers.markers]) for group in groups]
    centred = [placed[mine] - middle for mine in own]
    idle_w, further_w = idle_rows(best, centred), idle_rows(further, centred) @ further.solution
    bent = float(chosen > 1)
    correlation = _correlation(residual, masks, used, log)
    _enough(log, groups, masks, markers, correlation, after + before)
    inverse = np.linalg.inv(design.T @ design)
    spread = design.T @ (design * (residual**2)[:, None])
    freedom = len(power) / max(1.0, len(power) - correlation * design.shape[1])
    covariance = inverse @ spread @ inverse * correlation * freedom
    return Fit(
        groups=groups,
        solution=solution,
        covariance=covariance,
        correlation=correlation,
        effective=tuple(float(mask.sum()) / correlation for mask in masks),
        phases=tuple(
            phase(kind, name, log, mask, correlation)
            for kind, name, mask in zip(
                (CONFIGURED, *[RUNNING] * len(groups)),
                ("", *(_group_name(group) for group in groups)),
                masks,
                strict=True,
            )
        ),
        idle=idle_w,
        degree=chosen,
        change=bent * change,
        idle_change=bent * (further_w - idle_w @ solution),
    )


def _clear(
    found: Curve,
    masks: Sequence[Mask],
    used: Mask,
    log: PowerLog,
) -> bool:
    """Whether the last column's parameter is not 0."""
    design, residual = found.design, found.residual
    variance = float(np.var(residual)) * _correlation(residual, masks, used, log)
    error = math.sqrt(float(np.linalg.inv(design.T @ design)[-1, -1]) * variance)
    return abs(float(found.solution[-1])) > CLEAR * error


def _correlation(residual: Floats, masks: Sequence[Mask], used: Mask, log: PowerLog) -> float:
    """Autocorrelation time of the residual, each phase by its own spread."""
    scaled = residual.copy()
    for mask in masks:
        part = mask[used]
        scaled[part] /= max(float(np.std(residual[part])), 1e-30)
    return correlation_time(scaled - scaled.mean(), log.index[used])


def _group_name(group: Group) -> str:
    return "network" if group[1] == 1 else f"{group[0]} x{group[1]}"


def phase(kind: str, name: str, log: PowerLog, chosen: Mask, correlation: float) -> Phase:
    """Raw statistics of the chosen samples."""
    watts = log.power[chosen]
    return Phase(
        kind=kind,
        name=name,
        samples=len(watts),
        seconds=len(watts) * log.step,
        mean_w=float(watts.mean()),
        std_w=float(watts.std(ddof=1)) if len(watts) > 1 else 0.0,
        min_w=float(watts.min()),
        max_w=float(watts.max()),
        correlation=correlation,
        effective=len(watts) / correlation,
    )


def _enough(
    log: PowerLog,
    groups: Sequence[Group],
    masks: Sequence[Mask],
    markers: Markers,
    correlation: float,
    guarded: float,
) -> None:
    needed = LEAST_EFFECTIVE * correlation
    alike = (
        f" (one in {correlation:.0f} is independent: slow noise, or drift)"
        if correlation > 2
        else ""
    )
    for number, mask in enumerate(masks):
        samples = int(mask.sum())
        if samples >= needed:
            continue
        if number == 0:
            raise FlowError(
                f"the idle phases have {samples} samples, {needed:.0f} are needed{alike}; record at least "
                f"{needed * log.step:.3g} s of idle in all"
            )
        group = groups[number - 1]
        own = [m for m in markers.markers if m.group == group]
        runs, cycles = sum(m.runs for m in own), sum(m.cycles for m in own)
        wanted = (needed * log.step + len(own) * guarded) * markers.clock_hz * runs / cycles
        raise FlowError(
            f"the markers of {_group_name(group)} have {samples} samples away from their edges, {needed:.0f} are "
            f"needed{alike} at {log.rate:.4g} samples a second; repeat it {math.ceil(wanted)} times instead of {runs}"
        )


def energies(
    found: Fit,
    moved: Sequence[Fit],
    log: PowerLog,
    markers: Markers,
    meter: Meter,
    unconfigured: tuple[float, float] | None,
) -> tuple[MeasuredEnergy, ...]:
    """Energy of a network's run and of one more pass of every repeated layer.

    moved: fits with the markers one standard error earlier and later. unconfigured: W and its standard uncertainty
    from noise.

    Raises:
        FlowError: a repeated layer without a run of the plain network to compare it with, or with no more cycles.
    """
    plain: Group = ("", 1)
    totals = {
        group: (
            sum(m.cycles for m in markers.markers if m.group == group),
            sum(m.runs for m in markers.markers if m.group == group),
        )
        for group in found.groups
    }
    results: list[MeasuredEnergy] = []
    for group in found.groups:
        cycles, runs = totals[group]
        weights = {group: cycles / runs}
        if group != plain:
            if plain not in totals:
                raise FlowError(
                    f"{_group_name(group)} is there, but no run of the plain network to take it from; measure that "
                    "between markers, too"
                )
            base = totals[plain][0] / totals[plain][1]
            more = (cycles / runs - base) / (group[1] - 1)
            if more <= 0:
                raise FlowError(
                    f"{_group_name(group)} takes {cycles / runs:.0f} cycles a frame, no more than the plain network's "
                    f"{base:.0f}; the markers' programs are exchanged"
                )
            weights = {group: cycles / runs / (group[1] - 1), plain: -base / (group[1] - 1)}
        seconds = {g: w / markers.clock_hz for g, w in weights.items()}
        results.append(_energy(found, moved, meter, group, runs, seconds, markers, unconfigured))
    return tuple(results)


def _energy(
    found: Fit,
    moved: Sequence[Fit],
    meter: Meter,
    group: Group,
    runs: int,
    seconds: Mapping[Group, float],
    markers: Markers,
    unconfigured: tuple[float, float] | None,
) -> MeasuredEnergy:
    """seconds: of every group, how long its power counts (negative: is taken off)."""
    duration = sum(seconds.values())
    work = np.zeros(len(found.solution))
    for each, time in seconds.items():
        work[2 + found.groups.index(each)] = time
    freedom = found.freedom(list(seconds))
    active = float(work @ found.solution)
    noise = math.sqrt(float(work @ found.covariance @ work))
    shifted = max(abs(float(work @ (other.solution - found.solution))) for other in moved)
    bent = abs(float(work @ found.change))
    gain, clock = meter.gain_limit / UNIFORM, meter.clock_limit / UNIFORM
    parts = {
        "noise": noise,
        "alignment": shifted,
        "drift": bent,
        "gain": gain * abs(active),
        "clock": clock * abs(active),
    }
    # Idle power is that of the time at which the group's own markers were.
    place = found.groups.index(group)
    waiting, bent_idle = duration * found.idle[place], duration * float(found.idle_change[place])
    everything = work + waiting
    total = float(everything @ found.solution)
    total_parts = parts | {
        "noise": math.sqrt(float(everything @ found.covariance @ everything)),
        "alignment": max(
            abs(float((work + duration * other.idle[place]) @ other.solution) - total)
            for other in moved
        ),
        "drift": abs(float(work @ found.change) + bent_idle),
        "gain": gain * abs(total),
        "clock": clock * abs(total),
        "offset": meter.offset_limit_w / UNIFORM * abs(duration),
    }
    configured = None
    if unconfigured is not None:
        watts, error = unconfigured
        extra = float(waiting @ found.solution) - watts * duration
        sampled = math.sqrt(float(waiting @ found.covariance @ waiting))
        configured = estimate(
            extra,
            {
                "noise": math.hypot(sampled, error * duration),
                "drift": abs(bent_idle),
                "gain": gain * abs(extra),
                "clock": clock * abs(extra),
            },
            freedom,
        )
    variance = sum(part**2 for part in parts.values())
    return MeasuredEnergy(
        scope=LAYER if group[1] > 1 else NETWORK,
        layer=group[0],
        runs=runs,
        cycles=duration * markers.clock_hz,
        seconds=duration,
        active=estimate(active, parts, freedom),
        configured=configured,
        total=estimate(total, total_parts, freedom),
        budget={name: part**2 / variance if variance else 0.0 for name, part in parts.items()},
    )


def estimate(mean: float, parts: Mapping[str, float], freedom: float) -> Estimate:
    """Value and 95% interval from standard uncertainties; `noise` alone has finite degrees of freedom."""
    # Welch and Satterthwaite's effective degrees of freedom.
    error = math.sqrt(sum(part**2 for part in parts.values()))
    degrees = freedom * (error / parts["noise"]) ** 4 if parts["noise"] > 0 else math.inf
    degrees = max(degrees, 1.0)
    half = float(student.ppf((1 + CONFIDENCE) / 2, min(degrees, 1e9))) * error
    return Estimate(mean=mean, low=mean - half, high=mean + half, standard_error=error)


def unconfigured_phase(log: PowerLog) -> tuple[Phase, tuple[float, float]]:
    """Statistics of a log of the unconfigured FPGA, its mean in W and the standard uncertainty of that."""
    everything = np.ones(len(log.time), np.bool_)
    centred = log.power - log.power.mean()
    correlation = correlation_time(centred, log.index)
    found = phase(UNCONFIGURED, "", log, everything, correlation)
    if found.effective < LEAST_EFFECTIVE:
        raise FlowError(
            f"the log of the unconfigured FPGA has {found.effective:.1f} independent samples, {LEAST_EFFECTIVE:.0f} are "
            f"needed; record for {LEAST_EFFECTIVE * correlation * log.step:.3g} s"
        )
    return found, (found.mean_w, found.std_w / math.sqrt(found.effective))


def moved_alignment(found: Alignment) -> tuple[float, float]:
    """Shifts one standard error to either side."""
    return (
        found.shift_s - found.standard_error_s,
        found.shift_s + found.standard_error_s,
    )
