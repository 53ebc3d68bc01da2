"""The emulator, fed with encoded schedules, equals the integer network in every stored bit."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import numpy.typing as npt
import pytest

from hwflow.compiler.lower import lower
from hwflow.config import AcceleratorConfig, load_target
from hwflow.emulator import memory
from hwflow.emulator.memory import BankedMemory, Fifo, unpack_nibbles
from hwflow.emulator.run import emulate, emulate_program
from hwflow.emulator.state import State
from hwflow.errors import FlowError
from models.config import PokeBNNConfig
from models.integer import network as reference
from models.integer.params import IntegerNetwork
from models.integer.random import random_images, random_network, small_config

TINY = AcceleratorConfig(
    name="tiny",
    rows=3,
    cols=8,
    popcount_width=16,
    pixel_lanes=1,
    mac_depth=2,
    memory_bytes=8,
    weight_words=128,
    mac_words=32,
    constant_words=32,
    bit_rows=512,
    byte_rows=256,
    residual_bits=16,
    main_rows=2048,
    side_rows=2048,
    pool_rows=2048,
    line_pixels=32,
    channel_limit=512,
    long_words=0,
    store_words=0,
    head_rows=0,
    popcount_stages=1,
)
ODD_ROWS = dataclasses.replace(
    TINY, name="odd-rows", rows=7, popcount_width=64, mac_depth=4, mac_words=64
)
LANES = dataclasses.replace(
    TINY, name="lanes", rows=8, cols=16, pixel_lanes=4, popcount_width=32, mac_depth=1
)
TARGETS = {
    **{name: load_target(name) for name in ("sim-small", "ecp5-85f", "mid-4k", "zu7ev")},
    **{config.name: config for config in (TINY, ODD_ROWS, LANES)},
}
ARCHITECTURES: dict[str, PokeBNNConfig] = {
    "small": small_config(),
    "odd maps": small_config(image=(18, 14, 3), stages=((1, 8, 1), (2, 16, 2))),
    "truncated": small_config(image=(10, 8, 1), stages=((1, 8, 1), (1, 20, 1), (1, 32, 2))),
    "ragged": small_config(
        image=(14, 10, 2),
        init_channels=12,
        init_out=24,
        stages=((2, 10, 1), (1, 14, 2)),
        classes=13,
    ),
    "one pixel": small_config(image=(6, 6, 1), stages=((1, 8, 2), (1, 8, 2), (1, 8, 1))),
    "narrow": small_config(
        image=(12, 8, 1), init_channels=32, init_out=64, stages=((2, 8, 1), (1, 16, 2))
    ),
    "own scales": small_config(image=(10, 10, 1), stages=((1, 24, 1),), bounds="per_channel"),
    "wide": small_config(image=(8, 12, 1), init_channels=32, init_out=64, stages=((2, 32, 1),)),
}
"""The narrow one's first block averages its input for both shortcuts, as widths below 0.25 do; every
channel of the means of the one with own scales has its own."""
FITTING = [
    ("small", "sim-small"),
    ("small", "tiny"),
    ("small", "ecp5-85f"),
    ("small", "lanes"),
    ("odd maps", "mid-4k"),
    ("odd maps", "odd-rows"),
    ("truncated", "tiny"),
    ("truncated", "ecp5-85f"),
    ("ragged", "odd-rows"),
    ("ragged", "ecp5-85f"),
    ("one pixel", "sim-small"),
    ("one pixel", "tiny"),
    ("own scales", "sim-small"),
    ("own scales", "tiny"),
    ("narrow", "sim-small"),
    ("narrow", "tiny"),
    ("narrow", "ecp5-85f"),
    ("narrow", "zu7ev"),
    ("wide", "zu7ev"),
    ("wide", "lanes"),
]


@functools.cache
def _case(name: str) -> tuple[IntegerNetwork, npt.NDArray[np.uint8], reference.Trace]:
    """A random network of the architecture, two images and what the reference computes."""
    seed = 20 + list(ARCHITECTURES).index(name)
    network = random_network(seed, ARCHITECTURES[name])
    images = random_images(seed, 2, network.image_shape)
    return network, images, reference.trace(network, images)


@pytest.mark.parametrize(("name", "target"), FITTING)
def test_equals_the_integer_network(name: str, target: str) -> None:
    network, images, trace = _case(name)
    program = lower(network, TARGETS[target])
    emulation = emulate_program(program, images)
    for number, expected in enumerate((*trace.init, *trace.convs)):
        layer = emulation.layers[number]
        np.testing.assert_array_equal(layer.y, expected.y, f"layer {number}")
        np.testing.assert_array_equal(layer.t_saturated, expected.t_saturated)
        np.testing.assert_array_equal(layer.y_saturated, expected.y_saturated)
    for number, expected in enumerate(trace.convs, 2):
        np.testing.assert_array_equal(emulation.layers[number - 1].sums, expected.input_sums)
        np.testing.assert_array_equal(emulation.means[number], expected.mean)
        np.testing.assert_array_equal(emulation.hidden[number], expected.hidden)
        np.testing.assert_array_equal(emulation.scales[number], expected.scale)
    np.testing.assert_array_equal(emulation.means[2 + len(trace.convs)], trace.features)
    np.testing.assert_array_equal(emulation.logits, trace.logits)
    _check_counts(program, emulation)


def _check_counts(program, emulation) -> None:
    counted = {c.layer: c for c in program.counts() if c.unit == "conv"}
    names = ("issue", "useful", "masked", "k_padding", "channel_padding", "pixel_padding")
    assert set(counted) == set(emulation.layers)
    for number, layer in emulation.layers.items():
        for name in names:
            assert getattr(counted[number], name) == getattr(layer.counts, name), (number, name)
    scalar = [c for c in program.counts() if c.issue and c.unit != "conv"]
    assert len(scalar) == len(emulation.scalar_counts)
    for entry, (layer, counts) in zip(scalar, emulation.scalar_counts, strict=True):
        assert entry.layer == layer
        assert [getattr(entry, n) for n in names] == [getattr(counts, n) for n in names]


def test_every_slot_is_accounted_for() -> None:
    config = TARGETS["tiny"]
    program = lower(random_network(3, ARCHITECTURES["ragged"]), config)
    for c in program.counts():
        parts = (c.useful, c.masked, c.k_padding, c.channel_padding, c.pixel_padding)
        assert sum(parts) == c.issue * c.slots


def test_useful_and_masked_are_the_models_macs() -> None:
    network = random_network(5, ARCHITECTURES["odd maps"])
    program = lower(network, TARGETS["mid-4k"])
    counted = {c.layer: c for c in program.counts() if c.unit == "conv"}
    for number, conv in enumerate(network.convs, 2):
        h, w, cout = conv.out_shape
        macs = h * w * conv.kernel**2 * conv.in_shape[2] * cout
        assert counted[number].useful + counted[number].masked == macs
        assert (counted[number].masked > 0) == (conv.kernel > 1)


def test_results_do_not_depend_on_what_memories_held(monkeypatch: pytest.MonkeyPatch) -> None:
    network = random_network(7, ARCHITECTURES["ragged"])
    images = random_images(7, 1, network.image_shape)
    program = lower(network, TARGETS["odd-rows"])
    first = emulate_program(program, images)
    monkeypatch.setattr(memory, "JUNK", 0xA7)
    state = State(program.config, 1)
    for held in (state.bit.data.view(np.uint8), state.sums, *state.pairs.values()):
        assert np.all(held == 0xA7)
    second = emulate_program(program, images)
    np.testing.assert_array_equal(first.logits, second.logits)
    for number, layer in first.layers.items():
        assert layer.signatures == second.layers[number].signatures


def test_images_of_a_batch_do_not_meet() -> None:
    network = random_network(8)
    images = random_images(8, 3, network.image_shape)
    program = lower(network, TARGETS["sim-small"])
    together = emulate_program(program, images)
    for index in range(3):
        alone = emulate_program(program, images[index : index + 1])
        np.testing.assert_array_equal(alone.logits[0], together.logits[index])
        assert alone.logit_signatures[0] == together.logit_signatures[index]


def test_a_changed_weight_bit_changes_the_result() -> None:
    network = random_network(9)
    images = random_images(9, 1, network.image_shape)
    program = lower(network, TARGETS["sim-small"])
    load = next(i for i in program.instructions if i["op"] == 1 and i["ring"] == 0)
    at = load["address"] * program.config.memory_bytes
    damaged = bytearray(program.memory)
    damaged[at] ^= 1
    packed = [program.pack_image(images[0])]
    address = program.manifest.schedule_address
    good = emulate(program.config, program.memory, address, packed)
    bad = emulate(program.config, bytes(damaged), address, packed)
    layer = load["layer"]
    assert good.layers[layer].signatures != bad.layers[layer].signatures
    assert good.layers[layer - 1].signatures == bad.layers[layer - 1].signatures


def test_wrong_images_are_refused() -> None:
    program = lower(random_network(10), TARGETS["sim-small"])
    with pytest.raises(FlowError, match="uint8"):
        emulate_program(program, np.zeros((1, 5, 5, 1), np.uint8))
    with pytest.raises(FlowError, match="its LOAD brings"):
        emulate(program.config, program.memory, program.manifest.schedule_address, [b"\0"])


def test_a_schedule_without_end_is_refused() -> None:
    program = lower(random_network(11), TARGETS["sim-small"])
    start = program.manifest.schedule_address * program.config.memory_bytes
    image = program.pack_image(random_images(11, 1, (12, 12, 1))[0])
    with pytest.raises(FlowError, match="no END"):
        emulate(program.config, program.memory[: start + 128], start // 16, [image])


def test_banked_memory_keeps_slots_apart() -> None:
    banked = BankedMemory(2, 5, 12, 4, np.int16)
    slots = np.arange(17)
    values = np.arange(2 * 17 * 4).reshape(2, 17, 4)
    banked.write(slots, 1, 2, 0, values)
    banked.write(slots, 1, 2, 1, -values)
    np.testing.assert_array_equal(banked.read(slots, 1, 2, 0), values)
    np.testing.assert_array_equal(banked.read(slots, 1, 2, 1), -values)
    assert banked.data[1, 8 % 5, 1 + (8 // 5) * 2, 3] == values[1, 8, 3]


def test_fifo_refuses_to_run_dry() -> None:
    fifo = Fifo("ring", 4)
    fifo.push(bytes(range(8)))
    np.testing.assert_array_equal(fifo.take(1), [[0, 1, 2, 3]])
    with pytest.raises(FlowError, match="ring: 2 words are needed, 1 are there"):
        fifo.take(2)
    with pytest.raises(FlowError, match="whole words"):
        fifo.push(b"\0")


def test_nibbles_are_signed_low_first() -> None:
    assert np.frombuffer(unpack_nibbles(bytes([0x7F, 0x80])), np.int8).tolist() == [-1, 7, 0, -8]
