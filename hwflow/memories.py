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


def capacity(config: AcceleratorConfig, memory: Memory) -> int:
    """Rows of each bank."""
    return int(getattr(config, f"{memory.value}_rows"))


def pixel_words(config: AcceleratorConfig, memory: Memory, channels: int) -> int:
    """Words one pixel of a tensor takes."""
    return ceil_div(channels, config.popcount_width if memory is Memory.BIT else config.cols)


def tensor_rows(config: AcceleratorConfig, memory: Memory, slots: int, words: int) -> int:
    """Rows a tensor of `slots` pixels with `words` words each takes in every bank."""
    return ceil_div(slots, banks(config, memory)) * words


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor at its place: rows base..base+rows-1 of every bank of `memory`.

    It is written by layer `first` (-1: the loader) and last read by layer `last`
    (`last == first`: never).
    """

    name: str
    memory: Memory
    height: int
    width: int
    channels: int
    words: int
    base: int
    rows: int
    first: int
    last: int
