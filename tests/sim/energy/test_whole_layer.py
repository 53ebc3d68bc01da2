"""A whole layer at gate level against counters times a characterisation, on a recording made here."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from hwflow.compiler.lower import lower
from hwflow.energy.cells import Library
from hwflow.energy.characterisation import Characterisation, LibraryRecord
from hwflow.energy.liberty import read_libraries
from hwflow.errors import FlowError
from models.integer.random import random_network
from sim.energy.characterise import Plan, characterise
from sim.energy.designs import answers, design
from sim.energy.traces import packed, to_bits
from sim.energy.units import Unit, units
from sim.energy.whole_layer import check_layers
from sim.recording import Layer, Recording
from tests.hwflow.energy.small_library import liberty
from tests.sim.configs import SMALL

CYCLES = 4000
START = 2000
REST = 60


@cache
def recording_of(surplus: int = 0) -> Recording:
    """Work and rest in turns, and from START on a layer with as many steps as its counter says, and `surplus` more."""
    unit = units(SMALL)["binary_pe"]
    program = lower(random_network(1), SMALL)
    names = {layer.number: layer.name for layer in program.manifest.layers}
    layer = next(
        each
        for each in program.counts()
        if each.unit == "conv" and each.macs_class == "1x1" and each.issue < CYCLES - START - REST
    )
    rng = np.random.default_rng(1)
    at = np.arange(CYCLES)
    stop = START + layer.issue + REST
    step = np.where(at < START, at % 300 < 200, at < START + layer.issue + surplus)
    last = step & (at % 5 == 4)
    made = design(unit.make, unit.name)

    def bits(flags: np.ndarray) -> np.ndarray:
        return to_bits(flags.astype(np.int64), 1)

    def later(flags: np.ndarray) -> np.ndarray:
        return np.concatenate([[False], flags[:-1]])

    ports = {
        "step": bits(step),
        "add": bits(step),
        "step_next": bits(later(step)),
        "last_next": bits(later(last)),
    }
    for port in ("act", "opposed"):
        drawn = rng.integers(0, 2, (CYCLES, made.ports[port]), np.uint8)
        ports[port] = drawn[np.maximum.accumulate(np.where(step, at, 0))]
    given = {**ports, **answers(made, ports)}
    words = {path: packed(path, made.ports, given).words for path in unit.instances}
    layers = (Layer(0, names[layer.layer], START, stop),)
    return Recording(program, words, at.astype(np.uint32), layers)


@pytest.fixture(scope="module")
def unit() -> Unit:
    return units(SMALL)["binary_pe"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of mapped netlists."""
    return tmp_path_factory.mktemp("small")


@pytest.fixture(scope="module")
def library(kept: Path) -> Library:
    path = kept / "small.lib"
    path.write_text(liberty())
    return read_libraries([path])


@pytest.fixture(scope="module")
def known(unit: Unit, library: Library, kept: Path) -> Characterisation:
    plan = Plan(operands=("recorded",), segments=12, length=64, rest=32)
    found = characterise({unit.name: unit}, recording_of(), library, plan, keep=kept)
    record = LibraryRecord(library.name, {}, library.voltage)
    return Characterisation(record, "none", SMALL.name, 1, 1, {}, "none", tuple(found))


def test_a_layer_of_the_same_operands_costs_what_is_estimated(
    unit: Unit, library: Library, known: Characterisation, kept: Path
) -> None:
    (found,) = check_layers(unit, recording_of(), library, known, keep=kept)
    assert found.operations % unit.per_cycle == 0
    assert found.cycles == found.operations // unit.per_cycle + REST
    assert abs(found.difference) < 0.05
    for energy in (found.direct, found.predicted):
        parts = energy.datapath + energy.registers + energy.clock + energy.leakage
        assert parts == pytest.approx(energy.total)
    assert found.direct.clock == pytest.approx(found.predicted.clock, rel=0.02)
    shown = found.to_dict()
    assert shown["difference"] == found.difference and shown["library"] == library.name
    assert shown["evidence"]["direct"] == "gate-level"
    assert shown["evidence"]["predicted"] == "estimate" and shown["unit_of_energy"] == "J"


def test_steps_that_no_counter_has_are_seen(
    unit: Unit, library: Library, known: Characterisation, kept: Path
) -> None:
    with pytest.raises(FlowError, match="its counter says"):
        check_layers(unit, recording_of(1), library, known, keep=kept)


def test_outputs_that_differ_are_seen_when_no_layer_is_named(
    unit: Unit, library: Library, known: Characterisation, kept: Path
) -> None:
    recording = recording_of()
    low = sum(
        width for port, width in design(unit.make, unit.name).ports.items() if port != "result"
    )
    changed = {path: words.copy() for path, words in recording.instances.items()}
    for words in changed.values():
        words[:, low // 32] ^= np.uint32(1 << low % 32)
    faulty = dataclasses.replace(recording, instances=changed)
    with pytest.raises(FlowError, match="is not what binary_pe gives by itself"):
        check_layers(unit, faulty, library, known, keep=kept)


def test_another_netlist_is_refused(
    unit: Unit, library: Library, known: Characterisation, kept: Path
) -> None:
    other = dataclasses.replace(known.units[0], netlist="0" * 64)
    wrong = dataclasses.replace(known, units=(other,))
    with pytest.raises(FlowError, match="another netlist of binary_pe"):
        check_layers(unit, recording_of(), library, wrong, keep=kept)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["nowhere"]}, "no such layer"),
        ({"image": 3}, "image 3 was not recorded"),
    ],
)
def test_bad_choices_are_named(
    unit: Unit, library: Library, known: Characterisation, options: dict[str, object], message: str
) -> None:
    with pytest.raises(FlowError, match=message):
        check_layers(unit, recording_of(), library, known, **options)


def test_only_elements_of_arrays(library: Library, known: Characterisation) -> None:
    lane = units(SMALL)["vector_lane"]
    with pytest.raises(FlowError, match="whole layers are checked of binary_pe, mac8_pe"):
        check_layers(lane, recording_of(), library, known)
