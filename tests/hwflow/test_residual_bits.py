"""The width of stored elements below the integer network: lowering, emulator, sizes, cycles."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from hwflow.compiler.lower import lower
from hwflow.config import AcceleratorConfig, load_target
from hwflow.emulator.run import emulate_program
from hwflow.energy.accesses import memory_uses
from hwflow.errors import FlowError
from models.integer import layers
from models.integer.network import map_images
from models.integer.params import IntegerNetwork
from models.integer.random import random_images, random_network, small_config
from rtl_gen.verilog import memories
from sim.cycles import predicted_frame
from sim.memory import MemoryTiming
from tests.saturating import clipped

SMALL = load_target("sim-small")
ARCHITECTURE = small_config(image=(12, 8, 1), init_out=64, stages=((2, 8, 1), (1, 16, 2)))
"""Means beside the output and in its place, pooled shortcuts."""
SPILLED = small_config(image=(14, 10, 3), init_kernel=2, stages=((2, 8, 1), (1, 16, 2)))


def target(bits: int, **changes: int) -> AcceleratorConfig:
    return dataclasses.replace(SMALL, residual_bits=bits, **changes)


def differing(network: IntegerNetwork, config: AcceleratorConfig, actual: int) -> list[int]:
    """Layers in which the emulator, storing `actual` bits, differs from the network lowered for `config`."""
    program = lower(network, config)
    manifest = dataclasses.replace(
        program.manifest, target=config.to_dict() | {"residual_bits": actual}
    )
    images = random_images(6, 2, network.image_shape)
    emulation = emulate_program(dataclasses.replace(program, manifest=manifest), images)
    trace = layers.forward(network, map_images(network, images))
    assert sum(int(layer.y_saturated.sum()) for layer in trace.convs) > 0
    found: list[int] = []
    for number, expected in enumerate((*trace.init, *trace.convs)):
        layer = emulation.layers[number]
        same = np.array_equal(layer.y, expected.y)
        same &= np.array_equal(layer.y_saturated, expected.y_saturated)
        if not same:
            found.append(number)
    if not found:
        np.testing.assert_array_equal(emulation.logits, trace.logits)
    return found


@pytest.mark.parametrize("bits", [8, 11, 12, 16])
def test_the_emulator_equals_the_integer_network(bits: int) -> None:
    network = clipped(random_network(6, ARCHITECTURE, bits))
    assert differing(network, target(bits), bits) == []


@pytest.mark.parametrize("actual", [11, 13])
def test_saturation_at_another_width_is_seen(actual: int) -> None:
    network = clipped(random_network(6, ARCHITECTURE, 12))
    assert differing(network, target(12), actual)


def test_streams_hold_narrow_elements_in_sixteen_bits() -> None:
    network = clipped(random_network(6, SPILLED, 8))
    config = target(8, main_rows=36, long_words=8, store_words=8)
    assert lower(network, config).manifest.spill_beats
    assert differing(network, config, 8) == []


@pytest.mark.parametrize(("own", "other"), [(12, 16), (16, 8)])
def test_another_width_than_the_targets_is_refused(own: int, other: int) -> None:
    network = random_network(6, ARCHITECTURE, own)
    wanted = (
        rf"stores elements of {own} bits, target sim-small of {other}; .*--residual-bits {other}"
    )
    with pytest.raises(FlowError, match=wanted):
        lower(network, target(other))


@pytest.mark.parametrize(("bits", "nearest"), [(7, 8), (17, 16)])
def test_a_width_the_hardware_cannot_have_is_refused(bits: int, nearest: int) -> None:
    wanted = rf"residual_bits {bits} must be 8\.\.16; nearest valid: {nearest}"
    with pytest.raises(FlowError, match=wanted):
        target(bits)


def test_a_target_without_the_field_has_sixteen_bits() -> None:
    values = SMALL.to_dict()
    del values["residual_bits"]
    assert AcceleratorConfig.from_dict(values, source="target old.yaml") == SMALL


def test_cycles_and_bytes_do_not_depend_on_the_width() -> None:
    found = {}
    for bits in (8, 16):
        program = lower(random_network(6, ARCHITECTURE, bits), target(bits))
        frame = predicted_frame(program, MemoryTiming())
        assert frame is not None
        found[bits] = (frame.cycles, len(program.memory), len(program.schedule))
    assert found[8] == found[16]


def test_residual_memories_shrink_with_the_width() -> None:
    wide, narrow = target(16, head_rows=32), target(10, head_rows=32)
    rows = wide.main_rows + wide.side_rows + wide.pool_rows + wide.head_rows
    saved = rows * wide.pixel_lanes * wide.cols * 6 // 8
    assert wide.tensor_bytes - narrow.tensor_bytes == saved
    assert wide.stream_word_bytes == narrow.stream_word_bytes
    for name in ("main", "side", "pool", "heads"):
        assert memories(narrow)[name] == memories(wide)[name] | {"bits": 10 * wide.cols}
    wide_bits, narrow_bits = (
        sum(
            use.bits
            for uses in memory_uses(
                lower(random_network(6, ARCHITECTURE, bits), target(bits)).instructions,
                target(bits),
            ).values()
            for use in uses
            if use.memory in ("main", "side", "pool")
        )
        for bits in (16, 10)
    )
    assert 10 * wide_bits == 16 * narrow_bits
