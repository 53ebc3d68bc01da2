"""Stimuli of units from a recording made here: segments, random data, faults that are seen, one whole layer."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from hwflow.compiler.lower import lower
from hwflow.energy.characterisation import UnitName
from hwflow.errors import FlowError
from models.integer.random import random_network
from sim.energy.designs import RESET, answers, design
from sim.energy.stimuli import Driven
from sim.energy.traces import packed, to_bits
from sim.energy.units import Unit, units
from sim.recording import Layer, Recording
from tests.sim.configs import SMALL

CYCLES = 3000
LAYER = Layer(0, "third", 1500, 1800)


@pytest.fixture(scope="module")
def known() -> dict[UnitName, Unit]:
    return units(SMALL)


@pytest.fixture(scope="module")
def recording(known: dict[UnitName, Unit]) -> Recording:
    """PEs that work for 200 cycles and rest for 100; sums of 5 steps, some masked."""
    rng = np.random.default_rng(1)
    at = np.arange(CYCLES)
    step = at % 300 < 200
    last = step & (at % 5 == 4)

    def later(flags: np.ndarray) -> np.ndarray:
        return np.concatenate([[False], flags[:-1]])

    def bits(flags: np.ndarray) -> np.ndarray:
        return to_bits(flags.astype(np.int64), 1)

    instances: dict[str, np.ndarray] = {}
    for name, data in (("binary_pe", ("act", "opposed")), ("mac8_pe", ("operands", "weights"))):
        unit = design(known[name].make, name)
        ports = {
            "step": bits(step),
            "add": bits(step & (rng.random(CYCLES) < 0.8)),
            "step_next": bits(later(step)),
            "last_next": bits(later(last)),
        }
        for port in data:
            drawn = rng.integers(0, 2, (CYCLES, unit.ports[port]), np.uint8)
            ports[port] = drawn[np.maximum.accumulate(np.where(step, at, 0))]
        for path in known[name].instances:
            given = {**ports, **answers(unit, ports)}
            instances[path] = packed(path, unit.ports, given).words
    program = lower(random_network(1), SMALL)
    return Recording(program, instances, at.astype(np.uint32), (LAYER,))


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
        assert drive.working == 12 and len(stimulus.segments) == 24
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
    stimulus, operations = driven.layer(LAYER)
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
