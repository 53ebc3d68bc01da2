"""Comparison of reported cycles with the cycle model's, without a simulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hwflow import isa
from hwflow.compiler.lower import lower
from hwflow.cycle_model import FrameTiming, LayerTiming
from hwflow.cycle_model import model as cycle_model
from hwflow.errors import FlowError
from hwflow.host.results import FrameRecords, LayerRecord, ScalarRecord
from models.integer.random import random_network
from sim.cycles import cycle_differences, predicted_frame
from sim.memory import MemoryTiming
from tests.sim.configs import SMALL


@pytest.fixture(scope="module")
def predicted() -> FrameTiming:
    frame = predicted_frame(lower(random_network(1), SMALL), MemoryTiming())
    assert frame is not None
    return frame


def layer_record(layer: LayerTiming) -> LayerRecord:
    counters = {"start": layer.start, "end": layer.end, **layer.cycles}
    return LayerRecord(layer.layer, 0, counters)


@pytest.fixture
def sent(predicted: FrameTiming) -> FrameRecords:
    """What an accelerator sends that takes exactly the model's cycles."""
    scalars = [
        ScalarRecord(
            each.layer, each.wide, {"start": each.start, "end": each.end, "steps": each.steps}
        )
        for each in predicted.scalars
    ]
    return FrameRecords(
        tuple(layer_record(each) for each in predicted.layers),
        tuple(scalars),
        np.zeros(1, np.int32),
        0,
        {"cycles": predicted.cycles, **predicted.bytes},
    )


def differences(sent: FrameRecords, predicted: FrameTiming) -> list[str]:
    return list(cycle_differences(3, predicted.total, sent, predicted))


def test_equal(sent: FrameRecords, predicted: FrameTiming) -> None:
    assert differences(sent, predicted) == []
    for layer in sent.layers:
        assert layer.cycles == sum(layer.counters.values()) - sum(
            layer.counters[name] for name in ("start", "end")
        )


def test_missing_and_extra_records_are_one_line_each(
    sent: FrameRecords, predicted: FrameTiming
) -> None:
    first, *others = sent.layers
    fewer = replace(sent, layers=tuple(others), scalars=sent.scalars[:-1])
    last = sent.scalars[-1].layer
    assert differences(fewer, predicted) == [
        f"image 3, layer {first.layer}: no record",
        f"image 3, layer {last} FC: no record",
    ]
    more = replace(sent, layers=(*sent.layers, first), scalars=(*sent.scalars, sent.scalars[0]))
    assert differences(more, predicted) == [
        f"image 3, layer {first.layer}: 1 records too many",
        f"image 3, layer {sent.scalars[0].layer} FC: 1 records too many",
    ]


def test_a_cycle_more_is_named(sent: FrameRecords, predicted: FrameTiming) -> None:
    last = sent.layers[-1]
    wrong = replace(last, counters={**last.counters, "setup": last.counters["setup"] + 1})
    lines = differences(replace(sent, layers=(*sent.layers[:-1], wrong)), predicted)
    assert len(lines) == 1
    assert f"layer {last.layer}: setup {wrong.counters['setup']}, cycle model" in lines[0]


def test_a_schedule_without_its_weights_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle_model, "PATIENCE", 2000)
    program = lower(random_network(1), SMALL)
    schedule = [
        each
        for each in program.instructions
        if not (each["op"] == isa.Op.LOAD and each["ring"] == isa.Ring.WEIGHTS)
    ]
    with pytest.raises(FlowError, match="does not come to its END: nothing moves in the 2000"):
        cycle_model.simulate_cycles(schedule, SMALL)
