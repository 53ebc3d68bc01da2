"""Every rule of the verifier notices what it is there for."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable

import pytest

from hwflow.compiler.lower import lower
from hwflow.config import load_target
from hwflow.isa import FIELDS, Op, Ring, Store
from hwflow.timing import CONV_QUEUE
from hwflow.tokens import Token, TokenMachine
from hwflow.verifier.context import Context, Instruction
from hwflow.verifier.verify import RULES, open_program, violations
from models.integer.random import random_network, small_config

Change = Callable[[list[Instruction]], None]


@pytest.fixture(scope="module")
def context() -> Context:
    config = small_config(
        image=(14, 10, 2), init_channels=12, init_out=24, stages=((2, 16, 1), (1, 32, 2))
    )
    target = dataclasses.replace(load_target("ecp5-85f"), weight_words=64, popcount_width=16)
    return open_program(lower(random_network(6, config), target))


def _changed(context: Context, change: Change) -> list[str]:
    instructions = copy.deepcopy(context.instructions)
    change(instructions)
    return violations(dataclasses.replace(context, instructions=instructions))


def _nth(instructions: list[Instruction], op: Op, index: int = 0) -> Instruction:
    return [i for i in instructions if i["op"] == op][index]


def _set(op: Op, index: int, **values: int) -> Change:
    def change(instructions: list[Instruction]) -> None:
        _nth(instructions, op, index).update(values)

    return change


def test_a_compiled_program_is_clean(context: Context) -> None:
    assert violations(context) == []


def _move_end(instructions: list[Instruction]) -> None:
    instructions.insert(3, instructions.pop())


def _drop(op: Op, index: int) -> Change:
    def change(instructions: list[Instruction]) -> None:
        instructions.remove(_nth(instructions, op, index))

    return change


def _swap_convs(instructions: list[Instruction]) -> None:
    first, second = _nth(instructions, Op.CONV, 2), _nth(instructions, Op.CONV, 3)
    first["layer"], second["layer"] = second["layer"], first["layer"]


def _overwrite_input(instructions: list[Instruction]) -> None:
    conv = _nth(instructions, Op.CONV, 2)
    conv["bits_base"] = conv["src_base"]


def _overwrite_live_tensor(instructions: list[Instruction]) -> None:
    """The second conv of a block stores over the block's input, which the third still reads."""
    third = _nth(instructions, Op.CONV, 4)
    second = _nth(instructions, Op.CONV, 3)
    second["store"], second["store_base"] = Store.MAIN, third["r1_base"]


def _late_weights(instructions: list[Instruction]) -> None:
    """All binary weights before anything else: their ring never empties."""
    weights = [i for i in instructions if i["op"] == Op.LOAD and i["ring"] == Ring.WEIGHTS]
    rest = [i for i in instructions if i not in weights]
    instructions[:] = [*weights, *rest]


def _extra_load(instructions: list[Instruction]) -> None:
    load = next(i for i in instructions if i["op"] == Op.LOAD and i["ring"] == Ring.CONSTANTS)
    instructions.insert(len(instructions) - 1, dict(load))


def _all_convs_first(instructions: list[Instruction]) -> None:
    convs = [i for i in instructions if i["op"] == Op.CONV]
    instructions[:] = [*convs, *(i for i in instructions if i["op"] != Op.CONV)]


def _drop_barrier(instructions: list[Instruction]) -> None:
    """Without it layer 1's constants are written while layer 0 uses its own."""
    instructions.remove(_nth(instructions, Op.MEAN, 0))
    _nth(instructions, Op.CONV, 0)["sums_en"] = 0


def _load_schedule_bytes(instructions: list[Instruction]) -> None:
    load = next(i for i in instructions if i["op"] == Op.LOAD and i["ring"] == Ring.MACS)
    load["address"] = 1


