"""Stimuli of units from a recording made here: segments, random data, faults that are seen, one whole layer."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from hwflow.energy.characterisation import UnitName
from hwflow.errors import FlowError
from sim.energy.designs import RESET, answers
from sim.energy.stimuli import Driven
from sim.energy.units import Unit
from sim.recording import Layer, Recording
from tests.sim.configs import SMALL


@pytest.mark.parametrize("name", ["binary_pe", "mac8_pe", "bf16_mac"])
def test_segments_of_every_kind_of_operands(
    name: UnitName, known: dict[UnitName, Unit], recording: Recording
) -> None:
    driven = Driven(known[name], recording)
    taken, random = (
        driven.drive(kind, segments=12, length=40, rest=30, seed=1)
        for kind in ("recorded", "random")
    )
    per_cycle = known[name].per_cycle
    for drive in (taken, random):
        stimulus = drive.stimulus
        assert drive.working == 12 and len(stimulus.segments) == 22
        assert set(stimulus.ports) == {*driven.design.inputs, RESET}
        assert set(stimulus.expected) == set(driven.design.outputs)
        for segment, operations, masked in zip(
            stimulus.segments, drive.operations, drive.masked, strict=False
        ):
            part = slice(segment.warm_up, segment.stop)
            steps, adds = (int(stimulus.ports[port][part].sum()) for port in ("step", "add"))
            assert operations == steps * per_cycle and masked == (steps - adds) * per_cycle
        for segment in stimulus.segments[12:]:
            assert not stimulus.ports["step"][segment.warm_up : segment.stop].any()
    controls = ("step", "add", "step_next", "last_next")
    data = sorted(set(driven.design.inputs) - set(controls))
    for port in controls:
        assert np.array_equal(taken.stimulus.ports[port], random.stimulus.ports[port])
    for port in data:
        assert not np.array_equal(taken.stimulus.ports[port], random.stimulus.ports[port])
        changed = (np.diff(random.stimulus.ports[port], axis=0) != 0).any(axis=1)
        assert not changed[random.stimulus.ports["step"][1:, 0] == 0].any()


def test_a_segment_alone_answers_what_the_whole_stream_does(
    known: dict[UnitName, Unit], recording: Recording
) -> None:
    driven = Driven(known["mac8_pe"], recording)
    stimulus = driven.drive("recorded", segments=12, length=40, rest=30, seed=2).stimulus
    for segment in (stimulus.segments[0], stimulus.segments[-1]):
        part = slice(segment.start, segment.stop)
        alone = answers(driven.design, {p: stimulus.ports[p][part] for p in driven.design.inputs})
        counted = slice(segment.warm_up - segment.start, None)
        whole = stimulus.expected["result"][segment.warm_up : segment.stop]
        assert np.array_equal(alone["result"][counted], whole)


def test_a_changed_recording_is_seen(known: dict[UnitName, Unit], recording: Recording) -> None:
    unit = known["binary_pe"]
    driven = Driven(unit, recording)
    low = sum(width for port, width in driven.design.ports.items() if port != "result")
    changed = {path: words.copy() for path, words in recording.instances.items()}
    for path in unit.instances:
        changed[path][:, low // 32] ^= np.uint32(
            1 << low % 32
        )  # bit 0 of the result, the last port
    faulty = Driven(unit, dataclasses.replace(recording, instances=changed))
    with pytest.raises(
        FlowError, match=r"result bit 0 in recorded cycle \d+ is not what binary_pe"
    ):
        faulty.drive("recorded", segments=12, length=40, rest=30, seed=1)


def test_one_whole_layer(known: dict[UnitName, Unit], recording: Recording) -> None:
    driven = Driven(known["binary_pe"], recording)
    (layer,) = recording.layers
    stimulus, operations = driven.layer(layer)
    (segment,) = stimulus.segments
    assert segment.counted == 300
    steps = int(stimulus.ports["step"][segment.warm_up : segment.stop].sum())
    assert steps == 200 and operations == steps * SMALL.popcount_width
    with pytest.raises(FlowError, match="nothing before it settles binary_pe"):
        driven.layer(Layer(0, "first", 3, 200))


def test_an_instance_that_was_not_recorded_is_named(
    known: dict[UnitName, Unit], recording: Recording
) -> None:
    with pytest.raises(FlowError, match=r"no recording of back_end.lane_"):
        Driven(known["vector_lane"], recording)


@pytest.mark.parametrize("name", ["binary_operands", "mac8_operands", "bf16_operands"])
def test_operand_registers_take_what_the_elements_take(
    name: UnitName, known: dict[UnitName, Unit], recording: Recording
) -> None:
    driven = Driven(known[name], recording)
    for kind in ("recorded", "random"):
        stimulus = driven.drive(kind, segments=12, length=40, rest=30, seed=1).stimulus
        segment = stimulus.segments[0]
        step = stimulus.ports["step"][segment.start : segment.stop, 0] != 0
        for port in ("activations", "weights"):
            given = stimulus.ports[port][segment.start : segment.stop]
            kept = stimulus.expected[f"{port}_out"][segment.start : segment.stop]
            assert np.array_equal(kept[1:][step[:-1]], given[:-1][step[:-1]])
            assert given.any() and not given.all()
