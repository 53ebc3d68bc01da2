"""CONV, second half: vector arithmetic, write-back, means, pool, sums, signature."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hwflow import numerics
from hwflow.emulator.conv import accumulators, array_counts
from hwflow.emulator.memory import BankedMemory, Slots
from hwflow.emulator.state import EmulatedLayer, State
from hwflow.heads import reads_heads, repeat_channels
from hwflow.isa import Residual, Store
from hwflow.spilling import group_beats, writes_stream

Instruction = dict[str, int]
Ints = npt.NDArray[np.int32]
BYTE_BITS = 8
NO_VALUES: Ints = np.zeros(0, np.int32)
"""For constants that are already folded into p, n and q."""


def run_conv(conv: Instruction, state: State) -> EmulatedLayer:
    """Executes a CONV, channel group after channel group."""
    height, width, cols = conv["out_h"], conv["out_w"], state.config.cols
    slots = np.arange(height * width)
    cout = (conv["groups"] - 1) * cols + conv["last_cols"]
    outputs: list[Ints] = []
    means: list[Ints] = []
    stored_means: list[Ints] = []
    pools: list[Ints] = []
    t_saturated = np.zeros(state.images, np.int32)
    y_saturated = np.zeros(state.images, np.int32)
    for cg, total in enumerate(accumulators(conv, state)):
        result = _group_output(conv, state, cg, slots, total)
        real = np.arange(cols) < (conv["last_cols"] if cg == conv["groups"] - 1 else cols)
        y = np.where(real, result.y, 0)
        t_saturated += (result.t_saturated & real).sum(axis=(1, 2), dtype=np.int32)
        y_saturated += (result.y_saturated & real).sum(axis=(1, 2), dtype=np.int32)
        if conv["store"] == Store.MEANS:
            place = (conv["store_base"], conv["store_pitch"])
            stored_means.append(_write_means(state.main, place, conv["store_shift"], cg, slots, y))
        else:
            _store(conv, state, cg, slots, y)
        if conv["bits_en"]:
            _store_bits(conv, state, cg, slots, y)
        if conv["mean_en"]:
            memory = state.main if conv["mean_main"] else state.side
            place = (conv["mean_base"], conv["mean_groups"])
            means.append(_write_means(memory, place, conv["mean_shift"], cg, slots, y))
        if conv["pool_en"]:
            pools.append(_write_pool(conv, state, cg, y.reshape(-1, height, width, cols)))
        if conv["sums_en"]:
            sums = y.sum(axis=1, dtype=np.int32)
            state.sums[:, cg * cols : (cg + 1) * cols] = sums
            state.sum_tokens += 1
        outputs.append(y)
    y = np.concatenate(outputs, axis=-1)[..., :cout].reshape(state.images, height, width, cout)

    def tensor(groups: list[Ints]) -> Ints | None:
        if not groups:
            return None
        return np.concatenate(groups, axis=-1).reshape(state.images, height, width, -1)

    return EmulatedLayer(
        y=y,
        mean=tensor(means),
        stored_mean=tensor(stored_means),
        pool=np.concatenate(pools, axis=-1)[..., :cout] if pools else None,
        sums=y.sum(axis=(1, 2), dtype=np.int32),
        signatures=[numerics.signature(image) for image in y],
        t_saturated=t_saturated,
        y_saturated=y_saturated,
        counts=array_counts(conv, state),
    )


def _group_output(
    conv: Instruction, state: State, cg: int, slots: Slots, total: Ints
) -> numerics.VectorOutput:
    cols = state.config.cols
    lanes = slice(cg * cols, (cg + 1) * cols)
    chosen = {name: values[lanes] for name, values in state.constants.items()}
    out_bits = BYTE_BITS if conv["store"] == Store.BYTES else state.config.residual_bits
    slopes = dict.fromkeys(("pos", "neg", "bias_y", "bias_y_shift", "offset"), NO_VALUES)
    constants = numerics.VectorParams(
        acc_shift=conv["acc_shift"], out_bits=out_bits, **chosen, **slopes
    )
    v = numerics.vector_sum(
        total,
        constants,
        _local(conv, state, cg, slots),
        conv["r_shift"],
        _long(conv, state, cg, slots),
        conv["r1_shift"],
    )
    pair = numerics.AffinePair(**{k: v[:, None, lanes] for k, v in state.pairs.items()})
    return numerics.vector_output(v, constants, pair)


def _memory(state: State, source: Residual) -> BankedMemory:
    memories = {
        Residual.MAIN: state.main,
        Residual.SIDE: state.side,
        Residual.POOL: state.pool,
    }
    return memories[source]


def _local(conv: Instruction, state: State, cg: int, slots: Slots) -> Ints | None:
    source, groups = Residual(conv["r_src"]), conv["r_groups"]
    if source is Residual.NONE or cg >= groups:
        return None
    return _shortcut(conv, state, "r", cg, slots)


def _long(conv: Instruction, state: State, cg: int, slots: Slots) -> Ints | None:
    source, groups = Residual(conv["r1_src"]), conv["r1_groups"]
    if source is Residual.NONE:
        return None
    if not reads_heads(conv, state.config):
        return _shortcut(conv, state, "r1", cg % groups, slots)
    cols = state.config.cols
    channels = repeat_channels(conv, state.config)
    wanted = cg * cols % channels + np.arange(cols)
    word = np.minimum(wanted // cols, groups - 1)
    neighbours = [_shortcut(conv, state, "r1", int(w), slots) for w in np.unique(word)]
    plain = np.stack(neighbours, axis=-2)[..., word - word[0], wanted % cols]
    heads = state.heads.read(slots, conv["r1_head_base"], 1, 0)[..., (wanted - channels) % cols]
    return np.where(wanted < channels, plain, heads).astype(np.int32)


def _shortcut(conv: Instruction, state: State, name: str, word: int, slots: Slots) -> Ints:
    """A word of the operand's pixels, from its memory or from the long stream."""
    source, pitch = Residual(conv[f"{name}_src"]), conv[f"{name}_groups"]
    if source is Residual.MAIN:
        pitch = conv["main_pitch"]
        if word >= pitch:
            return state.spill.take(conv["tiles"] * state.config.rows, slots).astype(np.int32)
    return _memory(state, source).read(slots, conv[f"{name}_base"], pitch, word).astype(np.int32)


