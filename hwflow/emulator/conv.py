"""CONV: operand fetch, binary and MAC arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwflow.emulator.memory import Slots
from hwflow.emulator.state import ArrayCounts, State
from hwflow.memories import ceil_div
from hwflow.tokens import group_units

Instruction = dict[str, int]
Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
"""Sums of integers below 2**24 in magnitude (proved for every accumulator) are exact."""


USEFUL, MASKED, K_PADDING, PIXEL_PADDING = range(4)
"""Kinds of slots of one column."""


@dataclass(frozen=True)
class Taps:
    """Input slots of every output slot and tap: int64 (slots, taps), and which exist."""

    slots: Slots
    valid: npt.NDArray[np.bool_]


def taps(conv: Instruction) -> Taps:
    """Positions (oy*stride + dy - pad_top, ox*stride + dx - pad_left), masked outside."""
    stride, kernel = 1 + conv["stride2"], conv["kernel"]
    out = np.arange(conv["out_h"] * conv["out_w"])[:, None]
    tap = np.arange(kernel * kernel)[None, :]
    y = out // conv["out_w"] * stride + tap // kernel - conv["pad_top"]
    x = out % conv["out_w"] * stride + tap % kernel - conv["pad_left"]
    valid = (y >= 0) & (y < conv["in_h"]) & (x >= 0) & (x < conv["in_w"])
    return Taps(np.where(valid, y * conv["in_w"] + x, 0), valid)


def accumulators(conv: Instruction, state: State) -> Iterator[Ints]:
    """S of each channel group in turn, int32 (N, slots, C); takes its weights and scale token."""
    where = taps(conv)
    if conv["mac"]:
        operands = _bytes(conv, state, where)
        columns = np.arange(state.config.cols)
        for cg in range(conv["groups"]):
            state.scale_tokens -= 1
            weights = _mac_weights(conv, state)
            if conv["grouped"]:
                channels = (cg * state.config.cols + columns) >> conv["group_shift"]
                lanes = operands[..., np.minimum(channels, operands.shape[-1] - 1)]
                yield np.einsum("nstc,tc->nsc", lanes, weights[:, 0]).astype(np.int32)
            else:
                full = _channels(operands, weights.shape[1])
                yield _product(full, weights)
        return
    signs, padding = _signs(conv, state, where)
    for _ in range(conv["groups"]):
        state.scale_tokens -= 1
        yield _product(signs, _binary_weights(conv, state)) + padding[:, None]


def _product(operands: Floats, weights: Floats) -> Ints:
    """(N, slots, taps, k) times (taps, k, C), as one matrix product."""
    images, slots, count, k = operands.shape
    flat = operands.reshape(images * slots, count * k) @ weights.reshape(count * k, -1)
    return flat.astype(np.int32).reshape(images, slots, -1)


def _signs(conv: Instruction, state: State, where: Taps) -> tuple[Floats, Ints]:
    """Activations as +-1, 0 on masked taps, and what the bits beyond last_k add to S.

    Those bits are forced to 1 and meet weights of 0 (-1): each adds -1 to the sum of +-1 products
    over all K bits and 0 to the hardware's S = 2*popcount - N.
    """
    width, words = state.config.popcount_width, conv["words"]
    word = np.arange(words)
    packed = state.bit.read(where.slots[..., None], conv["src_base"], conv["src_words"], word)
    bits = np.unpackbits(packed, axis=-1, bitorder="little")
    bits[..., -1, conv["last_k"] :] = 1
    signs = (2 * bits.astype(np.float32) - 1) * where.valid[..., None, None]
    beyond = (width - conv["last_k"]) * where.valid.sum(axis=1)
    return signs.reshape(*signs.shape[:3], words * width), beyond.astype(np.int32)


def _binary_weights(conv: Instruction, state: State) -> Floats:
    """The next group's words as +-1: (taps, words*K, C)."""
    cols, width = state.config.cols, state.config.popcount_width
    taken = state.weight_ring.take(conv["weight_words"])
    bits = np.unpackbits(taken, axis=1, bitorder="little")
    split = bits.reshape(conv["kernel"] ** 2, conv["words"], cols, width)
    return (2 * split.transpose(0, 1, 3, 2).astype(np.float32) - 1).reshape(
        conv["kernel"] ** 2, conv["words"] * width, cols
    )


