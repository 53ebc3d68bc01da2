"""Packing of weights and constants into ring words (docs/packing.md).

Every function returns uint8[groups, words of a group, bytes of a word].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hwflow.config import AcceleratorConfig
from hwflow.errors import FlowError
from hwflow.isa import CONSTANT_BITS, CONSTANT_FIELDS
from hwflow.memories import ceil_div
from hwflow.tokens import padding_records
from models.integer.params import ScalarParams, VectorParams

Bytes = npt.NDArray[np.uint8]


def _pad(array: npt.NDArray[Any], **sizes: int) -> npt.NDArray[Any]:
    """Zeros appended to the axes `a<i>` up to the given sizes."""
    widths = [(0, sizes.get(f"a{i}", n) - n) for i, n in enumerate(array.shape)]
    return np.pad(array, widths)


def binary_weights(weights: npt.NDArray[np.bool_], config: AcceleratorConfig) -> Bytes:
    """bool[k, k, Cin, Cout] (True = +1) to words of C*K bits, column j in bits j*K.. ."""
    k, _, cin, cout = weights.shape
    cols, width = config.cols, config.popcount_width
    words, groups = ceil_div(cin, width), ceil_div(cout, cols)
    padded = _pad(weights, a2=words * width, a3=groups * cols)
    split = padded.reshape(k * k, words, width, groups, cols).transpose(3, 0, 1, 4, 2)
    packed = np.packbits(split, axis=-1, bitorder="little")
    return packed.reshape(groups, k * k * words, cols * width // 8)


def mac_conv_weights(
    weights: npt.NDArray[np.int8], grouped: bool, config: AcceleratorConfig
) -> Bytes:
    """int8[k, k, Cin or 1, Cout] of a CONV on the MAC array.

    Step t of a group takes slice i = t % R of word t // R, bytes (i*C + j)*Km + m.
    """
    k, _, cin, cout = weights.shape
    cols, depth, rows = config.cols, config.mac_depth, config.rows
    words = 1 if grouped else ceil_div(cin, depth)
    groups, steps = ceil_div(cout, cols), k * k * words
    padded = _pad(weights, a2=words * depth, a3=groups * cols)
    split = padded.reshape(steps, depth, groups, cols).transpose(2, 0, 3, 1)
    whole = _pad(split, a1=ceil_div(steps, rows) * rows)
    return whole.reshape(groups, -1, config.mac_word_bytes).view(np.uint8)


def matrix_weights(
    weights: npt.NDArray[np.int8], unpack4: bool, config: AcceleratorConfig
) -> Bytes:
    """int8[inputs, outputs] of an FC.

    Step s of a group is one word: byte (i*C + j)*Km + m for input (s*R + i)*Km + m and output j of
    the group; `unpack4`: as 4-bit values, byte 2n in the low half of byte n.
    """
    inputs, outputs = weights.shape
    cols, rows, depth = config.cols, config.rows, config.mac_depth
    groups, steps = ceil_div(outputs, cols), ceil_div(inputs, config.fc_inputs)
    padded = _pad(weights, a0=steps * config.fc_inputs, a1=groups * cols)
    split = padded.reshape(steps, rows, depth, groups, cols).transpose(3, 0, 1, 4, 2)
    words = np.ascontiguousarray(split).reshape(groups, steps, -1).view(np.uint8)
    if not unpack4:
        return words
    packed: Bytes = (words[..., ::2] & np.uint8(15)) | (words[..., 1::2] << np.uint8(4))
    return packed


def constant_records(
    scalar: ScalarParams | None, vector: VectorParams | None, config: AcceleratorConfig
) -> Bytes:
    """One record of 256 bits for each channel; fields of absent parameters are 0, as are records to fill the last beat.

    Raises:
        FlowError: a constant that does not fit its field.
    """
    columns: dict[str, npt.NDArray[np.int64]] = {}
    if scalar is not None:
        for name in ("alpha", "shift", "beta"):
            columns[f"scalar_{name}"] = getattr(scalar, name)
    if vector is not None:
        for field in CONSTANT_FIELDS:
            if not field.name.startswith("scalar_"):
                columns[field.name] = getattr(vector, field.name)
    count = len(next(iter(columns.values())))
    total = count + padding_records(count, config)
    bits = np.zeros((total, CONSTANT_BITS), np.uint8)
    _fill(bits[:count], columns)
    return np.packbits(bits, axis=1, bitorder="little").reshape(total, 1, CONSTANT_BITS // 8)


def _fill(bits: Bytes, columns: Mapping[str, npt.NDArray[Any]]) -> None:
    at = 0
    for field in CONSTANT_FIELDS:
        if field.name in columns:
            values = columns[field.name].astype(np.int64)
            if values.size and (values.min() < field.low or values.max() > field.high):
                raise FlowError(f"constant {field.name} does not fit {field.low}..{field.high}")
            bits[:, at : at + field.bits] = (values[:, None] >> np.arange(field.bits)) & 1
        at += field.bits
