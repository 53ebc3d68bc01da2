"""What the units of the accelerator do for one image, layer by layer: operations, busy cycles, cycles.

Counts are the schedule's, which `hwflow.reconcile` holds against ACE and, where there are any, the hardware's counters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hwflow.ace import AceReport
from hwflow.compiler.counts import LayerCounts, count, out_channels
from hwflow.compiler.program import Program
from hwflow.config import AcceleratorConfig
from hwflow.cycle_model.shares import FrameShares
from hwflow.energy import frozen_json
from hwflow.energy.accesses import MemoryUse, memory_uses
from hwflow.errors import FlowError
from hwflow.isa import Op
from hwflow.reconcile import FrameCounters, Reconciliation, reconcile

FORMAT = "hwflow-energy-work"
VERSION = 1

RTL, MODEL = "rtl-sim", "cycle-model"
"""Evidence of the counts: the RTL's counters, or the cycle model's."""

LANE = (
    "multiply by alpha (weight scale, batch norm)",
    "add beta (batch norm)",
    "subtract bias_x (DPReLU)",
    "multiply by slope (DPReLU, SE scale, second batch norm)",
    "add q (DPReLU bias_y, SE scale, second batch norm)",
    "add local shortcut",
    "add long shortcut",
    "binarise",
)
"""Elementwise operations that an element's way through a vector lane contains; binarise takes its sign bit."""


@dataclass(frozen=True, kw_only=True)
class Macs:
    """Multiply-accumulate slots of one layer and one width; macs = useful + masked, padding belongs to no MAC.

    unit: the one that executes them.
    """

    bits: int
    unit: str
    macs: int
    padding: int
    ace: int


@dataclass(frozen=True, kw_only=True)
class LayerWork:
    """One layer's work for one image.

    cycles: from the end of the layer before to its own. elements: stored ones; lane_slots: of the lanes, padding too.
    idle: unit -> cycles, over its instances, in which it has nothing to do. periphery: reads of a tap.
    other: elementwise operations that no lane does, by name. external: bytes over the memory port by kind.
    """

    layer: int
    name: str
    cycles: int
    macs: tuple[Macs, ...]
    elements: int
    lane_slots: int
    periphery: int
    idle: dict[str, float]
    other: dict[str, int]
    memories: tuple[MemoryUse, ...]
    external: dict[str, int]

    def ace(self) -> dict[int, int]:
        """Width of the weights -> ACE."""
        found: Counter[int] = Counter()
        for each in self.macs:
            found[each.bits] += each.ace
        return dict(found)


@dataclass(frozen=True, kw_only=True)
class Work:
    """A network's work for one image on a target.

    evidence: of counts and cycles. cycles: start to last logit. instances, per_cycle: unit -> how many there are, and how
    many operations each does in a busy cycle. schedule: SHA-256 of the schedule.
    """

    network: str
    target: str
    evidence: str
    cycles: int
    layers: tuple[LayerWork, ...]
    instances: dict[str, int]
    per_cycle: dict[str, int]
    schedule: str

    def save(self, path: Path) -> None:
        """Writes the record; raises FlowError where that is not possible."""
        frozen_json.save(path, FORMAT, VERSION, self)

    @staticmethod
    def load(path: Path) -> Work:
        """Reads a record; FlowError names the file and the field that cannot be used."""
        found = frozen_json.load(path, FORMAT, VERSION, Work)
        for layer in found.layers:
            _check_idle(str(path), layer.name, layer.idle)
        return found


def work(
    program: Program,
    report: AceReport,
    frames: Sequence[FrameCounters] = (),
    shares: FrameShares | None = None,
) -> Work:
    """The work of one image; frames: of a simulation in RTL, or else shares of the cycle model.

    Raises:
        FlowError: counts, counters and ACE are not of one network, do not reconcile, or occupy a unit for more cycles
            than there are.
    """
    counts = program.counts()
    checked = _reconciled(report, counts, frames)
    cycles = _measured_cycles(checked) if frames else _modelled_cycles(shares)
    return _work(
        program.config,
        program.instructions,
        counts,
        checked,
        cycles,
        report=report,
        evidence=RTL if frames else MODEL,
        schedule=program.manifest.schedule_hash,
    )


def modelled_work(
    config: AcceleratorConfig,
    instructions: Sequence[Mapping[str, int]],
    report: AceReport,
    windows: Mapping[int, int],
) -> Work:
    """As `work` by the cycle model, of a decoded schedule that is no program yet; windows: layer number -> cycles.

    Raises:
        FlowError: as `work`.
    """
    counts = count(instructions, config, dict(enumerate(report.layers)))
    checked = _reconciled(report, counts, ())
    return _work(
        config,
        instructions,
        counts,
        checked,
        Counter(windows),
        report=report,
        evidence=MODEL,
        schedule="",
    )


def _reconciled(
    report: AceReport, counts: Sequence[LayerCounts], frames: Sequence[FrameCounters]
) -> Reconciliation:
    checked = reconcile(report, counts, frames)
    if not checked.ok:
        raise FlowError(
            f"{report.network} does not reconcile with its schedule: {checked.problems[0]}; "
            "see `hwflow reconcile`"
        )
    return checked


