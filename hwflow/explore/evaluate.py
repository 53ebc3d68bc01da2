"""What a design takes and gives for one network: cycles, resources, energy, accuracy, and whether it is possible.

Cycles are the cycle model's of the schedule that `hwflow lower` would make. A schedule's cycles do not depend on where
tensors lie, nor on how large their memories are, so they are kept for designs that differ in nothing else.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from hwflow.ace import AceReport
from hwflow.compiler import image, spill, stream
from hwflow.compiler.geometry import geometry_of
from hwflow.compiler.heads import place_heads
from hwflow.compiler.order import order
from hwflow.compiler.plan import LayerPlan
from hwflow.config import AcceleratorConfig
from hwflow.cycle_model.compiled import frame_cycles
from hwflow.cycle_model.model import simulate_cycles
from hwflow.energy.accesses import bank_bytes
from hwflow.energy.characterisation import Characterisation
from hwflow.energy.memory_constants import MemoryConstants
from hwflow.energy.network import network_energy
from hwflow.energy.work import LayerWork, Macs, Work, modelled_work
from hwflow.errors import FlowError
from hwflow.explore.fitting import Fitting
from hwflow.explore.resources import Resources, estimate
from hwflow.explore.space import CLOCK, RESOURCES, Part, Point, design
from models.integer.params import IntegerNetwork

Result = dict[str, Any]
"""A point's evaluation, of JSON types; fields in docs/explore.md."""

TIMED = (
    "rows", "cols", "popcount_width", "popcount_stages", "pixel_lanes", "mac_depth", "memory_bytes", "weight_words",
    "mac_words", "constant_words", "channel_limit", "long_words", "store_words",
    "head_rows", "residual_bits",
)  # fmt: skip
"""Parameters that a schedule, its cycles or what its units do depend on, for a given plan of the tensors."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What all points have in common.

    requantised: whether the network can be had at another width of stored elements: cycles do not depend on it.
    ace: of the network, for energies. accuracy: width of stored elements in bits -> top-1. latency: of the memory, cycles.
    """

    network: IntegerNetwork
    requantised: bool
    part: Part
    block_ram: bool
    latency: int
    accuracy: Mapping[int, float]
    ace: AceReport | None
    characterisation: Characterisation | None
    memories: MemoryConstants | None


@dataclass(frozen=True)
class _Frame:
    """A schedule's cycles and memory image in beats; energy of logic and external memory; accesses on the chip.

    accesses: memory -> bits read and written in a frame.
    """

    cycles: int
    beats: int
    joules: float | None
    accesses: dict[str, int]


class Evaluator:
    """Evaluates points for one setup; keeps schedules of designs that differ in the sizes of memories only."""

    def __init__(self, setup: Setup, *, keep: bool = True) -> None:
        self._setup = setup
        self._shapes = geometry_of(setup.network)
        self._fitting = Fitting(self._shapes)
        self._frames: dict[tuple[Any, ...], _Frame | str] = {}
        self._keep = keep

    def point(self, point: Point) -> Result:
        """Evaluates a point of a space."""
        clock = float(point[CLOCK])
        result: Result = {"point": dict(point)}
        try:
            config = design(self._fitting.resolved(point))
        except FlowError as error:
            return result | _impossible(f"network: {error}")
        return result | self.config(config, clock)

    def config(self, config: AcceleratorConfig, clock_mhz: float) -> Result:
        """Evaluates a design at a clock."""
        setup = self._setup
        stored = setup.network.residual_bits
        if config.residual_bits != stored and not setup.requantised:
            return {"config": _config(config)} | _impossible(
                f"network: its file stores elements of {stored} bits, not {config.residual_bits}; name its checkpoint"
            )
        frame = self._frame(config)
        if isinstance(frame, str):
            return {"config": _config(config)} | _impossible(f"network: {frame}")
        try:
            taken = estimate(config, memory_beats=frame.beats if setup.block_ram else None)
        except FlowError as error:
            return {"config": _config(config)} | _impossible(f"resources: {error}")
        reasons = _shortages(setup.part, taken)
        joules: float | None = None
        if frame.joules is not None and setup.memories is not None:
            try:
                sizes = bank_bytes(config)
                joules = frame.joules + sum(
                    bits * setup.memories.sram_bit(sizes[name])
                    for name, bits in frame.accesses.items()
                )
            except FlowError as error:
                reasons.append(f"energy: {error}")
        return {
            "config": _config(config),
            "feasible": not reasons,
            "reasons": reasons,
            "binary_macs": config.binary_macs,
            "cycles": frame.cycles,
            "frames_per_second": clock_mhz * 1e6 / frame.cycles,
            "lut4": taken.lut4,
            "flip_flops": taken.flip_flops,
            "block_rams": taken.block_rams,
            "multipliers": taken.multipliers,
            "extrapolated": list(taken.extrapolated),
            "energy": joules,
            "top1": setup.accuracy.get(config.residual_bits),
        }

    def _frame(self, config: AcceleratorConfig) -> _Frame | str:
        """The schedule, or why there is none."""
        try:
            layers = place_heads(spill.plan(self._shapes, config), config)
        except FlowError as error:
            return str(error)
        key = (*(getattr(config, name) for name in TIMED), _homes(layers))
        if not self._keep or key not in self._frames:
            try:
                self._frames[key] = self._compiled(config, layers)
            except FlowError as error:
                self._frames[key] = str(error)
        return self._frames[key]

    def _compiled(self, config: AcceleratorConfig, layers: tuple[LayerPlan, ...]) -> _Frame:
        setup = self._setup
        ordered = order(stream.items(setup.network, layers, config), config)
        instructions, areas = image.place(ordered, config)
        if config.long_words:
            slow = simulate_cycles(instructions, config, latency=setup.latency)
            ends = [0, *(layer.end for layer in slow.layers), slow.cycles]
            windows, total = [b - a for a, b in itertools.pairwise(ends)], slow.total
        else:
            fast = frame_cycles(instructions, config, latency=setup.latency)
            windows, total = list(fast.windows()), fast.total
        beats = areas.spill_address + areas.spill_beats
        if not (setup.ace and setup.characterisation and setup.memories):
            return _Frame(total, beats, None, {})
        work = modelled_work(config, instructions, setup.ace, dict(enumerate(windows)))
        logic = replace(work, layers=(_whole(work),))
        energy = network_energy(logic, setup.characterisation, setup.memories).energy()
        accesses: Counter[str] = Counter()
        for use in (use for layer in work.layers for use in layer.memories):
            accesses[use.memory] += use.bits
        return _Frame(total, beats, energy.mean, dict(accesses))


