"""Holds the cycles that the accelerator reports against the cycle model, layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hwflow.compiler.program import Program
from hwflow.cycle_model import FrameTiming, simulate_cycles
from hwflow.host.results import FrameRecords, LayerRecord, ScalarRecord
from sim.memory import MemoryTiming


def predicted_frame(program: Program, timing: MemoryTiming) -> FrameTiming | None:
    """The cycle model's frame, or None where memory or host stall at random or fail."""
    if not timing.exact:
        return None
    return simulate_cycles(
        program.instructions, program.config, latency=timing.latency, bandwidth=timing.bandwidth
    )


def expected_frame(program: Program, timing: MemoryTiming) -> FrameTiming:
    """The cycle model's frame with the mean bandwidth of a memory that stalls at random.

    An estimate: frames stay within 2% of it (tests/sim/test_network.py), and differ from one another.
    """
    return simulate_cycles(
        program.instructions,
        program.config,
        latency=timing.latency,
        bandwidth=timing.expected_bandwidth,
        steady=True,
    )


def cycle_differences(
    image: int, cycles: int, records: FrameRecords, wanted: FrameTiming
) -> Iterator[str]:
    """One line for every cycle count of a frame that is not the model's; `cycles` from start to done."""

    def line(where: str, name: str, actual: int, expected: int) -> Iterator[str]:
        if actual != expected:
            yield f"image {image}, {where}: {name} {actual}, cycle model {expected}"

    def records_of(
        kind: str,
        sent: Iterable[LayerRecord | ScalarRecord],
        models: Iterable[tuple[int, dict[str, int]]],
    ) -> Iterator[str]:
        """By layer number, a layer's records in order; a record too few or too many is one line."""
        left: dict[int, list[dict[str, int]]] = {}
        for record in sent:
            left.setdefault(record.layer, []).append(record.counters)
        for layer, expected in models:
            found = left.get(layer)
            if not found:
                yield f"image {image}, layer {layer}{kind}: no record"
                continue
            counters = found.pop(0)
            for name, value in expected.items():
                yield from line(f"layer {layer}{kind}", name, counters[name], value)
        for layer, extra in left.items():
            if extra:
                yield f"image {image}, layer {layer}{kind}: {len(extra)} records too many"

    layers = ((m.layer, {"start": m.start, "end": m.end, **m.cycles}) for m in wanted.layers)
    scalars = (
        (m.layer, {"start": m.start, "end": m.end, "steps": m.steps}) for m in wanted.scalars
    )
    yield from records_of("", records.layers, layers)
    yield from records_of(" FC", records.scalars, scalars)
    for name, value in {"cycles": wanted.cycles, **wanted.bytes}.items():
        yield from line("frame", name, records.counters[name], value)
    yield from line("frame", "cycles from start to done", cycles, wanted.total)
