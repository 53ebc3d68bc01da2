"""Holds the cycles that the accelerator reports against the cycle model, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator

from hwflow.compiler.program import Program
from hwflow.cycle_model import FrameTiming, simulate_cycles
from sim.host import FrameRecords
from sim.memory import MemoryTiming


def predicted_frame(program: Program, timing: MemoryTiming) -> FrameTiming | None:
    """The cycle model's frame, or None where memory or host stall at random and no model can be exact."""
    if timing.stall or timing.result_stall:
        return None
    return simulate_cycles(
        program.instructions, program.config, latency=timing.latency, bandwidth=timing.bandwidth
    )


def cycle_differences(
    image: int, cycles: int, records: FrameRecords, wanted: FrameTiming
) -> Iterator[str]:
    """One line for every cycle count of a frame that is not the model's; `cycles` from start to done."""

    def line(where: str, name: str, actual: int, expected: int) -> Iterator[str]:
        if actual != expected:
            yield f"image {image}, {where}: {name} {actual}, cycle model {expected}"

    for layer, model in zip(records.layers, wanted.layers, strict=True):
        expected = {"start": model.start, "end": model.end, **model.cycles}
        for name, value in expected.items():
            yield from line(f"layer {layer.layer}", name, layer.counters[name], value)
    for scalar, model in zip(records.scalars, wanted.scalars, strict=True):
        for name in ("start", "end", "steps"):
            where = f"layer {scalar.layer} FC"
            yield from line(where, name, scalar.counters[name], getattr(model, name))
    for name, value in {"cycles": wanted.cycles, **wanted.bytes}.items():
        yield from line("frame", name, records.counters[name], value)
    yield from line("frame", "cycles from start to done", cycles, wanted.total)