def _store(conv: Instruction, state: State, cg: int, slots: Slots, y: Ints) -> None:
    target = {
        Store.MAIN: state.main,
        Store.SIDE: state.side,
        Store.BYTES: state.byte,
        Store.POOL: state.pool,
    }
    store, pitch = Store(conv["store"]), conv["store_pitch"]
    if writes_stream(conv, cg):
        beats = group_beats(conv, state.config)
        address = conv["spill_address"] + (cg - pitch) * beats
        state.spill.write(address, conv["tiles"] * state.config.rows, y)
    elif store is not Store.NONE:
        target[store].write(slots, conv["store_base"], pitch, cg, y)


def _store_bits(conv: Instruction, state: State, cg: int, slots: Slots, y: Ints) -> None:
    cols, width = state.config.cols, state.config.popcount_width
    packed = np.packbits(y >= 0, axis=-1, bitorder="little")
    first = cg * cols % width // BYTE_BITS
    lanes = slice(first, first + cols // BYTE_BITS)
    word = cg * cols // width
    state.bit.write(slots, conv["bits_base"], conv["bits_words"], word, packed, lanes)


def _write_means(
    memory: BankedMemory, place: tuple[int, int], shift: int, cg: int, slots: Slots, y: Ints
) -> Ints:
    """Means of 2**shift channels of one group, to a tensor at place = (base, words of a pixel)."""
    cols = y.shape[-1]
    means = numerics.channel_mean(y, cols >> shift)
    first = (cg % (1 << shift)) * (cols >> shift)
    lanes = slice(first, first + (cols >> shift))
    base, words = place
    memory.write(slots, base, words, cg >> shift, means, lanes)
    return means


def _write_pool(conv: Instruction, state: State, cg: int, y: Ints) -> Ints:
    """3x3 windows with stride 2 of (N, H, W, C), padded with zeros as the instruction says."""
    height, width = conv["pool_h"], conv["pool_w"]
    size, stride = numerics.POOL_SIZE, numerics.POOL_STRIDE
    top, left = conv["pool_top"], conv["pool_left"]
    images, in_h, in_w, cols = y.shape
    padded = np.zeros((images, stride * height + size, stride * width + size, cols), np.int32)
    padded[:, top : top + in_h, left : left + in_w] = y
    total = np.zeros((images, height, width, cols), np.int32)
    for dy in range(size):
        for dx in range(size):
            total += padded[
                :, dy : dy + stride * height : stride, dx : dx + stride * width : stride
            ]
    pooled = numerics.pool_mean(total, state.config.residual_bits)
    slots = np.arange(height * width)
    values = pooled.reshape(images, height * width, cols)
    state.pool.write(slots, conv["pool_base"], conv["groups"], cg, values)
    if conv["heads_en"] and cg == 0:
        state.heads.write(slots, conv["head_base"], 1, 0, values)
    return pooled
