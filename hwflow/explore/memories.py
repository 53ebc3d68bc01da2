"""The memories of an accelerator on a board as the RTL makes them: words, bits of a word, write enables.

Only those whose size depends on the configuration; the others, queues of a fixed depth, are constants of the model.
"""

from __future__ import annotations

import math

from hwflow import timing
from hwflow.config import AcceleratorConfig
from hwflow.energy.accesses import SUM_BITS, popcount_bits
from hwflow.explore.memory_mapping import Mapped, Memory, mapped

SIX_BITS = 3
"""Bits that the pool's sums of six elements have more."""
RECORD_BITS = 216
"""Bits of a constant record that are used: those behind the last field are not kept."""
LANE_CONSTANTS = (21, 25, 33, 24)
"""Bits of a channel's constants by the stage of the lane that reads them (rtl_gen/lane_constants.py)."""
LEAST_BLOCK = 32
"""Bits of lane constants from which on they may become a block RAM."""
TILE_BITS = 16 + 9 + 1
"""Of a tile in flight: slot, channel group, whether it is the group's last; and for each row a flag and a count."""
TILE_WRITTEN = 3
"""Cycles after a tile's last step in which it is written to the memory of tiles."""
IMAGE_BITS = 24
"""Of a beat of the image beside its data: first, row, words of a pixel."""
WRITES = 32
"""Beats to be written that the SDRAM's controller keeps."""


def memories(config: AcceleratorConfig) -> dict[str, Memory]:
    """Memories by name, on a board with an SDRAM."""
    element, residual = config.residual_bits, config.residual_word_bits
    groups = max(config.channel_groups_limit, 2)
    counts = popcount_bits(config)
    lanes, columns = config.pixel_lanes, config.cols
    places = math.ceil(config.line_pixels / max(lanes, 2))
    vectors = max(2, math.ceil(config.channel_limit / config.fc_inputs))
    flight = timing.binary_group_latency(config) - 2 - TILE_WRITTEN
    found = {
        "weights": Memory(config.popcount_width, config.weight_words, count=columns),
        "deskew": Memory(lanes * counts, 2 * columns, count=columns),
        "8-bit weights": Memory(
            config.beat_bits, config.mac_words, count=2 * config.mac_half_beats
        ),
        "constant ring": Memory(
            RECORD_BITS * config.records_per_beat,
            config.constant_words // config.records_per_beat,
            min(config.beat_bits, RECORD_BITS),
        ),
        "main": Memory(residual, config.main_rows, element, count=lanes),
        "side": Memory(residual, config.side_rows, element, count=lanes),
        "pool": Memory(residual, config.pool_rows, count=lanes),
        "line": Memory(columns * (element + SIX_BITS), _power(places), count=lanes),
        "sums": Memory(columns * SUM_BITS, groups),
        "vectors": Memory(8 * config.fc_inputs, vectors, 8, count=2),
        "tiles": Memory(TILE_BITS + config.rows * (1 + counts), 1 << (flight + 1).bit_length()),
        "image": Memory(IMAGE_BITS + config.beat_bits, timing.BYTE_WRITER_BEATS - 1),
        "writes": Memory(config.beat_bits, WRITES - 1),
    }
    for bits in LANE_CONSTANTS:
        found[f"constants {bits}"] = Memory(
            bits, groups, distributed=bits < LEAST_BLOCK, count=columns
        )
    return found | _features(config)


def _features(config: AcceleratorConfig) -> dict[str, Memory]:
    width, columns, banks = config.popcount_width, config.cols, config.banks
    if config.shared_features:
        rows = config.bit_rows + config.byte_rows
        return {"features": Memory(width, rows, columns, count=banks)}
    return {
        "bit": Memory(width, config.bit_rows, columns, count=banks),
        "byte": Memory(8 * columns, config.byte_rows, count=banks),
    }


def _power(words: int) -> int:
    """The power of two that is at least `words`, and 2."""
    return 1 << (max(words, 2) - 1).bit_length()


def all_mapped(config: AcceleratorConfig) -> dict[str, Mapped]:
    """What each memory becomes."""
    return {name: mapped(memory) for name, memory in memories(config).items()}


LARGEST_BANK, SMALLEST_BANK = 16384, 512
"""Words of the banks that hold a memory image in block RAM (rtl_gen/bindings/block_ram.py)."""


def image_blocks(config: AcceleratorConfig, beats: int) -> int:
    """Block RAMs that a memory image of `beats` beats takes, in banks of powers of two, the largest first."""
    blocks = 0
    while beats > 0:
        depth = LARGEST_BANK
        while depth > SMALLEST_BANK and depth > beats:
            depth //= 2
        blocks += mapped(Memory(config.beat_bits, depth)).ebr
        beats -= depth
    return blocks
