"""The emulator against the integer network at full size, and what the comparison reports."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from hwflow.compiler.lower import lower
from hwflow.config import load_target
from hwflow.emulator.compare import compare
from hwflow.emulator.run import emulate_program
from models.config import preset
from models.integer.network import trace
from models.integer.random import random_network, reported_network
from models.synthetic import photo_images


def test_differences_are_counted_by_layer() -> None:
    network = random_network(12)
    program = lower(network, load_target("sim-small"))
    images = photo_images(1, 2, network.image_shape)
    names = {layer.number: layer.name for layer in program.manifest.layers}
    wanted, emulation = trace(network, images), emulate_program(program, images)
    rows = compare(emulation, wanted, names)
    assert [row.name for row in rows] == [names[number] for number in sorted(names)]
    assert all(row.equal for row in rows)
    assert all(row.stored and row.records for row in rows[:-1])
    assert all(row.scalars for row in rows[2:])

    layer = emulation.layers[3]
    y = layer.y.copy()
    y[1, 0, 0, 0] ^= 1
    emulation.layers[3] = dataclasses.replace(layer, y=y, signatures=[0, *layer.signatures[1:]])
    emulation.scales[4] = emulation.scales[4] + 1
    del emulation.hidden[5]
    rows = compare(emulation, wanted, names)
    assert [row.layer for row in rows if not row.equal] == [3, 4, 5]
    assert (rows[3].stored_differ, rows[3].records_differ) == (1, 1)
    assert rows[4].scalars_differ == emulation.scales[4].size
    assert rows[5].scalars_differ == wanted.convs[3].hidden.size


@pytest.mark.slow
def test_half_width_at_full_size_is_equal() -> None:
    network, report = reported_network(0, preset("pokebnn-0.5x"))
    assert not report.missed()
    program = lower(network, load_target("zu7ev"))
    images = photo_images(1, 1, network.image_shape)
    names = {layer.number: layer.name for layer in program.manifest.layers}
    rows = compare(emulate_program(program, images), trace(network, images), names)
    assert all(row.equal for row in rows), [row for row in rows if not row.equal]
    assert np.sum([row.stored for row in rows]) > 3_000_000
