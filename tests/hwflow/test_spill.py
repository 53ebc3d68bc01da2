"""Block inputs in external memory: choice, schedule, verifier and emulator; sharing out of a target's memory."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from hwflow.cli.main import app
from hwflow.compiler.explain import explain
from hwflow.compiler.fit import fit
from hwflow.compiler.geometry import geometry_of, geometry_of_config
from hwflow.compiler.lower import lower
from hwflow.compiler.program import Program
from hwflow.compiler.spill import added_cycles, plan
from hwflow.config import AcceleratorConfig, load_target
from hwflow.cycle_model import simulate_cycles
from hwflow.emulator.run import emulate_program
from hwflow.errors import FlowError
from hwflow.isa import Op, Ring, Store
from hwflow.memories import Memory
from hwflow.spilling import spilled_groups, streamed_groups
from hwflow.verifier.context import Context, Instruction
from hwflow.verifier.dataflow import LONG, OUTPUT, Region, clashes
from hwflow.verifier.verify import open_program, violations
from models.config import preset
from models.integer import layers
from models.integer.network import map_images
from models.integer.params import IntegerNetwork
from models.integer.random import random_images, random_network, small_config
from tests.hwflow.test_compiler import blank_network

SMALL = dataclasses.replace(load_target("sim-small"), long_words=8, store_words=8)
TARGETS: dict[str, AcceleratorConfig] = {
    "half": dataclasses.replace(SMALL, main_rows=36),
    "nothing": dataclasses.replace(SMALL, main_rows=16),
    "odd": dataclasses.replace(
        SMALL, main_rows=40, rows=3, cols=8, popcount_width=16, mac_depth=2, memory_bytes=8
    ),
    "lanes": dataclasses.replace(SMALL, main_rows=40, cols=8, pixel_lanes=2, mac_depth=2),
}
WIDTHS = ("0.5", "0.75", "1.0", "1.25", "1.4", "1.5", "1.75", "2.0")


@pytest.fixture(scope="module")
def network() -> IntegerNetwork:
    config = small_config(
        image=(14, 10, 3), init_kernel=2, stages=((3, 8, 1), (1, 16, 2)), classes=5
    )
    return random_network(3, config)


@pytest.fixture(scope="module")
def program(network: IntegerNetwork) -> Program:
    return lower(network, TARGETS["half"])


@pytest.mark.parametrize("target", TARGETS)
def test_emulator_equals_the_network(target: str, network: IntegerNetwork) -> None:
    program = lower(network, TARGETS[target])
    assert program.manifest.spill_beats
    convs = [i for i in program.instructions if i["op"] == Op.CONV]
    assert any(spilled_groups(conv) for conv in convs)
    assert any(streamed_groups(conv) for conv in convs)
    images = random_images(3, 2, network.image_shape)
    found = emulate_program(program, images)
    wanted = layers.forward(network, map_images(network, images))
    assert np.array_equal(found.logits, wanted.logits)
    for number, layer in enumerate((*wanted.init, *wanted.convs)):
        assert np.array_equal(found.layers[number].y, layer.y)


def test_traffic_is_that_of_the_cycle_model(program: Program) -> None:
    frame = simulate_cycles(program.instructions, program.config)
    counts = program.counts()
    for kind in ("spill_read", "spill_written"):
        expected = sum(each.bytes.get(kind, 0) for each in counts)
        assert frame.bytes[f"bytes_{kind}"] == expected > 0
    roomy = lower_roomy(program)
    assert simulate_cycles(roomy.instructions, roomy.config).cycles < frame.cycles


def lower_roomy(program: Program) -> Program:
    """The same network with everything on chip."""
    config = small_config(
        image=(14, 10, 3), init_kernel=2, stages=((3, 8, 1), (1, 16, 2)), classes=5
    )
    roomy = dataclasses.replace(program.config, main_rows=4096)
    found = lower(random_network(3, config), roomy)
    assert not found.manifest.spill_beats
    return found


@pytest.mark.parametrize("main_rows", [72, 110, 145, 180])
def test_a_repeating_long_shortcut_is_not_written_over(main_rows: int) -> None:
    """The second block is wider at stride 1, so its long shortcut repeats; its output spills."""
    config = small_config(
        image=(14, 10, 3), init_kernel=2, stages=((1, 8, 1), (1, 16, 1)), classes=5
    )
    network = random_network(3, config)
    target = dataclasses.replace(SMALL, cols=8, mac_depth=4, main_rows=main_rows)
    program = lower(network, target)
    images = random_images(3, 1, network.image_shape)
    found = emulate_program(program, images)
    wanted = layers.forward(network, map_images(network, images))
    for number, layer in enumerate((*wanted.init, *wanted.convs)):
        assert np.array_equal(found.layers[number].y, layer.y), number


def test_the_verifier_sees_a_repeating_long_shortcut_written_over() -> None:
    def region(role: str, groups: int) -> Region:
        return Region(role, Memory.MAIN, 0, 7, 5, 4, groups)

    whole, half, output = region(LONG, 8), region(LONG, 4), region(OUTPUT, 8)
    assert not list(clashes([(whole, 64)], [(output, 64)], 8, SMALL))
    assert list(clashes([(half, 32)], [(output, 64)], 8, SMALL))


Change = Callable[[list[Instruction]], None]


def _long(instructions: list[Instruction]) -> list[Instruction]:
    return [i for i in instructions if i["op"] == Op.LOAD and i["ring"] == Ring.LONG]


def _no_wait(instructions: list[Instruction]) -> None:
    _long(instructions)[0]["after"] = 0


def _wait_for_itself(instructions: list[Instruction]) -> None:
    load = _long(instructions)[0]
    load["after"] = load["layer"] + 1


def _other_order(instructions: list[Instruction]) -> None:
    first, second = _long(instructions)[:2]
    first["address"], second["address"] = second["address"], first["address"]


def _one_less(instructions: list[Instruction]) -> None:
    instructions.remove(_long(instructions)[-1])


def _one_more(instructions: list[Instruction]) -> None:
    last = _long(instructions)[-1]
    instructions.insert(instructions.index(last), dict(last))


def _store_over(instructions: list[Instruction]) -> None:
    """A block stores over what it still reads."""
    stores = [i for i in instructions if i["op"] == Op.CONV and spilled_groups(i)]
    stores[1]["spill_address"] = stores[0]["spill_address"]
    for load in _long(instructions):
        if load["after"] == stores[1]["layer"] + 1:
            load["address"] = stores[0]["spill_address"]


def _into_the_image(instructions: list[Instruction]) -> None:
    store = next(i for i in instructions if i["op"] == Op.CONV and spilled_groups(i))
    store["spill_address"] -= 1


def _row_aligned(instructions: list[Instruction]) -> None:
    conv = next(i for i in instructions if i["op"] == Op.CONV and spilled_groups(i))
    conv["row_aligned"], conv["row_div"], conv["row_mod"] = 1, 0, 0
    conv["tiles"] = conv["out_h"] * -(-conv["out_w"] // 4)


def _part_of_a_word(instructions: list[Instruction]) -> None:
    _long(instructions)[0]["beats"] -= 1


def _pooled_and_stored(instructions: list[Instruction]) -> None:
    conv = next(i for i in instructions if i["op"] == Op.CONV and i["pool_en"])
    conv |= {"store": Store.POOL, "store_pitch": conv["groups"]}


FAULTS: dict[str, tuple[str, Change]] = {
    "no wait": ("spills", _no_wait),
    "a wait that never ends": ("tokens", _wait_for_itself),
    "another order": ("spills", _other_order),
    "one LOAD less": ("spills", _one_less),
    "one LOAD more": ("spills", _one_more),
    "stored over": ("spills", _store_over),
    "outside its area": ("convolutions", _into_the_image),
    "row-aligned tiles": ("convolutions", _row_aligned),
    "part of a word": ("loads", _part_of_a_word),
    "pool and output in one memory": ("convolutions", _pooled_and_stored),
}


@pytest.mark.parametrize("name", FAULTS)
def test_planted_faults_are_noticed(name: str, program: Program) -> None:
    context: Context = open_program(program)
    assert violations(context) == []
    rule, change = FAULTS[name]
    instructions = copy.deepcopy(context.instructions)
    change(instructions)
    found = violations(dataclasses.replace(context, instructions=instructions))
    assert found, "nothing noticed"
    assert found[0].startswith(f"[{rule}]"), found


def test_hardware_without_streams_is_refused(program: Program, network: IntegerNetwork) -> None:
    context = open_program(program)
    plain = dataclasses.replace(context.config, long_words=0, store_words=0)
    found = violations(dataclasses.replace(context, config=plain))
    assert found[0].startswith("[loads]")
    assert "long_words is 0" in found[0]
    with pytest.raises(FlowError, match="raise main_rows by"):
        lower(network, plain)


def test_what_spills_is_chosen_by_cost(network: IntegerNetwork) -> None:
    """No word more than necessary, and none of a tensor that is written once and read often."""
    shapes = geometry_of(network)
    config = TARGETS["half"]
    planned = plan(shapes, config)
    init, first = planned[1].output, planned[4].output
    assert init.spilled == 0
    assert (first.words, first.pitch) == (2, 1)
    more = dataclasses.replace(config, main_rows=70)
    assert added_cycles(shapes, plan(shapes, more), more) == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_every_width_fits_the_device(width: str) -> None:
    target = load_target("zu7ev")
    shapes = geometry_of_config(preset(f"pokebnn-{width}x"))
    chosen = fit(shapes, target)
    assert chosen.on_chip_bytes <= target.on_chip_bytes
    arrays = ("rows", "cols", "popcount_width", "pixel_lanes", "mac_depth", "memory_bytes")
    assert all(getattr(chosen, name) == getattr(target, name) for name in arrays)
    found = explain(shapes, chosen)
    assert (found.moved_bytes > 0) == (float(width) >= 1.4)
    assert (chosen.weight_words < target.weight_words) == (float(width) >= 1.4)
    for memory in found.memories:
        assert 0 < memory.peak_rows <= memory.rows
    for tensor in found.tensors:
        assert tensor.resident < tensor.groups or not tensor.external_bytes


def test_a_network_beyond_any_split_is_refused() -> None:
    shapes = geometry_of_config(preset("pokebnn-2.0x"))
    tiny = dataclasses.replace(load_target("zu7ev"), main_rows=16, pool_rows=16)
    with pytest.raises(FlowError, match=r"the pool memory most, and the main memory lacks [\d,]+;"):
        fit(shapes, tiny)


def test_a_network_beyond_the_most_rows_is_refused_with_the_target() -> None:
    """Its memory cannot be shared out, so sharing it out is no remedy."""
    target = load_target("ecp5-85f")
    with pytest.raises(
        FlowError, match=r"does not fit target ecp5-85f, .* raise pixel_lanes or"
    ) as caught:
        fit(geometry_of_config(preset("pokebnn-2.0x")), target)
    assert "hwflow fit" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            ["fit", "--preset", "fmnist-small", "--out", "{}"],
            "{} is a folder; give a file to write",
        ),
        (
            ["fit", "--preset", "fmnist-small", "--out", "{}/no/a.yaml"],
            "folder {}/no does not exist; make it",
        ),
        (["plan", "--preset", "fmnist-small", "--network", "{}"], "--preset and --network exclude"),
    ],
)
def test_commands_refuse(tmp_path: Path, given: list[str], message: str) -> None:
    arguments = [each.format(tmp_path) for each in given]
    error = CliRunner().invoke(app, arguments).exception
    assert isinstance(error, FlowError)
    assert message.format(tmp_path) in str(error)
    assert not list(tmp_path.iterdir())


def test_commands(tmp_path: Path) -> None:
    out = tmp_path / "fitted.yaml"
    arguments = ["--preset", "pokebnn-1.5x", "--target", "zu7ev"]
    result = CliRunner().invoke(app, ["fit", *arguments, "--out", str(out), "--json"])
    assert result.exit_code == 0, result.output
    assert load_target(out).name == "zu7ev-pokebnn-1.5x"
    arguments = ["--preset", "pokebnn-1.5x", "--target", str(out)]
    result = CliRunner().invoke(app, ["plan", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["moved_bytes"] == sum(row["moved_bytes"] for row in found["tensors"]) > 0
    result = CliRunner().invoke(app, ["plan", *arguments])
    assert result.exit_code == 0, result.output
    assert "external memory moves" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_every_width_lowers(width: str) -> None:
    """At 224x224, with the memory shared out for it; the verifier has proved what it proves."""
    config = preset(f"pokebnn-{width}x")
    program = lower(blank_network(config), fit(geometry_of_config(config), load_target("zu7ev")))
    assert (program.manifest.spill_beats > 0) == (float(width) >= 1.4)
