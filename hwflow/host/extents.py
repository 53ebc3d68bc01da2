"""What a compiled program asks of a board: parts of its memory, words of its result buffer."""

from __future__ import annotations

from hwflow import isa
from hwflow.compiler.program import Program
from hwflow.host.protocol import Keep


def fixed_parts(program: Program) -> list[tuple[int, int]]:
    """(first, last + 1) beats of what a program has in memory beside the image and the spill area."""
    manifest = program.manifest
    end = len(program.memory) // manifest.config.memory_bytes
    holes = sorted(
        [
            (manifest.image.address, manifest.image.beats),
            (manifest.spill_address, manifest.spill_beats),
        ]
    )
    parts: list[tuple[int, int]] = []
    at = 0
    for first, beats in holes:
        if first > at:
            parts.append((at, first))
        at = max(at, first + beats)
    if at < end:
        parts.append((at, end))
    return parts


def result_words(program: Program, keep: Keep) -> int:
    """64-bit words that the board keeps of a frame."""
    ops = [isa.Op(instruction["op"]) for instruction in program.instructions]
    counters = bool(keep & Keep.COUNTERS)
    layer = 1 + counters * len(isa.LAYER_COUNTERS)
    scalar = 1 + counters * len(isa.SCALAR_COUNTERS)
    words = ops.count(isa.Op.CONV) * layer * bool(keep & Keep.LAYERS)
    words += ops.count(isa.Op.FC) * scalar * bool(keep & Keep.SCALARS)
    return words + program.manifest.classes + 1 + len(isa.END_COUNTERS)
