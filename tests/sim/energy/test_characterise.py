"""Characterisation: planted energies come back, precision is asked for, a unit goes through a small library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwflow.energy.characterisation import PARTS, UnitName
from hwflow.energy.liberty import read_libraries
from hwflow.energy.power import SegmentEnergy
from hwflow.energy.stimulus import Segment, Stimulus
from hwflow.errors import FlowError
from sim.energy.characterise import Plan, characterise, measured, needed_segments
from sim.energy.stimuli import Drive
from sim.energy.units import Unit
from sim.recording import Recording
from tests.hwflow.energy.small_library import liberty

PER_OPERATION = {"datapath": 3e-13, "registers": 5e-14, "clock": 2e-14, "leakage": 1e-15}
AT_REST = {"datapath": 1e-15, "registers": 0.0, "clock": 6e-13, "leakage": 3e-14}
SEGMENTS, LENGTH, REST = 12, 100, 40


class _Circuit:
    """What `measured` reads of a netlist."""

    instances = (1, 2, 3)
    area = 7.5
    digest = "0" * 64


def segment(cycles: int, joules: dict[str, float]) -> SegmentEnergy:
    return SegmentEnergy(cycles=cycles, **joules, load=0.0, internal=0.0, hidden=0.0)


def test_planted_energies_come_back_whatever_the_share_of_work(
    known: dict[UnitName, Unit],
) -> None:
    unit, rng = known["binary_pe"], np.random.default_rng(1)
    busy = rng.integers(LENGTH // 2, LENGTH, SEGMENTS)
    operations = tuple(int(n) * unit.per_cycle for n in busy)
    segments = [
        segment(
            LENGTH,
            {
                part: PER_OPERATION[part] * count
                + AT_REST[part] * (LENGTH - count / unit.per_cycle)
                for part in PARTS
            },
        )
        for count in operations
    ]
    segments += [segment(REST, {part: AT_REST[part] * REST for part in PARTS})] * SEGMENTS
    bits = np.zeros((1, 1), np.uint8)
    drive = Drive(
        Stimulus({"a": bits}, {"b": bits}, (Segment(0, 0, 1),)), SEGMENTS, operations, operations
    )
    circuit: Any = _Circuit()
    found = measured(unit, circuit, drive, segments, 1e-8, "recorded")
    for part in PARTS:
        assert getattr(found.per_operation, part).mean == pytest.approx(PER_OPERATION[part])
        assert getattr(found.idle_per_cycle, part).mean == pytest.approx(AT_REST[part], rel=1e-9)
    assert found.per_operation.total.mean == pytest.approx(sum(PER_OPERATION.values()))
    assert found.per_operation.total.relative < 1e-9
    assert (found.operations, found.cycles) == (sum(operations), SEGMENTS * LENGTH)
    # The whole as the record says it is put together.
    work = found.operations * found.per_operation.total.mean
    rest = (found.cycles - found.operations / found.operations_per_cycle) * (
        found.idle_per_cycle.total.mean
    )
    assert work + rest == pytest.approx(sum(each.total for each in segments[:SEGMENTS]))


def test_segments_for_a_precision() -> None:
    assert needed_segments(12, 0.1, 0.1) == 12
    # Half the width takes about four times the segments; Student's factor is a little smaller for them.
    assert 40 <= needed_segments(12, 0.1, 0.05) <= 48


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"segments": 9}, "--segments 9 is too few for an interval; give 10"),
        ({"precision": 0.0}, "--precision 0.0 is not positive"),
    ],
)
def test_plans_that_are_refused(asked: dict[str, Any], complaint: str) -> None:
    with pytest.raises(FlowError, match=complaint):
        Plan(**asked)


def test_a_unit_through_a_small_library(
    known: dict[UnitName, Unit], recording: Recording, tmp_path: Path
) -> None:
    path = tmp_path / "small.lib"
    path.write_text(liberty())
    library = read_libraries([path])
    chosen: dict[UnitName, Unit] = {"binary_pe": known["binary_pe"]}
    asked: dict[str, Any] = {"segments": 12, "length": 40, "rest": 30}
    seen: list[str] = []
    taken, random = characterise(
        chosen,
        recording,
        library,
        Plan(**asked),
        keep=tmp_path,
        progress=lambda what, done, total: seen.append(what),
    )
    assert (taken.operands, random.operands) == ("recorded", "random")
    assert taken.netlist == random.netlist and taken.stimulus != random.stimulus
    assert len(seen) == 5
    for one in (taken, random):
        spent, idle = one.per_operation, one.idle_per_cycle
        assert spent.datapath.mean > 10 * idle.datapath.mean >= 0
        # The clock costs the same whether a unit works or not.
        assert one.operations_per_cycle * spent.clock.mean == pytest.approx(idle.clock.mean)
        assert idle.leakage.mean > 0
    # What was recorded here is as random as what is drawn.
    assert spent.total.mean == pytest.approx(taken.per_operation.total.mean, rel=0.1)
    again, _ = characterise(chosen, recording, library, Plan(**asked), keep=tmp_path)
    assert again == taken
    with pytest.raises(FlowError, match=r"to \d.*%, asked for 0.1%; give about --segments \d+"):
        characterise(chosen, recording, library, Plan(**asked, precision=0.001), keep=tmp_path)
    with pytest.raises(FlowError, match="critical path takes"):
        characterise(chosen, recording, library, Plan(**asked, period=1e-12), keep=tmp_path)