def _bytes(conv: Instruction, state: State, where: Taps) -> Floats:
    """s8 operands (N, slots, taps, channels of the stored words), 0 on masked taps."""
    word = np.arange(conv["src_words"])
    values = state.byte.read(where.slots[..., None], conv["src_base"], conv["src_words"], word)
    flat = values.reshape(*values.shape[:3], -1).astype(np.float32)
    return flat * where.valid[..., None]


def _channels(operands: Floats, count: int) -> Floats:
    """The first `count` channels, zeros beyond the stored ones."""
    missing = max(count - operands.shape[-1], 0)
    return np.pad(operands, ((0, 0), (0, 0), (0, 0), (0, missing)))[..., :count]


def _mac_weights(conv: Instruction, state: State) -> Floats:
    """The next group's weights (taps, words*Km, C): step t is slice t % R of word t // R."""
    config = state.config
    count, words = conv["kernel"] ** 2, conv["words"]
    taken = state.mac_ring.take(group_units(conv)).view(np.int8)
    slices = taken.reshape(-1, config.cols, config.mac_depth)[: count * words]
    split = slices.reshape(count, words, config.cols, config.mac_depth).transpose(0, 1, 3, 2)
    return split.reshape(count, words * config.mac_depth, config.cols).astype(np.float32)


def tile_pixels(conv: Instruction, rows: int) -> npt.NDArray[np.int64]:
    """The output pixel on every array row of every tile, int64 (tiles, rows); -1 where none is."""
    tile, row = np.arange(conv["tiles"])[:, None], np.arange(rows)[None, :]
    if conv["row_aligned"]:
        a_line = ceil_div(conv["out_w"], rows)
        x = tile % a_line * rows + row
        return np.where(x < conv["out_w"], tile // a_line * conv["out_w"] + x, -1)
    pixel = tile * rows + row
    return np.where(pixel < conv["out_h"] * conv["out_w"], pixel, -1)


def array_counts(conv: Instruction, state: State) -> ArrayCounts:
    """Slots by kind, counted slot by slot: every tile, row, tap, word and lane, column by column.

    What a slot is: of a row without a pixel, else of a column without a channel, else of a lane
    beyond the input channels, else of a tap outside the input, else useful.
    """
    config = state.config
    depth = config.mac_depth if conv["mac"] else config.popcount_width
    pixels = tile_pixels(conv, config.rows)
    inside = taps(conv).valid[np.maximum(pixels, 0)].reshape(-1, conv["kernel"] ** 2)
    exists = (pixels >= 0).reshape(-1, 1, 1)
    word, lane = np.arange(conv["words"])[:, None], np.arange(depth)[None, :]
    channel = ((word < conv["words"] - 1) | (lane < conv["last_k"])).reshape(1, 1, -1)
    shape = (*inside.shape, channel.shape[-1])
    kinds = np.where(channel, np.where(inside[..., None], USEFUL, MASKED), K_PADDING)
    found = np.bincount(np.where(exists, kinds, PIXEL_PADDING).ravel(), minlength=4)
    unused = int(np.broadcast_to(exists, shape).sum())
    columns = (conv["groups"] - 1) * config.cols + conv["last_cols"]
    all_columns = conv["groups"] * config.cols
    return ArrayCounts(
        issue=conv["groups"] * conv["tiles"] * inside.shape[1] * conv["words"],
        useful=int(found[USEFUL]) * columns,
        masked=int(found[MASKED]) * columns,
        k_padding=int(found[K_PADDING]) * columns,
        channel_padding=unused * (all_columns - columns),
        pixel_padding=int(found[PIXEL_PADDING]) * all_columns,
    )
