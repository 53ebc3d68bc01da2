"""Power logs with known truth: steps, drift, noise, missing samples, a clock of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.signal import lfilter

from hwflow.energy.measure.log import PowerLog, make_log
from hwflow.energy.measure.markers import Marker, Markers
from hwflow.energy.measurement import Meter

CLOCK = 40e6


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A board, a run and a meter. steps_w: power of a group's work by (layer, times) above idle."""

    steps_w: dict[tuple[str, int], float] = field(default_factory=lambda: {("", 1): 0.08})
    cycles: dict[tuple[str, int], int] = field(default_factory=lambda: {("", 1): 20_000})
    idle_w: float = 0.5
    drift_w_s: float = 0.0
    bend_w_s2: float = 0.0
    noise_w: float = 0.01
    memory: float = 0.0  # of the noise, from sample to sample (AR(1))
    step_s: float = 0.01
    runs: int = 4000
    repeats: int = 3
    pauses_s: tuple[float, ...] = (2.0, 1.3, 1.7, 2.1, 1.1, 1.9)
    late_s: float = 0.0
    lost: float = 0.0
    gain: float = 1.0
    offset_w: float = 0.0
    origin_s: float = 0.0  # clock of the log less the host's

    def markers(self) -> Markers:
        """Groups in turn, `repeats` times."""
        made: list[Marker] = []
        now = 3.0
        for number in range(self.repeats):
            for place, (layer, times) in enumerate(self.steps_w):
                cycles = self.cycles[layer, times] * self.runs
                made.append(
                    Marker(
                        start_s=now,
                        late_s=self.late_s,
                        cycles=cycles,
                        runs=self.runs,
                        layer=layer,
                        times=times,
                    )
                )
                pause = self.pauses_s[(number * len(self.steps_w) + place) % len(self.pauses_s)]
                now += cycles / CLOCK + pause
        return Markers(
            network="net",
            target="t",
            network_hash="n",
            target_hash="h",
            gateware_hash="g",
            clock_hz=CLOCK,
            images=1,
            markers=tuple(made),
        )

    def samples(self, seed: int, end_s: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(times by the log's clock, watts): each sample the mean over the step before it."""
        rng = np.random.default_rng(seed)
        markers = self.markers()
        last = markers.markers[-1]
        end = end_s or last.start_s + last.cycles / CLOCK + 3.0
        time = np.arange(self.step_s, end, self.step_s)
        power = self.idle_w + self.drift_w_s * time + self.bend_w_s2 * (time - end / 2) ** 2
        late = rng.uniform(0, 1, len(markers.markers)) * self.late_s
        for marker, delay in zip(markers.markers, late, strict=True):
            start = marker.start_s + delay
            stop = start + marker.cycles / CLOCK
            covered = np.clip(time, start, stop) - np.clip(time - self.step_s, start, stop)
            power = power + self.steps_w[marker.layer, marker.times] * covered / self.step_s
        white = rng.normal(0, self.noise_w, len(time))
        white[1:] *= (1 - self.memory**2) ** 0.5
        noise = lfilter([1.0], [1.0, -self.memory], white)
        power = self.gain * (power + noise) + self.offset_w
        kept = rng.uniform(size=len(time)) >= self.lost
        kept[[0, -1]] = True
        return time[kept] + self.origin_s, power[kept]

    def log(self, seed: int, end_s: float | None = None) -> PowerLog:
        """The samples as a log."""
        return as_log(*self.samples(seed, end_s))

    def truth(self, group: tuple[str, int] = ("", 1)) -> float:
        """Joules of a run above idle."""
        return self.steps_w[group] * self.cycles[group] / CLOCK


def as_log(
    time: Sequence[float] | np.ndarray, power: Sequence[float] | np.ndarray, missing: float = 0.2
) -> PowerLog:
    lines = list(range(2, 2 + len(time)))
    return make_log(
        "log", list(time), list(power), lines, allow_missing=missing, allow_negative_w=0.0
    )


def meter(gain: float = 0.0, offset: float = 0.0, clock: float = 0.0) -> Meter:
    return Meter(
        source="csv",
        name="m",
        channel="p",
        gain_limit=gain,
        offset_limit_w=offset,
        clock_limit=clock,
    )
