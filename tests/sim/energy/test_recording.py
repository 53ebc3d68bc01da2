"""Probes of the running accelerator: they change nothing, and record what the unit by itself gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hwflow.compiler.lower import lower
from hwflow.energy.characterisation import UnitName
from hwflow.errors import FlowError
from models.integer.random import random_images, random_network
from rtl_gen.instances import emit
from rtl_gen.pe import BinaryPE
from rtl_gen.probe import PROBE, observing
from sim.energy.stimuli import Driven
from sim.energy.units import Unit
from sim.network import conv_instructions
from sim.recording import binary_pe, record
from tests.sim.configs import SMALL


def test_probes_are_in_verilog_only_when_asked_for() -> None:
    plain = emit(BinaryPE(SMALL), "pe")
    with observing():
        observed = emit(BinaryPE(SMALL), "pe")
    assert PROBE not in plain and f"{PROBE} #(" in observed
    assert emit(BinaryPE(SMALL), "pe") == plain


@pytest.mark.slow
def test_every_unit_in_the_accelerator_gives_what_it_gives_alone(
    known: dict[UnitName, Unit], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = random_network(1)
    program = lower(network, SMALL)
    images = random_images(1, 3, network.image_shape)
    paths = sorted({path for unit in known.values() for path in unit.instances})
    found = record(program, network, images, paths)
    assert np.flatnonzero(found.cycle == 0).size == 3
    assert len(found.layers) == 3 * len(conv_instructions(program))
    for layer in found.layers[1:]:
        assert layer.start > found.layers[0].start and layer.stop <= len(found.cycle)
    convs = {layer.name: layer for layer in found.layers}
    for name in ("binary_pe", "mac8_pe", "vector_lane", "feature_periphery"):
        driven = Driven(known[name], found)
        drive = driven.drive("recorded", segments=10, length=32, rest=16, seed=1)
        assert sum(drive.operations) > 0  # the outputs were compared, or it had failed
    for name in ("mac4_pe", "bf16_mac", "feature_periphery", "vector_lane"):
        drive = Driven(known[name], found).drive("random", segments=10, length=16, rest=16, seed=1)
        assert sum(drive.operations) > 0
    binary = Driven(known["binary_pe"], found)
    stimulus, operations = binary.layer(convs["resblock0-2"])
    assert (
        operations
        == int(stimulus.ports["step"][stimulus.segments[0].warm_up :].sum()) * SMALL.popcount_width
    )
    # Found again without a simulation.
    monkeypatch.setattr("sim.recording.simulate", None)
    assert np.array_equal(record(program, network, images, paths).cycle, found.cycle)


@pytest.mark.slow
def test_an_instance_without_a_probe_is_named() -> None:
    network = random_network(1)
    images = random_images(1, 1, network.image_shape)
    with pytest.raises(FlowError, match=r"pe_99 is no unit with a probe in sim-small"):
        record(lower(network, SMALL), network, images, [binary_pe(99, 0)])
