"""What a memory becomes on an ECP5: block RAMs, distributed memories of 16 words of 4 bits, or registers.

Yosys takes the cheapest of the geometries that a memory can be cut to; so does `mapped`. Source of the costs: the
libraries of synth_lattice (lattice/brams_16kd.txt, lattice/lutrams_trellis.txt) and the pass memory_libmap: 128 a block
RAM, 4 a distributed memory, half a point for each bit of the multiplexers behind memories that lie one after the
other, half for each write enable that they decode, 1 for each bit in registers. Held against Yosys in
tests/hwflow/explore/test_memory_mapping.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil

BLOCK_COST, LUT_COST, BIT_COST = 128, 4, 1
MULTIPLEXER, ENABLE = 0.5, 0.5
READ_PORT = 2
"""Cost of a read port that no write port shares."""

BLOCKS = {1: 16384, 2: 8192, 4: 4096, 9: 2048, 18: 1024, 36: 512}
"""Bits of a block RAM's word -> its words."""
BLOCK_BYTE = 9
"""Bits of a block RAM's word that a write enable covers."""
LUT_BITS, LUT_WORDS = 4, 16


@dataclass(frozen=True)
class Memory:
    """A memory with one read and one write port.

    width: bits of a word. depth: words. granule: bits that a write enable covers, 0: all. distributed: made of LUTs
    whatever it costs. count: how many there are.
    """

    width: int
    depth: int
    granule: int = 0
    distributed: bool = False
    count: int = 1


@dataclass(frozen=True)
class Mapped:
    """Cells of a memory.

    ebr: block RAMs. dpr: distributed memories. multiplexed: bits of 2:1 multiplexers behind them, if made of those.
    registers: bits of registers: those at the output of distributed memories, or all of a memory without either.
    """

    ebr: int = 0
    dpr: int = 0
    multiplexed: int = 0
    registers: int = 0

    def __add__(self, other: Mapped) -> Mapped:
        """Both together."""
        return Mapped(
            self.ebr + other.ebr,
            self.dpr + other.dpr,
            self.multiplexed + other.multiplexed,
            self.registers + other.registers,
        )


def mapped(memory: Memory) -> Mapped:
    """The cells of all `memory.count` memories."""
    one = _one(memory.width, memory.depth, memory.granule or memory.width, memory.distributed)
    n = memory.count
    return Mapped(n * one.ebr, n * one.dpr, n * one.multiplexed, n * one.registers)


@lru_cache(maxsize=1 << 16)
def _one(width: int, depth: int, granule: int, distributed: bool) -> Mapped:
    enables = ceil(width / granule)
    chunks = [granule] * (enables - 1) + [width - granule * (enables - 1)]

    def surroundings(parts: int) -> float:
        """Cost of joining `parts` memories that lie one after the other."""
        return MULTIPLEXER * (parts - 1) * width + (ENABLE * parts * enables if parts > 1 else 0)

    parts = ceil(depth / LUT_WORDS)
    luts = parts * sum(ceil(chunk / LUT_BITS) for chunk in chunks)
    choices = [
        (
            LUT_COST * luts + surroundings(parts) + READ_PORT,
            Mapped(dpr=luts, multiplexed=(parts - 1) * width, registers=width),
        )
    ]
    if not distributed:
        for bits, words in BLOCKS.items():
            parts = ceil(depth / words)
            byte = min(bits, BLOCK_BYTE)
            taken = parts * sum(ceil(chunk / byte) * byte for chunk in chunks)
            blocks = ceil(taken / bits)
            cost = BLOCK_COST * blocks + surroundings(parts) + READ_PORT
            choices.append((cost, Mapped(ebr=blocks, multiplexed=(parts - 1) * width)))
        choices.append((BIT_COST * width * depth, Mapped(registers=width * (depth + 1))))
    return min(choices, key=lambda choice: choice[0])[1]
