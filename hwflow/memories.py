"""Feature memories: word size, banks and rows of a tensor (docs/architecture.md, memory layouts)."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from hwflow.config import AcceleratorConfig


class Memory(enum.StrEnum):
    """The five memories that hold tensors; `<value>_rows` is the target's field for its size."""

    BIT = "bit"
    BYTE = "byte"
    MAIN = "main"
    SIDE = "side"
    POOL = "pool"


def ceil_div(a: int, b: int) -> int:
    """ceil(a / b)."""
    return -(-a // b)


def banks(config: AcceleratorConfig, memory: Memory) -> int:
    """Banks of a memory: slot i lies in bank i % banks."""
    return config.banks if memory in (Memory.BIT, Memory.BYTE) else config.pixel_lanes


def word_bytes(config: AcceleratorConfig, memory: Memory) -> int:
    """Bytes of a word of one bank."""
    if memory is Memory.BIT:
        return config.popcount_width // 8
    return config.cols if memory is Memory.BYTE else config.residual_word_bits // 8


def capacity(config: AcceleratorConfig, memory: Memory) -> int:
    """Rows of each bank."""
    return int(getattr(config, f"{memory.value}_rows"))


def pixel_words(config: AcceleratorConfig, memory: Memory, channels: int) -> int:
    """Words one pixel of a tensor takes."""
    return ceil_div(channels, config.popcount_width if memory is Memory.BIT else config.cols)


def tensor_rows(config: AcceleratorConfig, memory: Memory, slots: int, words: int) -> int:
    """Rows a tensor of `slots` pixels with `words` words each takes in every bank."""
    return ceil_div(slots, banks(config, memory)) * words


def group_beats(config: AcceleratorConfig, slots: int) -> int:
    """Beats of one channel group of a tensor in external memory: R/G stream words for each tile of R pixels."""
    return ceil_div(slots, config.rows) * config.row_groups * config.stream_beats


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor at its place: rows base..base+rows-1 of every bank of `memory`.

    It is written by layer `first` (-1: the loader) and last read by layer `last`
    (`last == first`: never). A pixel has `words` words of which the first `pitch` are there, one
    after the other: fewer where the others are in external memory from beat `spill` of the spill
    area on or where nobody reads them, more where it takes the place of a wider tensor.
    """

    name: str
    memory: Memory
    height: int
    width: int
    channels: int
    words: int
    pitch: int
    base: int
    rows: int
    first: int
    last: int
    spill: int = 0

    @property
    def spilled(self) -> int:
        """Words of a pixel that are in external memory."""
        return max(0, self.words - self.pitch) if self.stored else 0

    @property
    def stored(self) -> bool:
        """Whether anybody reads it."""
        return self.last > self.first