def _whole(work: Work) -> LayerWork:
    """A network's work as that of one layer, without accesses of memories on the chip."""
    macs: dict[tuple[int, str], Macs] = {}
    idle: Counter[str] = Counter()
    other: Counter[str] = Counter()
    external: Counter[str] = Counter()
    for layer in work.layers:
        for each in layer.macs:
            key = (each.bits, each.unit)
            had = macs.get(key, Macs(bits=each.bits, unit=each.unit, macs=0, padding=0, ace=0))
            macs[key] = replace(
                had,
                macs=had.macs + each.macs,
                padding=had.padding + each.padding,
                ace=had.ace + each.ace,
            )
        idle.update(cast(dict[str, int], layer.idle))
        other.update(layer.other)
        external.update(layer.external)
    return LayerWork(
        layer=0,
        name=work.network,
        cycles=work.cycles,
        macs=tuple(macs.values()),
        elements=sum(layer.elements for layer in work.layers),
        lane_slots=sum(layer.lane_slots for layer in work.layers),
        periphery=sum(layer.periphery for layer in work.layers),
        idle=dict(idle),
        other=dict(other),
        memories=(),
        external=dict(external),
    )


def _homes(layers: tuple[LayerPlan, ...]) -> tuple[Any, ...]:
    """In which memory each tensor lies and how many words of a pixel are there: all that timing and traffic see of it."""
    return tuple(
        (each.memory, each.pitch, each.stored) if each is not None else None
        for layer in layers
        for each in (layer.output, layer.bits, layer.mean, layer.pool, layer.r, layer.r1)
    ) + tuple(layer.head_base is not None for layer in layers)


def _config(config: AcceleratorConfig) -> dict[str, int]:
    return {name: cast(int, value) for name, value in config.to_dict().items() if name != "name"}


def _impossible(reason: str) -> Result:
    return {"feasible": False, "reasons": [reason]}


def _shortages(part: Part, taken: Resources) -> list[str]:
    """What the part, or the share of it that may be taken, has too little of."""
    found: list[str] = []
    for name in RESOURCES:
        needed = getattr(taken, name)
        if needed > part.limit(name):
            of = f" of {getattr(part, name):,}" if part.limit(name) < getattr(part, name) else ""
            found.append(f"part: {needed:,} {name}, {part.limit(name):,}{of} may be taken")
    return found


def setup_hash(setup: Setup, model: str) -> str:
    """SHA-256 of all that a point's evaluation depends on beside the point; model: of the code."""
    found = hashlib.sha256(model.encode())
    characterisation = setup.characterisation.json() if setup.characterisation else ""
    for part in (
        setup.network.content_hash(), setup.requantised, str(setup.part), setup.block_ram, setup.latency,
        sorted(setup.accuracy.items()), characterisation, setup.memories,
    ):  # fmt: skip
        found.update(f"{part}\n".encode())
    return found.hexdigest()
