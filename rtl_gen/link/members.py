"""What the link's engine and the link around it have in common: the accelerator's side."""

from __future__ import annotations

from amaranth.lib import stream
from amaranth.lib.wiring import In, Member, Out

from hwflow.config import AcceleratorConfig
from rtl_gen.interfaces import MemoryPort, memory_write_layout

INPUTS = ("written", "busy", "done", "error")
OUTPUTS = ("start", "reset", "open", "active", "failed", "marker")
"""Of one bit; CommandEngine says what they are."""


def accelerator_members(config: AcceleratorConfig) -> dict[str, Member]:
    """Members towards accelerator and memory, and those that show what the engine does."""
    return {
        "memory": Out(MemoryPort(config)),
        "write": Out(stream.Signature(memory_write_layout(config))),
        "results": In(stream.Signature(64)),
        "schedule_address": Out(32),
        **{name: In(1) for name in INPUTS},
        **{name: Out(1) for name in OUTPUTS},
    }