def _work(
    config: AcceleratorConfig,
    instructions: Sequence[Mapping[str, int]],
    counts: Sequence[LayerCounts],
    checked: Reconciliation,
    cycles: Counter[int],
    *,
    report: AceReport,
    evidence: str,
    schedule: str,
) -> Work:
    lanes, elements, taps, busy = _vector_work(instructions, config)
    arrays = config.rows * config.cols
    feature_memories = 1 if config.shared_features else 2
    instances: dict[str, int] = {
        "binary_pe": arrays,
        "mac8_pe": arrays,
        "vector_lane": config.vector_lanes,
        "feature_periphery": feature_memories,
    }
    per_cycle: dict[str, int] = {
        "binary_pe": config.popcount_width,
        "mac8_pe": config.mac_depth,
        "vector_lane": 1,
        "feature_periphery": 1,
    }
    macs = _macs(checked)
    vectors = _vector_steps(counts, cycles, busy["mac8_pe"])
    uses = memory_uses(instructions, config)
    layers: list[LayerWork] = []
    for number, name in enumerate(report.layers):
        window = cycles[number]
        active = {
            "binary_pe": busy["binary_pe"][number] * arrays,
            "mac8_pe": (busy["mac8_pe"][number] + vectors[number]) * arrays,
            "vector_lane": lanes[number],
            "feature_periphery": taps[number],
        }
        idle = {unit: window * n - active[unit] for unit, n in instances.items()}
        _check_idle(report.network, name, idle)
        layers.append(
            LayerWork(
                layer=number,
                name=name,
                cycles=window,
                macs=macs[number],
                elements=elements[number],
                lane_slots=lanes[number],
                periphery=taps[number],
                idle=idle,
                other=_other(counts, number),
                memories=uses.get(number, ()),
                external=_external(counts, number),
            )
        )
    return Work(
        network=report.network,
        target=config.name,
        evidence=evidence,
        cycles=sum(cycles.values()),
        layers=tuple(layers),
        instances=instances,
        per_cycle=per_cycle,
        schedule=schedule,
    )


def _measured_cycles(checked: Reconciliation) -> Counter[int]:
    """Cycles of every layer's window; what follows the last convolution is the dense layer's."""
    cycles: Counter[int] = Counter()
    for row in checked.cycles:
        cycles[row.layer] = row.before + row.cycles
    dense = checked.operations[-1].layer
    cycles[dense] += checked.after
    return cycles


def _modelled_cycles(shares: FrameShares | None) -> Counter[int]:
    if shares is None:
        raise FlowError("a network's energy needs counters of the RTL or of the cycle model")
    cycles: Counter[int] = Counter()
    for share in shares.layers:
        cycles[share.layer] += share.cycles
    return cycles


def _vector_work(
    instructions: Sequence[Mapping[str, int]], config: AcceleratorConfig
) -> tuple[Counter[int], Counter[int], Counter[int], dict[str, Counter[int]]]:
    """Lane slots, elements, reads of taps, and steps of convolutions by array, each by layer."""
    lanes, elements, taps = Counter[int](), Counter[int](), Counter[int]()
    busy: dict[str, Counter[int]] = {"binary_pe": Counter(), "mac8_pe": Counter()}
    for each in instructions:
        if each["op"] != Op.CONV:
            continue
        layer = each["layer"]
        steps = each["groups"] * each["tiles"] * each["kernel"] ** 2 * each["words"]
        lanes[layer] += each["groups"] * each["tiles"] * config.rows * config.cols
        elements[layer] += each["out_h"] * each["out_w"] * out_channels(each, config)
        taps[layer] += steps
        busy["mac8_pe" if each["mac"] else "binary_pe"][layer] += steps
    return lanes, elements, taps, busy


def _macs(checked: Reconciliation) -> dict[int, tuple[Macs, ...]]:
    found: dict[int, list[Macs]] = {}
    for row in checked.operations:
        found.setdefault(row.layer, []).append(
            Macs(
                bits=int(row.bits.split("x")[0]),
                unit="binary_pe" if row.executed_bits == "1x1" else "mac8_pe",
                macs=row.useful + row.masked,
                padding=row.k_padding + row.channel_padding + row.pixel_padding,
                ace=row.ace,
            )
        )
    return {layer: tuple(rows) for layer, rows in found.items()}


def _vector_steps(
    counts: Sequence[LayerCounts], cycles: Mapping[int, int], convolutions: Mapping[int, int]
) -> dict[int, float]:
    """Steps of matrix-vector products by the layer in whose window they run.

    They run on the 8-bit array beside the convolutions of other layers: spread in proportion over the cycles in which no
    convolution steps on it. cycles: of every layer's window; convolutions: steps on the 8-bit array in it.
    """
    steps = sum(each.issue for each in counts if each.unit in ("se-hidden", "se-scale", "dense"))
    free = {layer: window - convolutions.get(layer, 0) for layer, window in cycles.items()}
    return {layer: steps * left / max(sum(free.values()), 1) for layer, left in free.items()}


def _check_idle(source: str, layer: str, idle: Mapping[str, float]) -> None:
    """FlowError where a unit is busy for longer than the layer's window."""
    for unit, cycles in idle.items():
        if cycles < 0:
            raise FlowError(
                f"{source}: {unit} is idle for {cycles:,.0f} cycles in {layer}: counts and cycles are not of one run; "
                "count them again with `hwflow energy network --save-work`"
            )


def _other(counts: Sequence[LayerCounts], layer: int) -> dict[str, int]:
    found: Counter[str] = Counter()
    for each in counts:
        if each.layer == layer:
            found.update({n: c for n, c in each.elementwise.items() if n not in LANE})
    return dict(found)


def _external(counts: Sequence[LayerCounts], layer: int) -> dict[str, int]:
    found: Counter[str] = Counter()
    for each in counts:
        if each.layer == layer:
            found.update(each.bytes)
    return {kind: number for kind, number in found.items() if number}
