"""ACE's law by itself: sums of products at several operand widths, with as many operand bits a cycle, on random operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hwflow.energy.cells import Library
from hwflow.energy.characterisation import EVIDENCE, Interval, interval
from hwflow.energy.delays import StaticTiming, analyse, default_period
from hwflow.energy.netlist import MappedUnit
from hwflow.energy.power import SegmentEnergy, energies
from hwflow.energy.statistics import Bounds, ratio
from hwflow.energy.stimulus import Bits, Segment, Stimulus
from hwflow.errors import FlowError
from rtl_gen import instances
from rtl_gen.multiply_accumulate import MultiplyAccumulate
from rtl_gen.synthesis.liberty import map_to_library
from sim.gates.simulate import simulate

TOP = "multiply_accumulate"
WIDTHS = (1, 4, 8, 16)
WARM_UP = 3
"""Cycles: operands, clear, sum."""

Progress = Callable[[str, int, int], None]
"""Called with (what is done next, steps done, steps)."""


@dataclass(frozen=True, kw_only=True)
class WidthEnergy:
    """One width.

    width: bits of an operand. terms: products a cycle. cells, area: of the netlist. datapath, total: J a product.
    over_first, total_over_first: their ratios to the first width's. ace: what ACE says the ratio is.
    glitches: share in the load energy (the clock's too) of what toggles beyond the changes from cycle to cycle charge.
    """

    width: int
    terms: int
    cells: int
    area: float
    datapath: Interval
    total: Interval
    over_first: Bounds
    total_over_first: Bounds
    ace: float
    glitches: float


@dataclass(frozen=True, kw_only=True)
class Widths:
    """All widths in one library at one period (s), wire (F) at every pin."""

    library: str
    period: float
    wire: float
    segments: int
    cycles: int
    seed: int
    evidence: str
    widths: tuple[WidthEnergy, ...]


def check_widths(widths: Sequence[int], operand_bits: int) -> None:
    """Raises FlowError for a width that does not divide operand_bits."""
    for width in widths:
        if width < 1 or operand_bits % width:
            raise FlowError(
                f"width {width} does not divide {operand_bits} operand bits; give widths that do"
            )


def measure(
    library: Library,
    *,
    widths: Sequence[int] = WIDTHS,
    operand_bits: int = 64,
    wire: float = 0.0,
    segments: int = 10,
    cycles: int = 100,
    seed: int = 1,
    keep: Path | None = None,
    progress: Progress | None = None,
) -> Widths:
    """Map, simulate and count every width; mapping does not know of the wires.

    Args:
        library: cells.
        widths: bits of an operand; ratios are to the first.
        operand_bits: of each side, a cycle: `operand_bits` // width products.
        wire: F, added to every input pin.
        segments: of the stream.
        cycles: counted, of each segment.
        seed: of the operands.
        keep: folder for mapped netlists.
        progress: see Progress.

    Raises:
        FlowError: a width does not divide operand_bits, or what mapping and simulation complain of.
    """
    check_widths(widths, operand_bits)
    tell = progress or (lambda what, done, total: None)
    steps = 2 * len(widths)
    designs: list[tuple[MultiplyAccumulate, MappedUnit, StaticTiming]] = []
    wired = library.with_wires(wire)
    for index, width in enumerate(widths):
        tell(f"mapping {width} bits", index, steps)
        design = MultiplyAccumulate(width, operand_bits // width)
        text = instances.emit(design, TOP)
        mapped = map_to_library(text, TOP, library, keep=keep)
        if wire:  # the same netlist, with heavier pins
            mapped = mapped.in_library(wired)
        designs.append((design, mapped, analyse(mapped)))
    period = max(default_period(timing) for *_, timing in designs)
    found: list[list[SegmentEnergy]] = []
    for index, (design, mapped, timing) in enumerate(designs):
        tell(f"simulating {design.width} bits", len(widths) + index, steps)
        driven = stimulus(design, segments=segments, cycles=cycles, seed=seed)
        found.append(energies(mapped, simulate(mapped, driven, period=period, timing=timing)))
    tell("done", steps, steps)
    sums = [
        _intervals(each, design.terms) for each, (design, *_) in zip(found, designs, strict=True)
    ]
    return Widths(
        library=library.name,
        period=period,
        wire=wire,
        segments=segments,
        cycles=cycles,
        seed=seed,
        evidence=EVIDENCE,
        widths=tuple(
            WidthEnergy(
                width=design.width,
                terms=design.terms,
                cells=len(mapped.instances),
                area=mapped.area,
                datapath=datapath,
                total=total,
                over_first=_over(datapath, sums[0][0], segments),
                total_over_first=_over(total, sums[0][1], segments),
                ace=(design.width / widths[0]) ** 2,
                glitches=sum(each.glitches for each in spent) / sum(each.load for each in spent),
            )
            for (design, mapped, _), (datapath, total), spent in zip(
                designs, sums, found, strict=True
            )
        ),
    )


def _over(value: Interval, first: Interval, segments: int) -> Bounds:
    if value is first:
        return Bounds(value=1.0, low=1.0, high=1.0)
    return ratio(value, first, (segments, segments))


def _intervals(spent: Sequence[SegmentEnergy], terms: int) -> tuple[Interval, Interval]:
    """Datapath and everything, J a product."""
    products = [each.cycles * terms for each in spent]
    parts = [[each.datapath for each in spent], [each.total for each in spent]]
    datapath, total = (
        interval([value / count for value, count in zip(part, products, strict=True)])
        for part in parts
    )
    return datapath, total


def stimulus(design: MultiplyAccumulate, *, segments: int, cycles: int, seed: int) -> Stimulus:
    """Uniform random operands; the sum is cleared before the counted cycles of every segment, and expected after."""
    length = cycles + WARM_UP
    rng = np.random.default_rng(seed)
    shape = (length * segments, design.width * design.terms)
    a, b = (rng.integers(0, 2, shape).astype(np.uint8) for _ in range(2))
    clear = (np.arange(shape[0]) % length == WARM_UP - 1).astype(np.uint8)[:, None]
    added = _values(a, design) * _values(b, design)
    if design.width == 1:
        added = (a == b).astype(object)
    each = added.sum(axis=1)
    total = np.zeros(shape[0], dtype=object)
    for cycle in range(2, shape[0]):
        total[cycle] = 0 if clear[cycle - 1, 0] else total[cycle - 1] + each[cycle - 2]
    words = np.array([int(value) % (1 << design.sum_bits) for value in total], dtype=object)
    expected = np.stack([(words >> bit) & 1 for bit in range(design.sum_bits)], axis=1)
    starts = [length * index for index in range(segments)]
    parts = tuple(Segment(start, start + WARM_UP, start + length) for start in starts)
    ports = {"a": a, "b": b, "clear": clear, "rst": np.zeros_like(clear)}
    return Stimulus(ports, {"total": expected.astype(np.uint8)}, parts)


def _values(bits: Bits, design: MultiplyAccumulate) -> npt.NDArray[np.object_]:
    """[cycles, terms] of two's complement numbers."""
    parts = bits.reshape(len(bits), design.terms, design.width).astype(np.int64)
    weights = 1 << np.arange(design.width, dtype=np.int64)
    weights[-1] = -weights[-1]
    return (parts @ weights).astype(object)
