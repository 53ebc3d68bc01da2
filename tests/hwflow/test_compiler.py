"""The compiler: determinism, build folders, damage, capacity and shapes it refuses."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from hwflow import isa
from hwflow.compiler import schedule
from hwflow.compiler.allocate import Allocator
from hwflow.compiler.lower import lower
from hwflow.compiler.program import MANIFEST, MEMORY, SCHEDULE, SCHEDULE_JSON, Program
from hwflow.config import load_target
from hwflow.errors import FlowError
from hwflow.memories import Memory, Tensor
from models.config import PokeBNNConfig, PokeConvSpec, preset
from models.integer.params import (
    DenseParams,
    InitConvParams,
    IntegerNetwork,
    PokeConvParams,
    ScalarParams,
    SEParams,
    VectorParams,
)
from models.integer.random import random_network, small_config

SIM = load_target("sim-small")
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def network() -> IntegerNetwork:
    return random_network(1)


@pytest.fixture(scope="module")
def program(network: IntegerNetwork) -> Program:
    return lower(network, SIM)


def test_same_input_gives_same_bytes(network: IntegerNetwork, program: Program) -> None:
    again = lower(random_network(1), load_target("sim-small"))
    assert (again.schedule, again.memory) == (program.schedule, program.memory)
    assert again.manifest.to_json() == program.manifest.to_json()


def test_folder_round_trip(program: Program, tmp_path: Path) -> None:
    folder = tmp_path / "build"
    program.save(folder)
    program.save(folder)
    loaded = Program.load(folder)
    assert loaded == program
    assert sorted(p.name for p in tmp_path.iterdir()) == ["build"]


def test_save_does_not_replace_other_folders(program: Program, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(FlowError, match="no part of a build"):
        program.save(tmp_path)
    assert (tmp_path / "precious").read_text() == "x"


def test_missing_file(program: Program, tmp_path: Path) -> None:
    program.save(tmp_path / "build")
    (tmp_path / "build" / MEMORY).unlink()
    with pytest.raises(FlowError, match=r"memory\.bin: not found"):
        Program.load(tmp_path / "build")


@pytest.mark.parametrize("name", [SCHEDULE, MEMORY, SCHEDULE_JSON, MANIFEST])
def test_every_damaged_byte_is_noticed(program: Program, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "build"
    program.save(folder)
    good = (folder / name).read_bytes()
    rng = np.random.default_rng(5)
    header = range(64) if name in (SCHEDULE, MEMORY) else range(0, 64, 8)
    places = [*header, len(good) - 1, *rng.integers(0, len(good), 40).tolist()]
    for at in places:
        damaged = bytearray(good)
        damaged[at] ^= 1 << (at % 7)
        (folder / name).write_bytes(damaged)
        if name == SCHEDULE_JSON and _same_json(good, bytes(damaged)):
            continue
        with pytest.raises(FlowError):
            Program.load(folder)
    (folder / name).write_bytes(good[:-3])
    with pytest.raises(FlowError):
        Program.load(folder)
    (folder / name).write_bytes(good)
    Program.load(folder)


def _same_json(first: bytes, second: bytes) -> bool:
    """White space may change without changing the schedule."""
    try:
        return json.loads(first) == json.loads(second)
    except ValueError:
        return False


def test_parts_of_other_builds_are_refused(program: Program) -> None:
    other = lower(random_network(2), SIM)
    mixed = dataclasses.replace(program, memory=other.memory)
    from hwflow.verifier.verify import verify

    with pytest.raises(FlowError, match="not the file of this manifest"):
        verify(mixed)


def test_json_form(program: Program) -> None:
    text = schedule.to_json(program.instructions)
    assert schedule.from_json(text) == program.instructions
    jsonschema.Draft202012Validator.check_schema(schedule.schema())
    document = json.loads(text)
    conv = next(i for i in document["instructions"] if i["op"] == "CONV")
    conv["kernel"] = 8
    with pytest.raises(FlowError, match="8 is greater than the maximum of 7"):
        schedule.from_json(json.dumps(document))
    del conv["kernel"]
    with pytest.raises(FlowError, match="'kernel' is a required property"):
        schedule.from_json(json.dumps(document))
    with pytest.raises(FlowError, match="not JSON"):
        schedule.from_json("{")


def test_published_schema_is_current() -> None:
    assert json.loads((DOCS / "schedule.schema.json").read_text()) == schedule.schema()


def test_layer_numbers(program: Program, network: IntegerNetwork) -> None:
    manifest = program.manifest
    names = [*(c.name for c in network.init), *(c.name for c in network.convs), "dense"]
    assert [layer.name for layer in manifest.layers] == names
    assert [layer.number for layer in manifest.layers] == list(range(len(names)))
    convs = [i["layer"] for i in program.instructions if i["op"] == isa.Op.CONV]
    assert convs == list(range(len(names) - 1))


def test_in_place_at_stride_one() -> None:
    config = small_config(stages=((4, 8, 1),))
    tensors = {t.name: t for t in lower(random_network(4, config), SIM).manifest.tensors}
    for block in (1, 2):
        x, y = tensors[f"resblock{block - 1}-3 output"], tensors[f"resblock{block}-3 output"]
        assert (x.memory, x.base) == (y.memory, y.base) == ("main", x.base)
        first, second = (tensors[f"resblock{block}-{j} output"] for j in (1, 2))
        assert (first.memory, first.base) == ("side", second.base)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("main_rows", 64),
        ("side_rows", 16),
        ("pool_rows", 16),
        ("bit_rows", 16),
        ("byte_rows", 16),
        ("channel_limit", 32),
    ],
)
def test_too_small_memories_are_named(field: str, value: int) -> None:
    config = small_config(image=(22, 22, 3), stages=((2, 16, 1), (1, 32, 2)))
    network = random_network(3, config)
    lower(network, SIM)
    with pytest.raises(FlowError, match=f"raise {field}"):
        lower(network, dataclasses.replace(SIM, **{field: value}))


@pytest.mark.parametrize("field", ["weight_words", "mac_words"])
def test_too_small_rings_are_named(field: str) -> None:
    config = small_config(image=(8, 8, 1), stages=((1, 64, 1),))
    network = random_network(3, config)
    target = dataclasses.replace(load_target("ecp5-85f"), popcount_width=16)
    lower(network, target)
    with pytest.raises(FlowError, match=f"target ecp5-85f has 16; raise {field}"):
        lower(network, dataclasses.replace(target, **{field: 16}))


def test_pooled_rows_too_wide() -> None:
    network = random_network(1)
    with pytest.raises(FlowError, match="raise line_pixels"):
        lower(network, dataclasses.replace(SIM, line_pixels=4))


@pytest.mark.parametrize(
    ("config", "target", "message"),
    [
        (small_config(stages=((1, 8, 1), (1, 10, 1))), "ecp5-85f", "averages 3 channels"),
        (
            small_config(init_out=24, init_channels=8, stages=((1, 12, 1),)),
            "ecp5-85f",
            "one per input channel",
        ),
        (small_config(init_out=64, stages=((1, 12, 1),)), "sim-small", "averages 5 channels"),
        (small_config(stages=((1, 8, 1),)), "zu7ev", "not a multiple of 32 columns"),
    ],
)
def test_unsupported_networks(config: PokeBNNConfig, target: str, message: str) -> None:
    with pytest.raises(FlowError, match=message):
        lower(random_network(1, config), load_target(target))


def _tensor(name: str, rows: int, first: int, last: int, words: int = 1) -> Tensor:
    return Tensor(
        name=name, memory=Memory.MAIN, height=1, width=rows // words, channels=16, words=words,
        pitch=words, base=0, rows=rows, first=first, last=last,
    )  # fmt: skip


def test_allocator_meets_in_the_middle() -> None:
    allocator = Allocator(dataclasses.replace(SIM, main_rows=100))
    sizes = [30, 70, 20, 80, 15]
    placed = [allocator.place(_tensor(str(i), n, i, i + 1)) for i, n in enumerate(sizes)]
    for first, second in itertools.pairwise(placed):
        assert first.base + first.rows <= second.base or second.base + second.rows <= first.base
    with pytest.raises(FlowError, match="5 output: needs 101 rows of the main memory"):
        allocator.place(_tensor("5 output", 86, 5, 6))


def test_allocator_replaces_only_dead_operands_of_the_same_layout() -> None:
    allocator = Allocator(SIM)
    operand = allocator.place(_tensor("x", 40, 0, 3))
    other = allocator.place(_tensor("y", 40, 3, 4, words=2), over=operand)
    assert other.base >= operand.base + 40 or other.base + 40 <= operand.base
    same = allocator.place(_tensor("z", 40, 3, 5), over=operand)
    assert same.base == operand.base


def test_refuses_fields_that_are_too_narrow() -> None:
    with pytest.raises(FlowError, match=r"instruction 0 \(MEAN, layer 3\): field count = 70000"):
        schedule.encode([{**dict.fromkeys(_names(isa.Op.MEAN), 0), "op": 3, "layer": 3,
                          "count": 70000}])  # fmt: skip
    with pytest.raises(FlowError, match="not a multiple of 64"):
        schedule.decode(bytes(65))


def _names(op: isa.Op) -> list[str]:
    return [field.name for field in isa.FIELDS[op]]


def _vector(channels: int, bits: int = 16) -> VectorParams:
    names = [
        "alpha",
        "alpha_shift",
        "beta",
        "bias_x",
        "out_shift",
        "pos",
        "neg",
        "bias_y",
        "bias_y_shift",
        "offset",
    ]
    zeros = {name: np.zeros(channels, np.int32) for name in names}
    return VectorParams(acc_shift=0, out_bits=bits, **zeros)


def _scalar(channels: int, lo: int, hi: int, acc_shift: int = 0) -> ScalarParams:
    zeros = {name: np.zeros(channels, np.int32) for name in ("alpha", "beta", "shift")}
    return ScalarParams(acc_shift=acc_shift, lo=lo, hi=hi, **zeros)


def _mean(shape: tuple[int, int, int], limit: int) -> ScalarParams:
    return _scalar(1, -limit, limit, math.ceil(math.log2(shape[0] * shape[1])))


def _blank_conv(spec: PokeConvSpec) -> PokeConvParams:
    (h, w, cin), (out_h, out_w, cout) = spec.in_shape, spec.out_shape
    long = spec.r1_shape
    return PokeConvParams(
        name=spec.name, block=spec.block, index=spec.j, kernel=spec.kernel, stride=spec.stride,
        in_shape=spec.in_shape, out_shape=spec.out_shape,
        weights=np.zeros((spec.kernel, spec.kernel, cin, cout), np.bool_),
        vector=_vector(cout),
        se=SEParams(
            mean=_mean(spec.in_shape, 7),
            fc1_weights=np.zeros((cin, spec.se_hidden), np.int8),
            fc1=_scalar(spec.se_hidden, 0, 15),
            fc2_weights=np.zeros((spec.se_hidden, cout), np.int8),
            fc2=_scalar(cout, 0, 1 << 15),
        ),
        r_shift=0,
        local="mean" if cin > cout else "pad" if cin < cout else "identity",
        local_group=max(cin // cout, 1),
        pool_local=(out_h, out_w) != (h, w),
        r1_shift=None if long is None else 0,
        long_channels=None if long is None else long[2],
        pool_long=long is not None and long[:2] != (out_h, out_w),
        in_exponent=0, out_exponent=0, v_exponent=0,
    )  # fmt: skip


def blank_network(config: PokeBNNConfig) -> IntegerNetwork:
    """A network of any size with zero parameters: what it takes to compile, not what it computes."""
    s = config.init_stride
    (h, w, c), k = config.image_shape, config.init_kernel // config.init_stride
    stored, mid, out = (h // s, w // s, s * s * c), config.init_shape, config.init_out_shape
    first = InitConvParams(
        name="init_conv", kernel=k, groups=1, padding="VALID", in_shape=stored, out_shape=mid,
        weights=np.zeros((k, k, stored[2], mid[2]), np.int8), vector=_vector(mid[2], 8),
    )  # fmt: skip
    second = InitConvParams(
        name="init_conv_group", kernel=3, groups=mid[2], padding="SAME", in_shape=mid,
        out_shape=out, weights=np.zeros((3, 3, 1, out[2]), np.int8), vector=_vector(out[2]),
    )  # fmt: skip
    convs = tuple(_blank_conv(spec) for spec in config.poke_convs())
    shape = convs[-1].out_shape
    dense = DenseParams(
        mean=_mean(shape, 127),
        weights=np.zeros((shape[2], config.classes), np.int8),
        logits=_scalar(config.classes, -(1 << 23), (1 << 23) - 1),
        logit_exponent=0,
    )
    return IntegerNetwork(
        name=config.name, image_shape=config.image_shape,
        input_table=np.zeros((256, c), np.int8), init_stride=s, init=(first, second),
        convs=convs, dense=dense, classes=config.classes,
    )  # fmt: skip


FULL_SIZE_ROWS = {
    "zu7ev": {"bit_rows": 2094, "byte_rows": 1047, "side_rows": 1568, "pool_rows": 2352},
    "mid-4k": {
        "bit_rows": 3768,
        "byte_rows": 3140,
        "main_rows": 25088,
        "side_rows": 6272,
        "pool_rows": 9408,
    },
}
"""Rows that PokeBNN-1.0x at 224x224 needs at least."""


def test_the_mid_size_target_has_what_the_full_size_needs() -> None:
    config = load_target("mid-4k")
    assert {name: getattr(config, name) for name in FULL_SIZE_ROWS[config.name]} == FULL_SIZE_ROWS[
        config.name
    ]
    assert config.on_chip_bytes == 3_142_144


@pytest.mark.parametrize("target", FULL_SIZE_ROWS)
def test_pokebnn_at_full_size_compiles(target: str) -> None:
    network = blank_network(preset("pokebnn-1.0x"))
    config = load_target(target)
    needs = FULL_SIZE_ROWS[target]
    roomy = {name: max(rows, getattr(config, name)) for name, rows in needs.items()}
    program = lower(network, dataclasses.replace(config, **roomy))
    for name, rows in needs.items():
        # With main memory in plenty no other place is sought for PokeInit's output, and what lacks is named.
        lacking = {**roomy, "main_rows": 65536, name: rows - 1}
        with pytest.raises(FlowError, match=f"raise {name}"):
            lower(network, dataclasses.replace(config, **lacking))
    counts = program.counts()
    assert sum(c.useful + c.masked for c in counts if c.macs_class == "1x1") == 3_609_460_736
    assert sum(c.useful for c in counts if c.macs_class == "1x1") == 3_470_327_808
    first, second = (c for c in counts if c.unit == "conv" and c.layer < 2)
    assert (second.masked, second.useful + second.masked) == (42_752, 1_806_336)
    assert first.masked == 0
    loads = sum(c.bytes.get("schedule", 0) for c in counts)
    assert loads < 0.03 * len(program.memory)


def test_the_trained_architecture_fits_the_simulation_target() -> None:
    program = lower(blank_network(preset("fmnist-small")), SIM)
    assert program.instructions[-1]["op"] == isa.Op.END
