"""Packing: bit positions by definition, and the worked example of docs/packing.md."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwflow import bit_fields, isa
from hwflow.compiler import container, weights
from hwflow.compiler.image import pack_image
from hwflow.compiler.manifest import ImageInfo
from hwflow.config import AcceleratorConfig
from hwflow.emulator.memory import unpack_nibbles
from hwflow.errors import FlowError
from hwflow.numerics import ScalarParams, VectorParams

DOC = Path(__file__).parents[2] / "docs" / "packing.md"
EXAMPLE = AcceleratorConfig(
    name="example",
    rows=2,
    cols=8,
    popcount_width=16,
    pixel_lanes=1,
    mac_depth=1,
    memory_bytes=8,
    weight_words=64,
    mac_words=64,
    constant_words=16,
    bit_rows=64,
    byte_rows=64,
    residual_bits=16,
    main_rows=64,
    side_rows=64,
    pool_rows=64,
    line_pixels=16,
    channel_limit=64,
    long_words=0,
    store_words=0,
    head_rows=0,
    popcount_stages=1,
)
DEEP = dataclasses.replace(EXAMPLE, rows=4, mac_depth=2, cols=16)


def _bit(word: np.ndarray, at: int) -> int:
    return int(word[at // 8]) >> (at % 8) & 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.sampled_from([1, 3]), st.integers(1, 40), st.integers(1, 20))
def test_binary_bits(seed: int, k: int, cin: int, cout: int) -> None:
    rng = np.random.default_rng(seed)
    kernel = rng.integers(0, 2, (k, k, cin, cout)).astype(np.bool_)
    packed = weights.binary_weights(kernel, EXAMPLE)
    width, cols = EXAMPLE.popcount_width, EXAMPLE.cols
    words = -(-cin // width)
    assert packed.shape == (-(-cout // cols), k * k * words, width * cols // 8)
    assert int(np.unpackbits(packed).sum()) == int(kernel.sum())
    for dy, dx, i, o in rng.integers(0, (k, k, cin, cout), (20, 4)):
        word = packed[o // cols, (dy * k + dx) * words + i // width]
        assert _bit(word, (o % cols) * width + i % width) == kernel[dy, dx, i, o]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.integers(1, 30), st.integers(1, 40), st.booleans())
def test_matrix_bytes(seed: int, inputs: int, outputs: int, unpack4: bool) -> None:
    rng = np.random.default_rng(seed)
    limit = 8 if unpack4 else 128
    matrix = rng.integers(-limit, limit, (inputs, outputs)).astype(np.int8)
    packed = weights.matrix_weights(matrix, unpack4, DEEP)
    data = packed.tobytes()
    values = np.frombuffer(unpack_nibbles(data) if unpack4 else data, np.int8)
    cols, rows, depth = DEEP.cols, DEEP.rows, DEEP.mac_depth
    steps = -(-inputs // (rows * depth))
    values = values.reshape(-(-outputs // cols), steps, rows * cols * depth)
    for k, o in rng.integers(0, (inputs, outputs), (20, 2)):
        step, rest = divmod(k, rows * depth)
        i, m = divmod(rest, depth)
        assert values[o // cols, step, (i * cols + o % cols) * depth + m] == matrix[k, o]
    assert values.astype(int).sum() == matrix.astype(int).sum()


@pytest.mark.parametrize(("cin", "grouped"), [(5, False), (1, True)])
def test_mac_conv_bytes(cin: int, grouped: bool) -> None:
    rng = np.random.default_rng(3)
    kernel = rng.integers(-127, 128, (3, 3, cin, 20)).astype(np.int8)
    packed = weights.mac_conv_weights(kernel, grouped, DEEP).view(np.int8)
    cols, rows, depth = DEEP.cols, DEEP.rows, DEEP.mac_depth
    words = 1 if grouped else -(-cin // depth)
    assert packed.shape == (2, -(-9 * words // rows), rows * cols * depth)
    for dy, dx, c, o in np.ndindex(3, 3, cin, 20):
        step = (dy * 3 + dx) * words + c // depth
        place = (step % rows * cols + o % cols) * depth + c % depth
        assert packed[o // cols, step // rows, place] == kernel[dy, dx, c, o]
    assert packed.astype(int).sum() == kernel.astype(int).sum()


def _constants(n: int, value: int) -> tuple[ScalarParams, VectorParams]:
    fill = {f.name: np.full(n, value, np.int32) for f in isa.CONSTANT_FIELDS}
    scalar = ScalarParams(
        acc_shift=0, alpha=fill["scalar_alpha"], beta=fill["scalar_beta"],
        shift=np.full(n, 3, np.int32), lo=0, hi=1,
    )  # fmt: skip
    shifts = {n: np.full(len(v), 5, np.int32) for n, v in fill.items() if n.endswith("_shift")}
    names = [n for n in fill if not n.startswith("scalar_")]
    vector = VectorParams(acc_shift=0, out_bits=16, **{n: (fill | shifts)[n] for n in names})
    return scalar, vector


def test_constant_records_are_packed_like_instructions() -> None:
    scalar, vector = _constants(3, -7)
    records = weights.constant_records(scalar, vector, DEEP)
    assert records.shape == (3, 1, 32)
    word = int.from_bytes(records[1, 0].tobytes(), "little")
    values = bit_fields.unpack(isa.CONSTANT_FIELDS, word)
    assert values["scalar_alpha"] == values["beta"] == values["scalar_beta"] == -7
    assert (values["scalar_shift"], values["alpha_shift"]) == (3, 5)
    assert bit_fields.pack(isa.CONSTANT_FIELDS, values) == word


def test_constants_that_do_not_fit_are_refused() -> None:
    scalar, vector = _constants(2, 40000)
    with pytest.raises(FlowError, match=r"constant scalar_alpha does not fit"):
        weights.constant_records(scalar, vector, DEEP)


def test_header_is_checked() -> None:
    header = container.Header(
        magic=container.MEMORY_MAGIC, beat_bytes=8, instructions=0, schedule_address=8,
        image_address=8, image_beats=0, spill_beats=3, network_hash=bytes(10), config_hash=bytes(10),
    )  # fmt: skip
    data = container.seal(header, b"body")
    assert container.unseal(data, container.MEMORY_MAGIC, "m") == (header, b"body")
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 0x10
        with pytest.raises(FlowError, match=r"^m: "):
            container.unseal(bytes(damaged), container.MEMORY_MAGIC, "m")
    with pytest.raises(FlowError, match="expected b'HWFLOWSC'"):
        container.unseal(data, container.SCHEDULE_MAGIC, "m")
    with pytest.raises(FlowError, match="shorter"):
        container.unseal(data[:20], container.MEMORY_MAGIC, "m")


def _beats(data: bytes) -> list[str]:
    """Beats as hexadecimal numbers, most significant digit first."""
    size = EXAMPLE.memory_bytes
    numbers = [data[at : at + size] for at in range(0, len(data), size)]
    return [f"beat {i}: 0x{int.from_bytes(n, 'little'):016x}" for i, n in enumerate(numbers)]


def worked_example() -> str:
    """The text of the code block in docs/packing.md."""
    binary = np.zeros((1, 1, 3, 2), np.bool_)
    binary[0, 0, 0, 0] = binary[0, 0, 2, 0] = binary[0, 0, 1, 1] = True
    signs = weights.binary_weights(binary, EXAMPLE)
    matrix = np.array([[1, -2], [3, -4], [5, -6]], np.int8)
    wide = weights.matrix_weights(matrix, False, EXAMPLE)
    narrow = weights.matrix_weights(matrix, True, EXAMPLE)
    kernel = np.array([1, 2, 3, 4], np.int8).reshape(2, 2, 1, 1)
    conv = weights.mac_conv_weights(kernel, False, EXAMPLE)
    zero = np.zeros(1, np.int32)
    scalar = ScalarParams(
        acc_shift=0, alpha=zero + 1, beta=zero - 1, shift=zero + 2, lo=0, hi=1
    )  # fmt: skip
    record = weights.constant_records(scalar, None, DEEP)
    table = tuple((max(-128, v - 255),) for v in range(256))
    info = ImageInfo(
        address=0, beats=2, shape=(2, 4, 1), table=table, stride=2, stored_shape=(1, 2, 4), words=1
    )
    pixels = np.array([[254, 253, 252, 251], [250, 249, 248, 247]], np.uint8)[..., None]
    image = pack_image(pixels, info, EXAMPLE)
    parts = [
        ("binary, 1x1, 3 -> 2: w(0,0) = w(2,0) = w(1,1) = +1, others -1", signs.tobytes()),
        ("FC, 3 -> 2, 8-bit, rows (1,-2) (3,-4) (5,-6)", wide.tobytes()),
        ("the same, 4-bit", narrow.tobytes()),
        ("MAC conv, 2x2, 1 -> 1, weights 1 2 3 4", conv.tobytes()),
        ("constant record, scalar_alpha 1, scalar_shift 2, scalar_beta -1", record.tobytes()),
        ("image 2x4x1, stride 2, stored values -1 .. -8 in raster order", image),
    ]
    lines: list[str] = []
    for title, data in parts:
        lines += [title, *(f"  {beat}" for beat in _beats(data))]
    return "\n".join(lines)


def test_worked_example_of_the_documentation() -> None:
    assert f"```\n{worked_example()}\n```" in DOC.read_text()
