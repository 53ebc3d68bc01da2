"""What a design takes and gives for one network: cycles, resources, energy, accuracy, and whether it is possible.

Cycles are the cycle model's of the schedule that `hwflow lower` would make. A schedule's cycles do not depend on where
tensors lie, nor on how large their memories are, so they are kept for designs that differ in nothing else. In front of
SDRAM they depend on the clock, too, and are an estimate, as those of `hwflow cycles --sdram`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Any, cast

from hwflow.ace import AceReport
from hwflow.compiler import image, spill, stream
from hwflow.compiler.geometry import geometry_of
from hwflow.compiler.heads import place_heads
from hwflow.compiler.order import order
from hwflow.compiler.plan import LayerPlan
from hwflow.config import AcceleratorConfig
from hwflow.cycle_model.compiled import frame_cycles, prepare
from hwflow.energy.accesses import bank_bytes
from hwflow.energy.characterisation import Characterisation
from hwflow.energy.memory_constants import MemoryConstants
from hwflow.energy.network import network_energy
from hwflow.energy.work import LayerWork, Macs, Work, modelled_work
from hwflow.errors import FlowError, UnsuitableError
from hwflow.explore.fitting import Fitting
from hwflow.explore.memories import image_blocks
from hwflow.explore.reasons import Reason, refused, short
from hwflow.explore.resources import Resources, coefficients, estimate
from hwflow.explore.space import CLOCK, RESOURCES, Part, Point, design
from hwflow.sdram import SdramTiming
from models.integer.params import IntegerNetwork

Result = dict[str, Any]
"""A point's evaluation, of JSON types; fields in docs/explore.md."""

TIMED = (
    "rows", "cols", "popcount_width", "popcount_stages", "pixel_lanes", "mac_depth", "memory_bytes", "weight_words",
    "mac_words", "constant_words", "residual_bits", "channel_limit", "long_words", "store_words",
    "head_rows",
)  # fmt: skip
"""Parameters that a schedule, its cycles or what its units do depend on, for a given plan of the tensors."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What all points have in common.

    networks: one network quantised at one or more widths of stored elements -> in bits. accuracy: content hash of such a
    network -> top-1. ace: of the network, for energies. latency: of block RAM as memory, cycles; that of SDRAM, where
    block_ram is False, follows from the clock.
    """

    networks: Mapping[int, IntegerNetwork]
    part: Part
    block_ram: bool
    latency: int
    accuracy: Mapping[str, float]
    ace: AceReport | None
    characterisation: Characterisation | None
    memories: MemoryConstants | None

    @property
    def network(self) -> IntegerNetwork:
        """The network at its greatest width."""
        return self.networks[max(self.networks)]

    def top1(self, bits: int) -> float | None:
        """Of the network at that width, where it was measured."""
        return self.accuracy.get(self.networks[bits].content_hash())


@dataclass(frozen=True)
class _Timing:
    """Of the external memory; steady: as for `frame_cycles`."""

    latency: int
    bandwidth: Fraction
    steady: bool


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
    """Evaluates points for one setup; keeps schedules of designs that differ in the sizes of memories only.

    Raises:
        FlowError: the cycle model cannot be compiled, or the resource model not be read. Whatever else but a design that
            cannot be ends an evaluation in the same way: no result tells of it.
    """

    def __init__(self, setup: Setup, *, keep: bool = True) -> None:
        prepare()
        coefficients()
        self._setup = setup
        self._top1 = {bits: setup.top1(bits) for bits in setup.networks}
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
            return result | _impossible(refused("network", str(error)))
        return result | self.config(config, clock)

    def config(self, config: AcceleratorConfig, clock_mhz: float) -> Result:
        """Evaluates a design at a clock."""
        setup = self._setup
        try:
            taken = estimate(config)
        except UnsuitableError as error:
            return {"config": _config(config)} | _impossible(refused("resources", str(error)))
        try:
            timing = self._timing(config, clock_mhz)
        except UnsuitableError as error:
            return {"config": _config(config)} | _impossible(refused("memory", str(error)))
        frame = self._frame(config, timing)
        if isinstance(frame, str):
            return {"config": _config(config)} | _impossible(refused("network", frame))
        if setup.block_ram:
            held = image_blocks(config, frame.beats)
            taken = replace(taken, block_rams=taken.block_rams + held)
        reasons = _shortages(setup.part, taken)
        joules: float | None = None
        if frame.joules is not None and setup.memories is not None:
            try:
                sizes = bank_bytes(config)
                joules = frame.joules + sum(
                    bits * setup.memories.sram_bit(sizes[name])
                    for name, bits in frame.accesses.items()
                )
            except UnsuitableError as error:
                reasons.append(refused("energy", str(error)))
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
            "top1": self._top1[config.residual_bits],
        }

    def _timing(self, config: AcceleratorConfig, clock_mhz: float) -> _Timing:
        """Of the memory behind a design."""
        if self._setup.block_ram:
            return _Timing(self._setup.latency, Fraction(1), steady=False)
        try:
            sdram = SdramTiming(clock_hz=round(clock_mhz * 1e6), memory_bytes=config.memory_bytes)
        except FlowError as error:
            raise UnsuitableError(str(error)) from error
        return _Timing(sdram.open_latency, sdram.stream_bandwidth, steady=True)

    def _frame(self, config: AcceleratorConfig, timing: _Timing) -> _Frame | str:
        """The schedule, or why there is none."""
        if config.residual_bits not in self._setup.networks:
            had = ", ".join(map(str, sorted(self._setup.networks)))
            return (
                f"the network stores elements of {had} bits, the design of {config.residual_bits}"
            )
        try:
            layers = place_heads(spill.plan(self._shapes, config), config)
        except UnsuitableError as error:
            return str(error)
        key = (*(getattr(config, name) for name in TIMED), timing, _homes(layers))
        if not self._keep or key not in self._frames:
            try:
                self._frames[key] = self._compiled(config, layers, timing)
            except UnsuitableError as error:
                self._frames[key] = str(error)
        return self._frames[key]

    def _compiled(
        self, config: AcceleratorConfig, layers: tuple[LayerPlan, ...], timing: _Timing
    ) -> _Frame:
        setup = self._setup
        network = setup.networks[config.residual_bits]
        ordered = order(stream.items(network, layers, config), config)
        instructions, areas = image.place(ordered, config)
        frame = frame_cycles(
            instructions,
            config,
            latency=timing.latency,
            bandwidth=timing.bandwidth,
            steady=timing.steady,
        )
        windows, total = frame.windows(), frame.total
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


def _impossible(reason: Reason) -> Result:
    return {"feasible": False, "reasons": [reason]}


def _shortages(part: Part, taken: Resources) -> list[Reason]:
    """What the part, or the share of it that may be taken, has too little of."""
    return [
        short(name, needed, part.limit(name), getattr(part, name))
        for name in RESOURCES
        if (needed := getattr(taken, name)) > part.limit(name)
    ]


def setup_hash(setup: Setup, model: str) -> str:
    """SHA-256 of all that a point's evaluation depends on beside the point; model: of the code."""
    found = hashlib.sha256(model.encode())
    for part in fields(setup):
        found.update(f"{part.name} {_told(getattr(setup, part.name))}\n".encode())
    return found.hexdigest()


def _told(value: object) -> str:
    """A field of a setup as text that is the same where the field is."""
    if isinstance(value, Mapping):
        items = cast(Mapping[Any, object], value).items()
        return str(sorted((key, _told(each)) for key, each in items))
    if isinstance(value, IntegerNetwork):
        return value.content_hash()
    return value.json() if isinstance(value, Characterisation) else repr(value)
