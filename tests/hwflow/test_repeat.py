"""Lowering with a layer repeated: same results in the emulator, more cycles in the model, and what the verifier notices."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hwflow.cli.run_repeat import repeated_layer
from hwflow.compiler.lower import lower
from hwflow.compiler.program import Program
from hwflow.compiler.repeat import Repeat
from hwflow.cycle_model.shares import frame_shares
from hwflow.emulator.run import emulate_program
from hwflow.errors import FlowError
from hwflow.isa import FcDest, Op, Ring
from hwflow.verifier.context import Context
from hwflow.verifier.verify import open_program, violations
from models.integer.params import IntegerNetwork
from models.integer.random import random_images, random_network, small_config
from tests.sim.configs import CONFIGS

CONFIG = CONFIGS["sim-small"]


@pytest.fixture(scope="module")
def network() -> IntegerNetwork:
    return random_network(3, small_config())


@pytest.fixture(scope="module")
def plain(network: IntegerNetwork) -> Program:
    return lower(network, CONFIG)


def names(program: Program) -> list[str]:
    return [layer.name for layer in program.manifest.layers if layer.kind == "conv"]


def test_results_stay_and_cycles_grow(network: IntegerNetwork, plain: Program) -> None:
    images = random_images(3, 2, network.image_shape)
    wanted = emulate_program(plain, images)
    base = frame_shares(plain).total
    for layer in names(plain):
        again = lower(network, CONFIG, Repeat(layer, 6))
        found = emulate_program(again, images)
        assert np.array_equal(found.logits, wanted.logits)
        assert found.logit_signatures == wanted.logit_signatures
        assert frame_shares(again).total > base
        # Weights are in memory once, only instructions are more.
        more = again.manifest.instructions - plain.manifest.instructions
        assert len(again.memory) - len(plain.memory) == 64 * more
        assert repeated_layer(again) == (layer, 6)
    assert repeated_layer(plain) == ("", 1)


def test_a_program_without_repetition_is_as_before(network: IntegerNetwork, plain: Program) -> None:
    assert lower(network, CONFIG, None).memory == plain.memory


def test_refusals(network: IntegerNetwork, plain: Program) -> None:
    for layer, times, said in (
        ("nothing", 3, "--repeat-layer nothing: unknown; known: "),
        (plain.manifest.layers[0].name, 3, "only PokeConvs"),
        (names(plain)[0], 1, "give 2 to"),
        (names(plain)[0], 5000, "give 2 to"),
    ):
        with pytest.raises(FlowError, match=said):
            lower(network, CONFIG, Repeat(layer, times))


def _change(op: Op, **fields: int) -> Callable[[list[dict[str, Any]]], None]:
    """Fields of the first pass's instruction of that opcode, of the layer that is repeated."""

    def change(instructions: list[dict[str, Any]]) -> None:
        layer = _repeated(instructions)
        first = next(i for i in instructions if i["op"] == op and i["layer"] == layer)
        first.update(fields)

    return change


def _repeated(instructions: list[dict[str, Any]]) -> int:
    convs = [i["layer"] for i in instructions if i["op"] == Op.CONV]
    return next(layer for layer in convs if convs.count(layer) > 1)


def _own_shortcut(instructions: list[dict[str, Any]]) -> None:
    """The first pass stores its output as the last one does."""
    layer = _repeated(instructions)
    passes = [i for i in instructions if i["op"] == Op.CONV and i["layer"] == layer]
    passes[0].update({name: passes[-1][name] for name in ("store", "store_shift", "store_pitch")})


def _drop_mean(instructions: list[dict[str, Any]]) -> None:
    layer = _repeated(instructions)
    means = [i for i in instructions if i["op"] == Op.MEAN and i["layer"] == layer]
    instructions.remove(means[-1])


def _other_scale(instructions: list[dict[str, Any]]) -> None:
    layer = _repeated(instructions)
    scales = [i for i in instructions if i["layer"] == layer and i.get("dest") == FcDest.SCALE]
    scales[0]["lo"] = -3


def _other_weights(instructions: list[dict[str, Any]]) -> None:
    layer = _repeated(instructions)
    loads = [
        i
        for i in instructions
        if i["op"] == Op.LOAD and i["layer"] == layer and i["ring"] == Ring.WEIGHTS
    ]
    other = next(
        i
        for i in instructions
        if i["op"] == Op.LOAD and i["layer"] != layer and i["ring"] == Ring.WEIGHTS
    )
    loads[0]["address"] = other["address"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_drop_mean, "no MEAN between the FCs of its passes"),
        (_change(Op.CONV, acc_shift=9), "acc_shift is 9, in the last pass"),
        (_other_scale, "FCs to SCALE for 3 passes, or unlike ones"),
        (_own_shortcut, "an earlier pass overwrites an operand with its output"),
        (_other_weights, "into the WEIGHTS ring is not 3 times the same"),
    ],
)
def test_the_verifier_notices(
    network: IntegerNetwork, plain: Program, change: Callable[..., None], said: str
) -> None:
    in_place = next(
        layer for layer in names(plain) if _suppressed(lower(network, CONFIG, Repeat(layer, 3)))
    )
    context = open_program(lower(network, CONFIG, Repeat(in_place, 3)))
    assert violations(context) == []
    instructions = [dict(i) for i in context.instructions]
    change(instructions)
    found = violations(dataclasses.replace(context, instructions=instructions))
    assert any(line.startswith("[passes]") and said in line for line in found), found


def _suppressed(program: Program) -> bool:
    """Whether an earlier pass does not store what the last one stores."""
    context: Context = open_program(program)
    layer = _repeated(context.instructions)
    passes = [i for i in context.instructions if i["op"] == Op.CONV and i["layer"] == layer]
    assert FcDest.SCALE in {i["dest"] for i in context.instructions if i["op"] == Op.FC}
    return passes[0]["store"] != passes[-1]["store"]
