"""Spaces of designs: reading, drawing, neighbours."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hwflow.compiler.allocate import CapacityError
from hwflow.compiler.geometry import geometry_of
from hwflow.compiler.spill import plan
from hwflow.config import load_target
from hwflow.errors import FlowError
from hwflow.explore.fitting import Fitting
from hwflow.explore.resources import estimate
from hwflow.explore.space import (
    ALL_DRAWN,
    DESIGN,
    FIT,
    Space,
    design,
    load_space,
    space_names,
    valid,
)
from models.integer.random import random_network
from tests.hwflow.explore.conftest import AXES, SPACE


def _with(tmp_path: Path, **changes: Any) -> Path:
    values = copy.deepcopy(SPACE)
    for name, value in changes.items():
        at: Any = values
        *folders, last = name.split("__")
        for folder in folders:
            at = at[folder]
        if value is None:
            del at[last]
        else:
            at[last] = value
    path = tmp_path / "space.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def test_shipped_spaces_are_whole() -> None:
    for name in space_names():
        space = load_space(name)
        assert space.name == name
        assert space.points(3, 1)
        assert space.baseline is None or load_target(space.baseline)


def test_the_part_of_the_boards_space_is_the_boards() -> None:
    pytest.importorskip("amaranth_boards")
    from rtl_gen.boards.board import board

    space, part = load_space("ulx3s-85f"), board("ulx3s-85f").part
    there = (space.part.lut4, space.part.block_rams, space.part.multipliers)
    assert there == (part.lut4, part.ebr, part.mult)


def test_the_hand_written_target_fits_the_share_that_may_be_taken() -> None:
    space = load_space("ulx3s-85f")
    taken = estimate(load_target("ulx3s-85f"), memory_beats=14_156)
    for resource in ("lut4", "block_rams", "multipliers"):
        assert getattr(taken, resource) <= space.part.limit(resource)


def test_drawing_is_by_seed_and_gives_valid_designs_once(space: Space) -> None:
    drawn = space.points(200, 7)
    assert drawn == space.points(200, 7) != space.points(200, 8)
    assert len({tuple(point.values()) for point in drawn}) == 200
    assert all(valid(point) for point in drawn)
    assert space.points(50, 7) != drawn[:50]  # spread over the space, not its beginning


def test_all_points_are_there_when_more_are_asked_for(tmp_path: Path) -> None:
    axes = {
        name: values[-1] if isinstance(values, list) else values for name, values in AXES.items()
    }
    path = _with(tmp_path, axes={**axes, "rows": [2, 3], "pixel_lanes": 1, "mac_depth": [1, 2]})
    found = load_space(path).points(100, 1)
    # 3 rows of 16 columns with a depth of 1 are 48 bytes: no whole pairs of beats of 16 bytes.
    assert [(p["rows"], p["mac_depth"]) for p in found] == [(2, 1), (2, 2), (3, 2)]


@given(data=st.data())
def test_numbers_of_points_are_mixed_radix(data: st.DataObject, space: Space) -> None:
    index = data.draw(st.integers(0, space.size - 1))
    point = space.point(index)
    number = 0
    for name, values in space.axes.items():
        number = number * len(values) + values.index(point[name])
    assert number == index
    assert space.size == math.prod(len(values) for values in space.axes.values())


def test_a_space_too_large_to_shuffle_is_drawn_from_as_well(tmp_path: Path) -> None:
    path = _with(
        tmp_path, axes__weight_words=list(range(64, 1024)), axes__mac_words=list(range(64, 1024))
    )
    space = load_space(path)
    assert space.size > 1 << 21
    assert len({tuple(point.values()) for point in space.points(50, 1)}) == 50


def test_neighbours_differ_in_as_many_parameters_as_asked(space: Space) -> None:
    point = space.points(1, 3)[0]
    for changes in (1, 2):
        around = space.neighbours(point, changes)
        assert around
        differences = {
            sum(a != b for a, b in zip(p.values(), point.values(), strict=True)) for p in around
        }
        assert differences == set(range(1, changes + 1))
        assert all(valid(other) for other in around)


def test_what_fits_is_the_least_that_does() -> None:
    network = geometry_of(random_network(1))
    axes = {
        name: values[0] if isinstance(values, list) else values for name, values in AXES.items()
    }
    resolved = Fitting(network).resolved(axes)
    assert FIT not in resolved.values()
    config = design(resolved)
    plan(network, config)
    for name in ("bit_rows", "byte_rows", "main_rows", "pool_rows"):
        rows = resolved[name]
        if isinstance(rows, int) and rows > 16:
            less = design({**resolved, name: rows - 1})
            with pytest.raises(CapacityError):
                plan(network, less)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axes__rosw": 4}, "axes has an unknown field 'rosw'; did you mean rows"),
        ({"axes__rows": None, "baseline": None}, "axes has no field 'rows'"),
        ({"axes__rows": []}, "axes.rows has no values"),
        ({"axes__rows": [4, 4]}, "axes.rows has a value twice"),
        ({"axes__rows": ["four"]}, "axes.rows: 'four' must be a whole number"),
        ({"axes__rows": FIT}, "axes.rows: 'fit' must be a whole number"),
        ({"axes__bit_rows": "least"}, "axes.bit_rows: 'least' must be a whole number or fit"),
        ({"axes__clock_mhz": 0}, "axes.clock_mhz: 0 must be megahertz above 0"),
        (
            {"axes__clock_mhz": math.inf},
            "axes.clock_mhz: inf must be megahertz above 0 and at most",
        ),
        ({"axes__clock_mhz": math.nan}, "axes.clock_mhz: nan must be"),
        ({"axes__clock_mhz": 10**400}, "axes.clock_mhz: 10+ must be"),
        ({"memory": "tape"}, "memory 'tape' must be one of block-ram, sdram"),
        ({"part__share": {"lut4": 2}}, "part.share.lut4 2 must be above 0 and at most 1"),
        ({"part__lut4": 0}, "part.lut4 0 must be a whole number from 1"),
        ({"part": 5}, "part must be a mapping"),
        ({"name": 5}, "name must be text"),
        ({"baseline": 5}, "baseline must be the name of a target"),
        ({"baseline": "nowhere"}, "unknown target 'nowhere'"),
        ({"axes__clock_mhz": None}, "axes has no field 'clock_mhz'"),
        ({"goal": 5}, "it has an unknown field 'goal'"),
    ],
)
def test_a_wrong_space_is_refused_by_field(tmp_path: Path, changes: Any, message: str) -> None:
    path = _with(tmp_path, **changes)
    with pytest.raises(FlowError, match=message) as caught:
        load_space(path)
    assert str(path) in str(caught.value) or "nowhere" in message


def test_spaces_that_are_none(tmp_path: Path) -> None:
    for name, message in (
        ("ulx3s", "did you mean ulx3s-85f"),
        (tmp_path / "no.yaml", "does not exist"),
    ):
        with pytest.raises(FlowError, match=message):
            load_space(name)
    bad = tmp_path / "bad.yaml"
    bad.write_bytes(b"axes: [\xff")
    with pytest.raises(FlowError, match="not UTF-8"):
        load_space(bad)
    bad.write_text("axes: [")
    with pytest.raises(FlowError, match="not valid YAML"):
        load_space(bad)


def test_the_combination_nearest_to_a_target(space: Space) -> None:
    config = load_target("sim-small")
    near = space.nearest(config)
    assert list(near) == list(space.axes)
    assert (near["rows"], near["cols"], near["weight_words"]) == (4, 16, 256)  # 512 is no value
    assert (near["bit_rows"], near["side_rows"], near["line_pixels"]) == (FIT, FIT, FIT)
    assert near["clock_mhz"] == 25
    assert valid(near)


def test_what_has_no_axis_is_the_baselines(tmp_path: Path) -> None:
    axes = load_space(_with(tmp_path, axes__mac_words=None, baseline="mid-4k")).axes
    assert axes["mac_words"] == (load_target("mid-4k").mac_words,)


def test_every_parameter_of_a_design_is_an_axis(space: Space) -> None:
    assert tuple(space.axes) == (*DESIGN, "clock_mhz")


def test_a_space_without_a_design_says_why(tmp_path: Path) -> None:
    space = load_space(_with(tmp_path, axes__cols=7))
    with pytest.raises(FlowError, match=r"none of its combinations is a design, as: .*cols 7"):
        space.points(5, 1)


def test_a_large_space_with_hardly_a_design_comes_to_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hwflow.explore.space.MISSES", 500)
    few = load_space(_with(tmp_path, axes__cols=[8, *range(1001, 4001)]))
    assert few.size > ALL_DRAWN
    with pytest.raises(FlowError, match=r"designs drawn of 5,000, then 500 .* as: .*cols \d+"):
        few.points(5000, 1)
