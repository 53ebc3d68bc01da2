"""docs/worked-example.md: one layer of a small random network, compiled; every byte and value is computed here."""

from __future__ import annotations

from typing import Any

import numpy as np

from docs.generate.tables import GENERATED, table
from hwflow import bit_fields, isa, numerics
from hwflow.bit_fields import Field
from hwflow.compiler.lower import lower
from hwflow.compiler.program import Program
from hwflow.config import AcceleratorConfig
from models.integer import layers
from models.integer.network import map_images
from models.integer.params import IntegerNetwork, PokeConvParams
from models.integer.random import random_images, random_network, small_config

SEED = 1
LAYER = 2
"""The first binary convolution; 0 and 1 are PokeInit's."""
PIXEL = (0, 0)
CHANNEL = 0
TARGET = AcceleratorConfig(
    name="example",
    rows=2,
    cols=8,
    popcount_width=16,
    popcount_stages=1,
    pixel_lanes=1,
    mac_depth=1,
    memory_bytes=8,
    weight_words=64,
    mac_words=64,
    constant_words=32,
    bit_rows=64,
    byte_rows=64,
    residual_bits=16,
    main_rows=128,
    side_rows=64,
    pool_rows=64,
    line_pixels=16,
    channel_limit=64,
    long_words=0,
    store_words=0,
    head_rows=0,
)
_RINGS = {
    isa.Ring.WEIGHTS: "binary weights",
    isa.Ring.MACS: "weights of squeeze-and-excite",
    isa.Ring.CONSTANTS: "constant records",
}


def page() -> str:
    """The page's text."""
    network = random_network(SEED, small_config(image=(8, 8, 1)))
    program = lower(network, TARGET)
    conv = network.convs[LAYER - 2]
    own = [(n, each) for n, each in enumerate(program.instructions) if each["layer"] == LAYER]
    parts = (
        _head(conv, own),
        _instruction(own),
        _binary(program, conv, own),
        _squeeze(program, conv, own),
        _constants(program, own),
        _element(network, conv),
    )
    return "\n".join(line for part in parts for line in part).rstrip() + "\n"


def _head(conv: PokeConvParams, own: list[tuple[int, dict[str, int]]]) -> list[str]:
    c, kernel = TARGET, f"{conv.kernel}x{conv.kernel}"
    shape = " x ".join(map(str, conv.in_shape))
    lines = [
        "# The bytes of one layer",
        "",
        GENERATED.format(source="docs/generate/worked_example.py"),
        "",
        f"Layer {LAYER}, `{conv.name}`, of a random network (`hwflow random` draws such; seed {SEED}, 8x8 images): a",
        f"binary {kernel} convolution of {shape} to {conv.out_shape[2]} channels. The target is as small as they come:",
        f"R = {c.rows} pixels a tile, C = {c.cols} channels a group, K = {c.popcount_width} bits a word,",
        f"G = {c.pixel_lanes}, Km = {c.mac_depth}, B = {c.memory_bytes} bytes a beat. What the",
        "letters and fields mean: [architecture](architecture.md), [packing](packing.md), [instructions](instructions.md).",
        "",
        "## Its instructions, in the order of the schedule",
        "",
    ]
    rows: list[tuple[object, ...]] = []
    for number, each in own:
        op = isa.Op(each["op"])
        rows.append((number, op.name, _does(op, each)))
    return [
        *lines,
        *table(("number", "", "does"), rows),
        "The loader runs ahead: it executes LOADs while layers compute, as far as the rings have room. So an FC may",
        "come before the LOADs that feed it, and weights of this layer arrive during the last one.",
        "",
    ]


def _does(op: isa.Op, each: dict[str, int]) -> str:
    if op is isa.Op.LOAD:
        return (
            f"{each['beats']} beats from beat {each['address']}: {_RINGS[isa.Ring(each['ring'])]}"
        )
    if op is isa.Op.MEAN:
        return f"{each['count']} channel sums of the input to means {each['lo']}..{each['hi']}"
    if op is isa.Op.FC:
        dest = {isa.FcDest.HIDDEN: "hidden values", isa.FcDest.SCALE: "scales"}
        return f"{each['inputs']} inputs to {each['outputs']} {dest[isa.FcDest(each['dest'])]}"
    return f"{each['tiles']} tiles of {TARGET.rows} pixels, {each['groups']} group of channels"


