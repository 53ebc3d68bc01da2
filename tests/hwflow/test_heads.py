"""Long shortcuts that repeat inside a channel group: compiled, emulated, verified, refused."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

from hwflow.compiler.lower import lower
from hwflow.config import load_target
from hwflow.emulator.run import emulate_program
from hwflow.errors import FlowError
from hwflow.heads import reads_heads
from hwflow.isa import Op, Residual, Store
from hwflow.verifier.context import Context
from hwflow.verifier.heads import heads
from hwflow.verifier.verify import open_program, violations
from models.config import PokeBNNConfig, preset
from models.integer import layers as evaluation
from models.integer.network import map_images
from models.integer.random import random_images, random_network, small_config
from tests.hwflow.test_compiler import blank_network

TARGET = replace(load_target("sim-small"), name="heads", head_rows=40)
STAGES = ((1, 9, 1), (1, 19, 2), (1, 38, 2))
"""4F = 36, 76 and 152 channels: repeated after 36 and 76, in groups of 16."""


@pytest.fixture(scope="module")
def context() -> Context:
    network = random_network(7, small_config(image=(20, 20, 1), stages=STAGES))
    return open_program(lower(network, TARGET))


@pytest.mark.parametrize("cols", [8, 16])
@pytest.mark.parametrize("lanes", [1, 4])
def test_emulator_equals_the_network(cols: int, lanes: int) -> None:
    target = replace(TARGET, cols=cols, popcount_width=32, pixel_lanes=lanes, memory_bytes=8)
    network = random_network(7, small_config(image=(20, 20, 1), stages=STAGES))
    program = lower(network, target)
    convs = [each for each in program.instructions if each["op"] == Op.CONV]
    assert sum(each["heads_en"] for each in convs) == 2
    assert [each["layer"] for each in convs if reads_heads(each, target)] == [7, 10]
    images = random_images(7, 2, network.image_shape)
    trace = evaluation.forward(network, map_images(network, images))
    found = emulate_program(program, images)
    for number, layer in enumerate((*trace.init, *trace.convs)):
        assert np.array_equal(found.layers[number].y, layer.y), number
    assert np.array_equal(found.logits, trace.logits)


def test_pokebnn_14_at_full_size_compiles() -> None:
    """356, 716 and 1432 channels repeat in blocks 3, 7 and 13; 224x224 needs 196 rows of heads on zu7ev."""
    rows = {"main_rows": 16384, "side_rows": 8192, "pool_rows": 4096, "bit_rows": 8192}
    target = replace(load_target("zu7ev"), **rows, byte_rows=2048)
    network = blank_network(preset("pokebnn-1.4x"))
    convs = [each for each in lower(network, target).instructions if each["op"] == Op.CONV]
    assert [each["layer"] for each in convs if reads_heads(each, target)] == [13, 25, 43]
    with pytest.raises(FlowError, match=r"heads need 196 rows .* head_rows 195; raise head_rows"):
        lower(network, replace(target, head_rows=195))


@pytest.mark.parametrize(
    ("layer", "change", "message"),
    [
        (4, {"heads_en": 0, "head_base": 0}, "do not hold its first ones"),
        (4, {"head_base": 1}, "do not hold its first ones"),
        (4, {"head_base": 30}, "its heads end at row 55 of 40"),
        (7, {"r1_head_base": 3}, "do not hold its first ones"),
        (7, {"r1_last": 5}, "its long shortcut .* has 36 channels, 37 are read"),
        (7, {"head_base": 0}, "its heads overwrite those it reads"),
        (5, {"r1_head_base": 1}, "r1_head_base is 1 without heads"),
        (5, {"r1_last": 1}, "r1_last is 1, expected 0..0"),
        (6, {"heads_en": 1}, "keeps heads of a tensor that it does not pool"),
    ],
)
def test_verifier_notices(
    layer: int, change: dict[str, int], message: str, context: Context
) -> None:
    instructions = copy.deepcopy(context.instructions)
    conv = next(i for i in instructions if i["op"] == Op.CONV and i["layer"] == layer)
    conv.update(change)
    found = violations(replace(context, instructions=instructions))
    with pytest.raises(FlowError, match=message):
        raise FlowError("\n".join(found))


def test_verifier_wants_a_pooled_tensor(context: Context) -> None:
    """A shortcut of the main memory with a last group that is not full may not repeat."""
    instructions = copy.deepcopy(context.instructions)
    conv = next(i for i in instructions if i["op"] == Op.CONV and i["layer"] == 7)
    conv["r1_src"] = Residual.MAIN
    found = list(heads(replace(context, instructions=instructions)))
    assert any(
        "its long shortcut repeats 36 channels" in each and "which only pooled ones may" in each
        for each in found
    )


@pytest.mark.parametrize(
    ("config", "head_rows", "message"),
    [
        (
            small_config(image=(20, 20, 1), stages=STAGES),
            0,
            "resblock1-3: its long shortcut tiles 36 channels, not a multiple of 16 columns, and target heads "
            "keeps no heads; set head_rows to 25 or more",
        ),
        (
            small_config(image=(20, 20, 1), stages=STAGES),
            16,
            "resblock0-3 pool: its heads need 25 rows .* has head_rows 16; raise head_rows",
        ),
        (
            small_config(image=(20, 20, 1), stages=STAGES),
            30,
            "its heads need 34 rows with everything alive then",
        ),
        (small_config(init_out=24, stages=((1, 24, 1),)), 40, "24 channels, .* not pooled; use a"),
        (
            small_config(init_out=8, stages=((1, 8, 2),)),
            40,
            "8 channels, .* narrower than them; use a width",
        ),
    ],
)
def test_refused(config: PokeBNNConfig, head_rows: int, message: str) -> None:
    with pytest.raises(FlowError, match=message):
        lower(random_network(7, config), replace(TARGET, head_rows=head_rows))


def test_a_tensor_stored_over_a_pooled_one_has_no_heads(context: Context) -> None:
    """Layer 4 pools a tensor that layer 7 repeats; a store to the pool memory between them replaces it."""
    instructions = copy.deepcopy(context.instructions)
    convs = {each["layer"]: each for each in instructions if each["op"] == Op.CONV}
    assert list(heads(replace(context, instructions=instructions))) == []
    convs[5] |= {"store": int(Store.POOL), "store_base": convs[4]["pool_base"]}
    found = list(heads(replace(context, instructions=instructions)))
    assert any("do not hold its first ones" in message for message in found), found
