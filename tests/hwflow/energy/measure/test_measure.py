"""Synthetic logs with known truth: the truth lies in the stated interval about as often as stated."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bench.coverage import SCENES, covered, usual
from hwflow.energy.measure.align import align
from hwflow.energy.measure.measure import Options, measure
from hwflow.energy.measure.noise import correlation_time
from hwflow.energy.measurement import Estimate, Measurement
from hwflow.errors import FlowError
from tests.hwflow.energy.measure.synthetic import CLOCK, Scene, meter

SEEDS = 150


def holds(found: Estimate, truth: float) -> bool:
    return found.low <= truth <= found.high


def network(found: Measurement) -> Estimate:
    return next(e for e in found.energies if not e.layer).active


@pytest.mark.parametrize("kind", [name for name in SCENES if not name.startswith("0.95")])
def test_the_truth_lies_in_the_interval(kind: str) -> None:
    scene = SCENES[kind]
    markers = scene.markers()
    found = [
        network(measure(scene.log(seed), markers, meter(), Options())) for seed in range(SEEDS)
    ]
    low, high = usual(SEEDS)
    assert 0.85 * SEEDS < low < 0.95 * SEEDS < high < SEEDS
    assert low <= sum(holds(each, scene.truth()) for each in found) <= high
    errors = [abs(each.mean - scene.truth()) / each.standard_error for each in found]
    # Not wide beyond reason either: the typical error is a good part of the stated one.
    assert 0.35 < np.median(errors) < 0.95
    assert np.mean([each.standard_error for each in found]) < 0.1 * scene.truth()


def test_intervals_that_are_too_narrow_or_too_wide_show(monkeypatch: pytest.MonkeyPatch) -> None:
    low, high = usual(SEEDS)
    for confidence in (0.8, 0.9999):
        monkeypatch.setattr("hwflow.energy.measure.analyse.CONFIDENCE", confidence)
        inside, refused = covered(Scene(), range(SEEDS))
        assert refused == 0
        assert (inside < low) == (confidence == 0.8)
        assert (inside > high) == (confidence == 0.9999)


def test_the_meters_limits_are_covered() -> None:
    scene = Scene(noise_w=0.002)
    rng = np.random.default_rng(5)
    inside: list[bool] = []
    totals: list[bool] = []
    for seed in range(80):
        gain, offset = rng.uniform(-0.02, 0.02), rng.uniform(-0.05, 0.05)
        other = dataclasses.replace(scene, gain=1 + gain, offset_w=offset)
        found = measure(other.log(seed), scene.markers(), meter(0.02, 0.05), Options())
        inside.append(holds(network(found), scene.truth()))
        seconds = 20_000 / CLOCK
        totals.append(holds(found.energies[0].total, scene.truth() + scene.idle_w * seconds))
        assert found.energies[0].budget["gain"] > 0.5
    assert np.mean(inside) > 0.93
    assert np.mean(totals) > 0.93


def test_idle_configured_and_running_are_taken_apart() -> None:
    scene = Scene(noise_w=0.002)
    bare = dataclasses.replace(scene, idle_w=0.3, steps_w={("", 1): 0.0}).log(7, 20.0)
    found = measure(scene.log(1), scene.markers(), meter(0.001, 0.002), Options(), bare)
    (energy,) = found.energies
    seconds = 20_000 / CLOCK
    assert energy.seconds == pytest.approx(seconds)
    assert energy.configured is not None
    assert holds(energy.configured, 0.2 * seconds)
    assert holds(energy.total, 0.58 * seconds)
    assert [phase.kind for phase in found.phases] == ["unconfigured", "configured", "running"]
    means = [phase.mean_w for phase in found.phases]
    assert means == pytest.approx([0.3, 0.5, 0.58], abs=0.001)
    assert sum(energy.budget.values()) == pytest.approx(1)


def test_a_layer_is_the_difference() -> None:
    # A frame: 20,000 cycles at 80 mW. 20 more passes of a layer: 5,000 cycles each at 30 mW.
    more = 20 * 5_000
    average = (20_000 * 0.08 + more * 0.03) / (20_000 + more)
    scene = Scene(
        steps_w={("", 1): 0.08, ("conv1", 21): average},
        cycles={("", 1): 20_000, ("conv1", 21): 20_000 + more},
        noise_w=0.004,
        runs=2000,
    )
    markers = scene.markers()
    truth = 0.03 * 5_000 / CLOCK
    inside: list[bool] = []
    for seed in range(30):
        found = measure(scene.log(seed), markers, meter(), Options())
        layer = next(e for e in found.energies if e.layer == "conv1")
        assert layer.scope == "layer"
        assert layer.cycles == pytest.approx(5_000)
        inside.append(holds(layer.active, truth))
    assert np.mean(inside) > 0.85
    alone = dataclasses.replace(markers, markers=tuple(m for m in markers.markers if m.times > 1))
    with pytest.raises(FlowError, match="no run of the plain network"):
        measure(scene.log(0), alone, meter(), Options())


@pytest.mark.parametrize("origin", [0.0, 1234.567, -0.4])
def test_edges_are_found_whatever_the_clock(origin: float) -> None:
    scene = Scene(origin_s=origin, noise_w=0.02, lost=0.05, drift_w_s=0.003)
    markers = scene.markers()
    errors: list[float] = []
    for seed in range(25):
        log = scene.log(seed)
        found = align(log, markers, "edges", None)
        true = origin - log.began
        errors.append((found.shift_s - true) / found.standard_error_s)
    assert np.max(np.abs(errors)) < 4
    energy = network(measure(scene.log(3), markers, meter(), Options(align="edges")))
    assert holds(energy, scene.truth())


def test_a_bending_drift_is_followed() -> None:
    straight = measure(Scene().log(1), Scene().markers(), meter(), Options())
    assert straight.energies[0].budget["drift"] == 0
    scene = Scene(bend_w_s2=0.002)
    found = [
        network(measure(scene.log(seed), scene.markers(), meter(), Options())) for seed in range(40)
    ]
    assert np.mean([holds(each, scene.truth()) for each in found]) > 0.87
    log = scene.log(1)
    wave = dataclasses.replace(log, power=log.power + 0.05 * np.sin(log.time * 3))
    # What no polynomial follows counts as correlated noise: a wider interval that still holds.
    assert holds(network(measure(wave, scene.markers(), meter(), Options())), scene.truth())
    steep = dataclasses.replace(
        log, power=log.power + 0.5 * np.sin(4 * np.pi * log.time / log.time[-1])
    )
    with pytest.raises(FlowError, match=r"no polynomial of degree 3|slow noise, or drift"):
        measure(steep, scene.markers(), meter(), Options())


@pytest.mark.parametrize("bend", [0.0, 2e-4], ids=["line", "parabola"])
def test_idle_power_is_that_of_the_markers(bend: float) -> None:
    """A marker early in a long log with drift: everything on the rail is what it was then, not in the middle."""
    scene = Scene(drift_w_s=0.02, bend_w_s2=bend, noise_w=0.004, repeats=1, runs=6000, idle_w=1.0)
    bare = dataclasses.replace(
        scene, idle_w=0.3, drift_w_s=0.0, bend_w_s2=0.0, steps_w={("", 1): 0.0}
    )
    (marker,) = scene.markers().markers
    times = np.linspace(marker.start_s, marker.start_s + 3.0, 1001)
    idle = float(np.mean(scene.idle_w + 0.02 * times + bend * (times - 30.0) ** 2))
    seconds = 20_000 / CLOCK
    shares: list[bool] = []
    for seed in range(20):
        found = measure(
            scene.log(seed, 60.0), scene.markers(), meter(), Options(), bare.log(seed, 20.0)
        )
        (energy,) = found.energies
        assert energy.configured is not None
        assert energy.total.mean == pytest.approx(scene.truth() + idle * seconds, rel=0.01)
        assert energy.configured.mean == pytest.approx((idle - 0.3) * seconds, rel=0.01)
        shares += [
            holds(energy.total, scene.truth() + idle * seconds),
            holds(energy.configured, (idle - 0.3) * seconds),
        ]
    assert np.mean(shares) > 0.85


def test_drift_is_stated() -> None:
    scene = Scene(drift_w_s=0.01)
    found = measure(scene.log(2), scene.markers(), meter(), Options())
    assert holds(found.drift_w_per_s, 0.01)
    assert not holds(found.drift_w_per_s, 0.0)


def test_records_say_what_was_measured() -> None:
    scene = Scene(lost=0.05)
    found = measure(scene.log(2), scene.markers(), meter(), Options())
    assert found.evidence == "board"
    assert found.sample_rate_hz == pytest.approx(100)
    assert found.missing > 0
    assert [m.runs for m in found.markers] == [4000] * 3
    assert len(found.log_hash) == 64


@pytest.mark.parametrize(
    ("scene", "options", "end", "said"),
    [
        (Scene(origin_s=500.0), Options(), None, "align by --align edges"),
        (Scene(noise_w=2.0, idle_w=20.0), Options(align="edges"), None, "shows no steps"),
        (
            Scene(pauses_s=(1.5,), repeats=8, noise_w=0.5, runs=2000, idle_w=9.0, step_s=0.05),
            Options(align="edges"),
            None,
            "no steps|alike",
        ),
        (Scene(runs=40), Options(), None, "repeat it .* times instead of 120"),
        (
            Scene(noise_w=0.05),
            Options(precision=0.001),
            None,
            r"asked for is 0\.10%, because of noise",
        ),
        (Scene(steps_w={("", 1): -0.1}), Options(), None, "less power running than waiting"),
        (Scene(), Options(align="guess"), None, "unknown"),
        (Scene(), Options(shift_s=100.0), None, "would be from"),
        (Scene(), Options(), 11.0, "would be from"),
    ],
)
def test_unusable_logs_are_named(
    scene: Scene, options: Options, end: float | None, said: str
) -> None:
    with pytest.raises(FlowError, match=said):
        measure(scene.log(1, end), scene.markers(), meter(), options)


def test_equal_pauses_cannot_be_told_apart() -> None:
    # Noise hides whether the first or the last of many equal markers is beside the work.
    scene = Scene(pauses_s=(1.5,), repeats=6, noise_w=0.5, idle_w=9.0)
    found = 0
    for seed in range(6):
        try:
            align(scene.log(seed), scene.markers(), "edges", None)
        except FlowError as error:
            assert "alike" in str(error) or "no steps" in str(error)
            found += 1
    assert found


def test_the_meter_may_be_what_limits() -> None:
    scene = Scene(noise_w=0.001)
    with pytest.raises(FlowError, match="because of gain; use a meter"):
        measure(scene.log(1), scene.markers(), meter(gain=0.05), Options(precision=0.02))


def test_idle_is_needed_on_both_sides() -> None:
    scene = Scene()
    log = scene.log(1)
    first = log.time >= 2.97
    cut = dataclasses.replace(
        log, time=log.time[first], power=log.power[first], index=log.index[first]
    )
    with pytest.raises(FlowError, match="no idle sample before the first"):
        measure(cut, scene.markers(), meter(), Options())


def test_the_autocorrelation_time_is_that_of_the_process() -> None:
    rng = np.random.default_rng(0)
    for memory in (0.0, 0.5, 0.9):
        white = rng.normal(size=40_000)
        values = np.empty_like(white)
        state = 0.0
        for place, value in enumerate(white):
            state = memory * state + value
            values[place] = state
        whole = correlation_time(values - values.mean(), np.arange(40_000))
        assert whole == pytest.approx((1 + memory) / (1 - memory), rel=0.25)
        # On a grid with gaps only pairs that are there count.
        kept = np.flatnonzero(rng.uniform(size=40_000) > 0.2)
        part = correlation_time(values[kept] - values[kept].mean(), kept)
        assert part == pytest.approx(whole, rel=0.25)