def _instruction(own: list[tuple[int, dict[str, int]]]) -> list[str]:
    conv = next(each for _, each in own if each["op"] == isa.Op.CONV)
    fields = isa.FIELDS[isa.Op.CONV]
    data = isa.encode(conv)
    return [
        "## The CONV",
        "",
        "Fields that are not 0; a field begins at the bit after the one before it.",
        "",
        *table(("bits", "field", "value", "meaning"), _set_fields(fields, conv)),
        "The 64 bytes, byte 0 first:",
        "",
        *_dump(data, 16),
    ]


def _set_fields(fields: tuple[Field, ...], values: dict[str, int]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    at = 0
    for field in fields:
        value = values[field.name]
        if value:
            bits = f"{at + field.bits - 1}..{at}" if field.bits > 1 else at
            rows.append((bits, f"`{field.name}`", value, field.doc))
        at += field.bits
    return rows


def _dump(data: bytes, width: int, first: int = 0) -> list[str]:
    lines = [
        f"{first + at:3}: {data[at : at + width].hex(' ')}" for at in range(0, len(data), width)
    ]
    return ["```text", *lines, "```", ""]


def _loaded(
    program: Program, own: list[tuple[int, dict[str, int]]], ring: isa.Ring, nth: int
) -> tuple[int, bytes]:
    """(first beat, bytes) of the layer's nth LOAD to a ring."""
    loads = [each for _, each in own if each["op"] == isa.Op.LOAD and each["ring"] == ring]
    start = loads[nth]["address"]
    size = TARGET.memory_bytes
    return start, program.memory[size * start : size * (start + loads[nth]["beats"])]


def _beats(data: bytes, first: int, count: int) -> list[str]:
    """Beats as numbers, most significant digit first."""
    size = TARGET.memory_bytes
    lines = [
        f"beat {first + n}: 0x{int.from_bytes(data[size * n : size * (n + 1)], 'little'):0{2 * size}x}"
        for n in range(count)
    ]
    return ["```text", *lines, "```", ""]


def _binary(
    program: Program, conv: PokeConvParams, own: list[tuple[int, dict[str, int]]]
) -> list[str]:
    address, data = _loaded(program, own, isa.Ring.WEIGHTS, 0)
    width = TARGET.popcount_width
    beats = len(data) // TARGET.memory_bytes
    word = int.from_bytes(data, "little")
    columns = [(word >> (width * j)) & ((1 << width) - 1) for j in range(2)]
    shown = [_signs(conv.weights[0, 0, :, j]) for j in range(2)]
    return [
        "## Its binary weights",
        "",
        f"One word of C*K = {TARGET.cols * width} bits, in {beats} beats of memory.bin, low bits first:",
        "",
        *_beats(data, address, beats),
        f"Column 0 is bits {width - 1}..0, 0x{columns[0]:04x}: weights of output 0 from input 0 on are",
        f"{shown[0]}. Column 1 is bits {2 * width - 1}..{width}, 0x{columns[1]:04x}:",
        f"{shown[1]}.",
        "",
    ]


def _signs(weights: Any) -> str:
    return " ".join("+" if each else "-" for each in weights)


def _squeeze(
    program: Program, conv: PokeConvParams, own: list[tuple[int, dict[str, int]]]
) -> list[str]:
    address, data = _loaded(program, own, isa.Ring.MACS, 0)
    weights = conv.se.fc1_weights
    outputs = weights.shape[1]
    depth = TARGET.rows * TARGET.mac_depth
    inputs = [", ".join(str(weights[i, o]) for o in range(outputs)) for i in range(2)]
    return [
        "## Weights of its squeeze-and-excite, 4 bits each",
        "",
        f"The first product, {weights.shape[0]} inputs to {outputs}. A step takes R*Km = {depth} inputs x C = {TARGET.cols}",
        "columns, here one beat:",
        "",
        *_beats(data, address, 2),
        f"Nibble i*C + j of a beat is input i of the step, output j: in the first, input 0 has {inputs[0]};",
        f"input 1 has {inputs[1]}; columns from {outputs} on are 0.",
        "",
    ]


def _constants(program: Program, own: list[tuple[int, dict[str, int]]]) -> list[str]:
    address, data = _loaded(program, own, isa.Ring.CONSTANTS, -1)
    record = data[: isa.CONSTANT_BITS // 8]
    values = bit_fields.unpack(isa.CONSTANT_FIELDS, int.from_bytes(record, "little"))
    rows = [(f"`{field.name}`", values[field.name], field.doc) for field in isa.CONSTANT_FIELDS]
    return [
        f"## Constants of output channel {CHANNEL}",
        "",
        f"A record of {isa.CONSTANT_BITS} bits, at beat {address}; with the others of the second product, one a channel.",
        "",
        *table(("field", "value", "meaning"), rows),
        *_dump(record, 16),
    ]


def _element(network: IntegerNetwork, conv: PokeConvParams) -> list[str]:
    images = random_images(SEED, 1, network.image_shape)
    trace = layers.forward(network, map_images(network, images))
    source = trace.init[1].y
    made = trace.convs[LAYER - 2]
    y, x, channel = *PIXEL, CHANNEL
    vector = conv.vector

    def one(values: Any) -> int:
        return int(np.broadcast_to(values, made.y.shape)[0, y, x, channel])

    total = made.accumulator
    scaled = numerics.rsr(total, vector.acc_shift)
    local = layers.local_shortcut(conv, source)
    v = numerics.vector_sum(total, vector, local, conv.r_shift)
    scale = made.scale[:, None, None, :]
    p, n, q = numerics.affine_pair(vector, scale)
    t = one(v) - int(vector.bias_x[channel])
    slope = one(p) if t >= 0 else one(n)
    at = channel
    stored = one(made.y)
    computed = int(numerics.rsr(np.int32(slope * t), int(vector.out_shift[at]))) + one(q)
    if not -(2**17) <= t < 2**17 or computed != stored:
        raise ValueError("the element chosen saturates; choose another")
    bits = _signs(source[0, y, x, :] >= 0)
    product = f"{vector.alpha[at]} * {one(scaled)}"
    folded = f"pos {vector.pos[at]}, neg {vector.neg[at]}"
    rows = [
        ("signs of the input's pixel", bits, "bit memory"),
        ("weights", _signs(conv.weights[0, 0, :, at]), "column 0 above"),
        ("S", one(total), "agreeing signs less differing ones"),
        ("S'", one(scaled), f"rsr(S, {vector.acc_shift})"),
        ("r", one(local), "local shortcut: means of the input's channels, side memory"),
        (
            "v",
            one(v),
            f"rsr({product}, {vector.alpha_shift[at]}) + ({vector.beta[at]}) + ({one(local)} << {conv.r_shift})",
        ),
        ("t", t, f"{one(v)} - ({vector.bias_x[at]})"),
        ("s", one(scale), "scale of the squeeze-and-excite, 1.0 = 32768"),
        (
            "p, n, q",
            f"{one(p)}, {one(n)}, {one(q)}",
            f"from s, {folded}, bias_y {vector.bias_y[at]}, offset {vector.offset[at]}",
        ),
        ("y", stored, f"rsr({slope} * {t}, {vector.out_shift[at]}) + ({one(q)})"),
    ]
    return [
        "## One element of its output",
        "",
        f"Pixel (y {y}, x {x}), channel {channel}, of a random image; formulas of [numerics](numerics.md). The emulator",
        "and the RTL hold the same numbers (`hwflow emulate`, `hwflow sim`).",
        "",
        *table(("", "value", "is"), rows),
    ]