CASES: dict[str, tuple[str, Change]] = {
    "END not last": ("framing", _move_end),
    "no END": ("framing", _drop(Op.END, 0)),
    "layers out of order": ("framing", _swap_convs),
    "second image": ("framing", _set(Op.LOAD, 1, ring=Ring.BYTES)),
    "load of the schedule": ("loads", _load_schedule_bytes),
    "load of nothing": ("loads", _set(Op.LOAD, 2, beats=0)),
    "load beyond the payloads": ("loads", _set(Op.LOAD, 2, address=1 << 20)),
    "parts of words": ("loads", _set(Op.LOAD, 1, beats=3)),
    "another padding": ("convolutions", _set(Op.CONV, 3, pad_left=0)),
    "linear tiles with a stride": ("convolutions", _set(Op.CONV, 9, row_aligned=0)),
    "both shortcuts in one memory": ("convolutions", _set(Op.CONV, 4, r_src=1)),
    "output and means in one memory": ("convolutions", _set(Op.CONV, 4, store=Store.SIDE)),
    "no store": ("convolutions", _set(Op.CONV, 4, store=0)),
    "no kernel": ("framing", _set(Op.CONV, 4, kernel=0)),
    "mean of other channels": ("scalars", _set(Op.MEAN, 3, count=7)),
    "mean without sums": ("scalars", _set(Op.CONV, 3, sums_en=0)),
    "hidden length": ("scalars", _set(Op.FC, 1, inputs=2)),
    "scales of other channels": ("scalars", _set(Op.FC, 1, outputs=3)),
    "constants too early": ("constants", _drop_barrier),
    "memory exceeded": ("tensors", _set(Op.CONV, 4, store_base=60000)),
    "input somewhere else": ("tensors", _set(Op.CONV, 3, src_base=1)),
    "shortcut somewhere else": ("tensors", _set(Op.CONV, 3, r_base=3)),
    "input of another size": ("framing", _set(Op.CONV, 2, in_h=5)),
    "input overwritten": ("tensors", _overwrite_input),
    "live tensor overwritten": ("tensors", _overwrite_live_tensor),
    "place of no heads": ("heads", _set(Op.CONV, 4, head_base=1)),
    "weights too early": ("tokens", _late_weights),
    "queue too full": ("tokens", _all_convs_first),
    "constants left over": ("tokens", _extra_load),
    "weights missing": ("tokens", _drop(Op.LOAD, 1)),
}


@pytest.mark.parametrize("name", CASES)
def test_rule_notices(context: Context, name: str) -> None:
    rule, change = CASES[name]
    found = _changed(context, change)
    assert found, "nothing noticed"
    assert found[0].startswith(f"[{rule}]"), found


def test_every_rule_has_a_case() -> None:
    covered = {rule for rule, _ in CASES.values()}
    assert {rule.name for rule in RULES} - covered == {"rings", "spills", "passes"}


def test_ring_too_small(context: Context) -> None:
    small = dataclasses.replace(context.config, weight_words=16)
    found = violations(dataclasses.replace(context, config=small))
    assert found[0].startswith("[rings]")
    assert "a group has 18 words, the binary weight ring holds 16" in found[0]


VALUES_ONLY = {"acc_shift", "r_shift", "r1_shift", "group_shift"}
"""Fields of a CONV that change what is computed but neither where nor when."""


@pytest.mark.parametrize("layer", [1, 2, 3, 4, 10])
def test_every_field_of_a_conv_matters(context: Context, layer: int) -> None:
    original = _nth(context.instructions, Op.CONV, layer)
    unnoticed: set[str] = set()
    for field in FIELDS[Op.CONV][2:]:
        value = original[field.name] + 1
        if value > field.high:
            value = original[field.name] - 1
        if not _changed(context, _set(Op.CONV, layer, **{field.name: value})):
            unnoticed.add(field.name)
    unused = set()
    for operand in ("r", "r1"):
        if not original[f"{operand}_src"]:
            unused |= {f"{operand}_base", f"{operand}_groups"}
    for part in ("bits", "mean", "pool"):
        if not original[f"{part}_en"]:
            unused |= {f.name for f in FIELDS[Op.CONV] if f.name.startswith(f"{part}_")}
    assert unnoticed <= VALUES_ONLY | unused | _free(context, layer)


def _free(context: Context, layer: int) -> set[str]:
    """Where an output would be that is not stored."""
    return {"store_base"} if context.convs[layer]["store"] == Store.NONE else set()


def test_token_machine_waits_for_what_is_missing() -> None:
    config = load_target("sim-small")
    machine = TokenMachine(config)
    machine.run()
    assert machine.next_event() is None
    assert "CONV queue (0 there)" in machine.waiting()
    assert machine.room(Token.CONVS) == CONV_QUEUE
    machine.enqueue({"op": Op.AFFINE, "layer": 0, "count": 20})
    machine.deliver(Token.CONSTANTS, 19)
    machine.run()
    assert machine.levels[Token.SCALES] == 1
    machine.deliver(Token.CONSTANTS, 1)
    machine.run()
    assert machine.levels[Token.SCALES] == 2
    assert machine.room(Token.CONSTANTS) == config.constant_words
    machine.enqueue({"op": Op.END, "layer": 0})
    machine.run()
    assert machine.finished
