"""State of the emulated accelerator and what it reports."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hwflow.config import AcceleratorConfig
from hwflow.emulator import memory
from hwflow.emulator.memory import BankedMemory, Fifo
from hwflow.emulator.spill import SpillArea
from hwflow.isa import CONSTANT_BITS, CONSTANT_FIELDS
from hwflow.memories import ceil_div

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class ArrayCounts:
    """MAC slots of an instruction, as the hardware's counters classify them (one image)."""

    issue: int
    useful: int
    masked: int
    k_padding: int
    channel_padding: int
    pixel_padding: int


@dataclass(frozen=True, kw_only=True)
class EmulatedLayer:
    """A CONV's results for N images.

    y (N, H, W, C): the output. mean: what was written to the side or main memory beside y, stored_mean: to the
    main memory in place of y, pool: to the pool memory (N, H', W', lanes of all written words), None without.
    sums (N, C). signatures: one an image.
    t_saturated, y_saturated (N,).
    """

    y: Ints
    mean: Ints | None
    stored_mean: Ints | None
    pool: Ints | None
    sums: Ints
    signatures: list[int]
    t_saturated: Ints
    y_saturated: Ints
    counts: ArrayCounts


@dataclass(frozen=True, kw_only=True)
class Emulation:
    """Everything a frame computes, for N images; dictionaries are keyed by layer number.

    means (N, Cin): results of MEAN. hidden (N, H), scales (N, Cout): results of FC.
    scalar_counts: for each FC in order (layer, counts). logits (N, classes).
    """

    layers: dict[int, EmulatedLayer] = field(default_factory=dict[int, EmulatedLayer])
    means: dict[int, Ints] = field(default_factory=dict[int, Ints])
    hidden: dict[int, Ints] = field(default_factory=dict[int, Ints])
    scales: dict[int, Ints] = field(default_factory=dict[int, Ints])
    scalar_counts: list[tuple[int, ArrayCounts]] = field(
        default_factory=list[tuple[int, ArrayCounts]]
    )
    logits: Ints = field(default_factory=lambda: np.zeros((0, 0), np.int32))
    logit_signatures: list[int] = field(default_factory=list[int])


class State:
    """Memories, rings, channel constants and token counters for N images."""

    def __init__(self, config: AcceleratorConfig, images: int) -> None:
        self.config = config
        self.images = images
        cols = config.cols
        banks, lanes = config.banks, config.pixel_lanes
        self.bit = BankedMemory(
            images, banks, config.bit_rows, config.popcount_width // 8, np.uint8
        )
        self.byte = BankedMemory(images, banks, config.byte_rows, cols, np.int8)
        self.main = BankedMemory(images, lanes, config.main_rows, cols, np.int16)
        self.side = BankedMemory(images, lanes, config.side_rows, cols, np.int16)
        self.pool = BankedMemory(images, lanes, config.pool_rows, cols, np.int16)
        self.heads = BankedMemory(images, lanes, config.head_rows, cols, np.int16)
        channels = config.channel_groups_limit * cols
        self.sums: Ints = np.full((images, channels), memory.JUNK, np.int32)
        vector = ceil_div(config.channel_limit, config.fc_inputs) * config.fc_inputs
        self.vectors = {
            name: np.full((images, vector), memory.JUNK, np.uint8).view(np.int8)
            for name in ("means", "hidden")
        }
        self.constants: dict[str, Ints] = {
            name: np.full(channels, memory.JUNK & 7, np.int32)
            for name in ("alpha", "alpha_shift", "beta", "bias_x", "out_shift")
        }
        self.pairs: dict[str, Ints] = {
            name: np.full((images, channels), memory.JUNK, np.int32) for name in ("p", "n", "q")
        }
        self.weight_ring = Fifo("binary weight ring", cols * config.popcount_width // 8)
        self.mac_ring = Fifo("8-bit ring", config.mac_word_bytes // 2)
        self.constant_ring = Fifo("constant ring", CONSTANT_BITS // 8)
        self.scale_tokens = 0
        self.sum_tokens = 0
        self.layers_done = 0
        self.spill = SpillArea(config, images)

    def take_constants(self, count: int) -> dict[str, Ints]:
        """The next records as one int32 array a field."""
        bits = np.unpackbits(self.constant_ring.take(count), axis=1, bitorder="little")
        columns: dict[str, Ints] = {}
        at = 0
        for entry in CONSTANT_FIELDS:
            weights = np.int64(1) << np.arange(entry.bits, dtype=np.int64)
            if entry.signed:
                weights[-1] = -weights[-1]
            columns[entry.name] = (bits[:, at : at + entry.bits] @ weights).astype(np.int32)
            at += entry.bits
        return columns
