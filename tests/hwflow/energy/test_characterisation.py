"""The characterisation's file: what goes in comes out, and what is wrong is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import t as student

from hwflow.energy.characterisation import (
    OPERATIONS,
    UNITS,
    Characterisation,
    EnergySplit,
    Interval,
    LibraryRecord,
    UnitCharacterisation,
    UnitName,
    interval,
    load,
)
from hwflow.errors import FlowError


def split(scale: float) -> EnergySplit:
    parts = [Interval(scale * n, scale * n * 0.9, scale * n * 1.1) for n in (1, 2, 3, 4)]
    return EnergySplit(*parts, total=Interval(scale * 10, scale * 9, scale * 11))


def unit(name: UnitName) -> UnitCharacterisation:
    return UnitCharacterisation(
        unit=name,
        operation=OPERATIONS[name],
        parameters={"width": 64},
        operands="recorded",
        operations=1024,
        masked=64,
        operations_per_cycle=64,
        segments=12,
        cycles=3072,
        period=1e-8,
        cells=500,
        area=1234.5,
        per_operation=split(1e-13),
        idle_per_cycle=split(1e-14),
        netlist="0" * 64,
        stimulus="1" * 64,
    )


@pytest.fixture
def made() -> Characterisation:
    return Characterisation(
        library=LibraryRecord("small", {"small.lib": "2" * 64}, 1.8),
        network="fmnist-tiny",
        target="sim-small",
        images=1,
        seed=1,
        tools={"yosys": "0.57"},
        command="hwflow energy characterise --liberty small.lib",
        units=tuple(unit(name) for name in UNITS),
    )


def test_saved_and_loaded_is_the_same(made: Characterisation, tmp_path: Path) -> None:
    path = tmp_path / "small.json"
    made.save(path)
    assert load(path) == made
    assert path.read_text() == made.json()


def test_a_unit_by_name_or_the_command_that_makes_it(made: Characterisation) -> None:
    assert made.unit("binary_pe").operation == "binary_mac"
    with pytest.raises(FlowError, match=r"no binary_pe on random operands.*--unit binary_pe"):
        made.unit("binary_pe", "random")


def _set(value: Any, *path: str | int) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for step in path[:-1]:
            content = content[step]
        content[path[-1]] = value

    return change


def _drop(content: Any) -> None:
    del content["units"][1]["per_operation"]["clock"]


def _zero(content: Any) -> None:
    energy = content["units"][0]["per_operation"]
    energy |= {part: {"mean": 0.0, "low": 0.0, "high": 0.0} for part in energy}


def _no_datapath(content: Any) -> None:
    energy = content["units"][1]["per_operation"]
    energy["clock"], energy["datapath"] = (
        {"mean": mean, "low": mean, "high": mean}
        for mean in (energy["clock"]["mean"] + energy["datapath"]["mean"], 0.0)
    )


def _twice(content: Any) -> None:
    content["units"].append(content["units"][4])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (_set([], "units"), "units is empty"),
        (_set("adder", "units", 0, "unit"), r"units\[0\]: unit: 'adder' is no one of binary_pe, "),
        (_set("mac8x8", "units", 0, "operation"), "must be binary_mac"),
        (_set("board", "units", 0, "evidence"), "must be gate-level"),
        (_set(3, "units", 2, "segments"), r"units\[2\].segments is 3, expected at least 10"),
        (_set(True, "units", 2, "cells"), r"units\[2\]: cells: True is no int"),
        (_set(float("nan"), "units", 0, "period"), "period: nan is no float"),
        (
            _set(1.05e-14, "units", 0, "idle_per_cycle", "datapath", "mean"),
            "not the sum of its parts",
        ),
        (_set(9.0, "units", 0, "idle_per_cycle", "clock", "low"), "lies outside low..high"),
        (_zero, r"units\[0\].per_operation.total must be above 0"),
        (_no_datapath, r"units\[1\].per_operation.datapath must be above 0"),
        (_twice, r"units\[10\] is vector_lane on recorded operands a second time"),
        (_set(2e-8, "units", 3, "period"), r"several clock periods \(10 ns, 20 ns\)"),
        (_drop, r"units\[1\]: per_operation: field 'clock' is missing"),
        (_set("x", "library"), "library: expected an object"),
    ],
)
def test_a_wrong_field_is_named(
    made: Characterisation, tmp_path: Path, change: Callable[[Any], None], complaint: str
) -> None:
    content = json.loads(made.json())
    change(content["record"])
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(content))
    with pytest.raises(FlowError, match=rf"wrong\.json: .*{complaint}.*; \w+"):
        load(path)


def test_the_format_is_said(made: Characterisation, tmp_path: Path) -> None:
    content = json.loads(made.json())
    path = tmp_path / "wrong.json"
    for change, complaint in (
        ({"version": 7}, "version 7 of hwflow-characterisation, expected"),
        ({"format": "hwflow-widths"}, "not of format hwflow-characterisation"),
    ):
        path.write_text(json.dumps(content | change))
        with pytest.raises(FlowError, match=complaint):
            load(path)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(FlowError, match="cannot be read"):
        load(tmp_path / "absent.json")
    (tmp_path / "text.json").write_text("{")
    with pytest.raises(FlowError, match="not JSON"):
        load(tmp_path / "text.json")


def test_interval_is_students() -> None:
    samples = [float(n) for n in range(11)]
    found = interval(samples)
    # Standard deviation of 0..10 is sqrt(11); over sqrt(11) segments the standard error is 1.
    assert found.mean == 5
    assert found.high - found.mean == pytest.approx(student.ppf(0.975, 10))
    assert found.mean - found.low == pytest.approx(found.high - found.mean)
    assert found.relative == pytest.approx(student.ppf(0.975, 10) / 5)


def test_too_few_segments_are_refused() -> None:
    with pytest.raises(FlowError, match=r"9 segments are too few.*--segments 10"):
        interval([1.0] * 9)
