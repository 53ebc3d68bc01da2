"""Which channel groups of a CONV come from, or go to, external memory (docs/architecture.md, spilled activations)."""

from __future__ import annotations

from collections.abc import Mapping

from hwflow.config import AcceleratorConfig
from hwflow.isa import Residual, Store

Instruction = Mapping[str, int]


def reads_stream(conv: Instruction, cg: int) -> bool:
    """Whether output group `cg` takes a shortcut from the long stream."""
    if conv["r1_src"] == Residual.MAIN:
        return cg % max(1, conv["r1_groups"]) >= conv["main_pitch"]
    return conv["r_src"] == Residual.MAIN and conv["main_pitch"] <= cg < conv["r_groups"]


def streamed_groups(conv: Instruction) -> list[int]:
    """Words of a pixel that the CONV takes from the long stream, in order."""
    modulus = max(1, conv["r1_groups" if conv["r1_src"] == Residual.MAIN else "groups"])
    return [cg % modulus for cg in range(conv["groups"]) if reads_stream(conv, cg)]


def writes_stream(conv: Instruction, cg: int) -> bool:
    """Whether output group `cg` is stored to external memory."""
    return conv["store"] == Store.MAIN and cg >= conv["store_pitch"]


def spilled_groups(conv: Instruction) -> int:
    """Output groups that are stored to external memory."""
    return max(0, conv["groups"] - conv["store_pitch"]) if conv["store"] == Store.MAIN else 0


def group_words(conv: Instruction, config: AcceleratorConfig) -> int:
    """Stream words of one channel group: R/G a tile."""
    return conv["tiles"] * config.row_groups


def group_beats(conv: Instruction, config: AcceleratorConfig) -> int:
    """Beats of one channel group in the spill area."""
    return group_words(conv, config) * config.stream_beats
