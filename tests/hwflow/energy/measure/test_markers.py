"""Marker files: read back, merged, and refused where they cannot be."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from hwflow.energy.measure.markers import Markers, check, merge
from hwflow.errors import FlowError
from tests.hwflow.energy.measure.synthetic import Scene


def changed(markers: Markers, place: int, **fields: Any) -> Markers:
    """With another marker at that place."""
    made = list(markers.markers)
    made[place] = dataclasses.replace(made[place], **fields)
    return dataclasses.replace(markers, markers=tuple(made))


def test_files_are_read_back(tmp_path: Path) -> None:
    markers = Scene().markers()
    markers.save(tmp_path / "m.json")
    assert Markers.load(tmp_path / "m.json") == markers


@pytest.mark.parametrize(
    ("place", "fields", "said"),
    [
        (1, {"start_s": 3.5}, "markers overlap: the one at 3.000000 s lasts until 5.000000 s"),
        (0, {"cycles": 0}, "marker 0 has cycles 0"),
        (2, {"runs": 0}, "marker 2 has runs 0"),
        (2, {"times": 4}, "marker 2 repeats a layer without a name"),
        (0, {"late_s": -1.0}, "late_s -1.0"),
        (1, {"cycles": 10**400}, "marker 1 has cycles beyond 9223372036854775807"),
        (0, {"late_s": 10**400}, "markers[0]: late_s: 1000"),
    ],
)
def test_impossible_markers(place: int, fields: dict[str, Any], said: str, tmp_path: Path) -> None:
    changed(Scene().markers(), place, **fields).save(tmp_path / "m.json")
    with pytest.raises(FlowError) as error:
        Markers.load(tmp_path / "m.json")
    assert said in str(error.value)


def test_a_wrong_clock_shows(tmp_path: Path) -> None:
    markers = Scene().markers()
    with pytest.raises(FlowError, match="overlap"):
        check(dataclasses.replace(markers, clock_hz=markers.clock_hz / 2), "m")
    with pytest.raises(FlowError, match="clock_hz is 0"):
        check(dataclasses.replace(markers, clock_hz=0), "m")
    with pytest.raises(FlowError, match="no markers"):
        check(dataclasses.replace(markers, markers=()), "m")


def test_files_are_merged() -> None:
    first = Scene().markers()
    later = [dataclasses.replace(m, start_s=m.start_s + 100) for m in first.markers]
    second = dataclasses.replace(first, markers=tuple(later), images=3)
    merged = merge([("b", second), ("a", first)])
    assert [m.start_s for m in merged.markers] == sorted(m.start_s for m in merged.markers)
    assert (len(merged.markers), merged.images) == (6, 3)
    with pytest.raises(FlowError, match="b: gateware_hash is x"):
        merge([("a", first), ("b", dataclasses.replace(second, gateware_hash="x"))])
    with pytest.raises(FlowError, match="overlap"):
        merge([("a", first), ("b", first)])


@pytest.mark.parametrize("field", ["network", "network_hash", "target"])
def test_files_of_several_networks_are_refused(field: str) -> None:
    first = Scene().markers()
    later = tuple(dataclasses.replace(m, start_s=m.start_s + 100) for m in first.markers)
    other = dataclasses.replace(first, markers=later, **{field: "another"})
    with pytest.raises(FlowError, match=f"b: {field} is another.*one network on one board"):
        merge([("a", first), ("b", other)])


def test_files_of_several_programs_are_refused() -> None:
    first = Scene().markers()
    later = tuple(
        dataclasses.replace(m, start_s=m.start_s + 100, cycles=2 * m.cycles) for m in first.markers
    )
    with pytest.raises(FlowError, match="b: a frame of network takes 40000 cycles, in a 20000"):
        merge([("a", first), ("b", dataclasses.replace(first, markers=later))])


@pytest.mark.parametrize("digits", [400, 5000])
def test_numbers_beyond_floats_are_named(digits: int, tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    Scene().markers().save(path)
    path.write_text(
        path.read_text().replace('"clock_hz": 40000000.0', f'"clock_hz": {"9" * digits}')
    )
    with pytest.raises(FlowError, match=r"clock_hz: 9999|not JSON") as error:
        Markers.load(path)
    assert len(str(error.value)) < 400
