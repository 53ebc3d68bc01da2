"""What a compiled program asks of a board: parts of its memory, words of its result buffer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwflow import isa
from hwflow.compiler.program import Program
from hwflow.errors import FlowError
from hwflow.host.protocol import Keep

if TYPE_CHECKING:
    from hwflow.host.link import Capabilities


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


def check_fits(program: Program, board: Capabilities, port: str) -> None:
    """Raises FlowError for a program that is for another target or too large for the board's memory."""
    manifest = program.manifest
    if manifest.config_hash != board.target_hash:
        name = manifest.config.name
        remedy = (
            f"lower the network with --target {board.target}, or put a bitstream of {name} on the board "
            f"(hwflow bitstream --target {name})"
            if name != board.target
            else "the target was changed in between: make the program and the bitstream with the same file of it"
        )
        raise FlowError(
            f"{port}: the board was built for target {board.target} ({board.target_hash[:12]}), the program for "
            f"{name} ({manifest.config_hash[:12]}); {remedy}"
        )
    if len(program.memory) > board.memory_bytes:
        raise FlowError(
            f"{port}: the program's memory image has {len(program.memory)} bytes, the board's memory "
            f"{board.memory_bytes}; take a smaller network or a board with external memory"
        )
