"""ACE, the schedule's operations and the hardware's counters, reconciled to the last MAC.

Per operation: ACE MACs = useful + masked. Useful products and masked ones (padded taps that are
issued and add nothing: this architecture leaves no tap out) come from the schedule and must equal
the hardware's counters.
Per operation: slots * issue cycles = useful + masked + padding by kind. Per layer: cycles = issue
+ setup + stalls by cause + drain. Per frame: cycles = those of the layers, which run one after the
other, + those between them. What is left over is zero or a `problem`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from hwflow.ace import AceReport, Operation
from hwflow.compiler.counts import LayerCounts
from hwflow.elementwise import ElementwiseRow, elementwise
from hwflow.errors import FlowError
from hwflow.isa import CYCLE_COUNTERS, layer_cycles

UNITS = ("conv", "se-hidden", "se-scale", "dense")
"""Units of `LayerCounts` that multiply, in the order in which a layer uses them."""

CONV_COUNTERS = (
    "issue",
    "useful",
    "masked",
    "k_padding",
    "channel_padding",
    "pixel_padding",
)
"""Counters of a layer record that the schedule fixes."""

TRAFFIC = ("schedule", "weights", "macs", "constants", "image", "spill_read", "spill_written")
"""Kinds of memory traffic, in bytes."""


@dataclass(frozen=True, kw_only=True)
class FrameCounters:
    """What the hardware reported for one image.

    layers: layer number -> counters of isa.LAYER_COUNTERS. scalars: layer number -> one mapping of
    isa.SCALAR_COUNTERS for each matrix-vector product, in order. frame: isa.END_COUNTERS.
    """

    layers: Mapping[int, Mapping[str, int]]
    scalars: Mapping[int, Sequence[Mapping[str, int]]]
    frame: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class OperationRow:
    """One convolution or matrix-vector product. bits: of the model; executed_bits: of the schedule.

    unexplained: ACE MACs and slots without a cause.
    """

    layer: int
    operation: str
    bits: str
    executed_bits: str
    ace_macs: int
    useful: int
    masked: int
    unexplained_macs: int
    ace: int
    executed_ace: int
    issue: int
    slots: int
    k_padding: int
    channel_padding: int
    pixel_padding: int
    unexplained_slots: int


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """All operations whose weights have `bits` bits in the model.

    macs = useful + masked + elided + unexplained, in MACs; elided: taps that are left out, of which
    this architecture has none. ace: of the model; executed_ace: of what was executed.
    """

    bits: int
    macs: int
    useful: int
    masked: int
    elided: int
    unexplained: int
    ace: int
    executed_ace: int


@dataclass(frozen=True, kw_only=True)
class BytesRow:
    """Memory traffic of one kind in an image; measured: of the first image, None without one."""

    kind: str
    scheduled: int
    measured: int | None


@dataclass(frozen=True, kw_only=True)
class CycleRow:
    """Cycles of one layer of one image; before: cycles since the previous layer ended."""

    layer: int
    name: str
    before: int
    cycles: int
    counters: Mapping[str, int]
    unexplained: int


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """cycles: of the first image measured; after: cycles from the last layer's end to the frame's.

    images: how many images' counters were compared. problems: one line each; none when all agrees.
    """

    network: str
    operations: tuple[OperationRow, ...]
    classes: tuple[ClassRow, ...]
    elementwise: tuple[ElementwiseRow, ...]
    traffic: tuple[BytesRow, ...]
    cycles: tuple[CycleRow, ...] = ()
    after: int = 0
    images: int = 0
    problems: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether every operation, slot, cycle and byte is explained."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready dictionary."""
        return {
            "network": self.network,
            "ok": self.ok,
            "evidence": ["float", "cycle-model"] + ["rtl-sim"] * bool(self.images),
            "images": self.images,
            "problems": list(self.problems),
            "ace": sum(row.ace for row in self.operations),
            "classes": [asdict(row) for row in self.classes],
            "operations": [asdict(row) for row in self.operations],
            "elementwise": [row.to_dict() for row in self.elementwise],
            "bytes": [asdict(row) for row in self.traffic],
            "cycles": [asdict(row) for row in self.cycles],
            "cycles_after_last_layer": self.after,
        }


def reconcile(
    report: AceReport, counts: Sequence[LayerCounts], frames: Sequence[FrameCounters] = ()
) -> Reconciliation:
    """Compares a model's ACE, a schedule's counts and, when there are any, measured counters.

    Raises:
        FlowError: the schedule is not of this network: other layers or other operations.
    """
    problems: list[str] = []
    pairs = _pairs(report, counts)
    rows = tuple(_operation(operation, entry, problems) for operation, entry in pairs)
    beside, unknown = elementwise(report, counts)
    problems += unknown
    cycles: tuple[CycleRow, ...] = ()
    after = 0
    for index, frame in enumerate(frames):
        found: list[str] = []
        _compare(frame, [entry for _, entry in pairs], found)
        _compare_traffic(frame, counts, found)
        shares, tail = _cycles(frame, {e.layer: e.name for e in counts}, found)
        if index == 0:
            cycles, after = shares, tail
        problems += [f"image {index}: {problem}" for problem in found]
    return Reconciliation(
        network=report.network,
        operations=rows,
        classes=_classes(rows),
        elementwise=beside,
        traffic=tuple(
            BytesRow(
                kind=kind,
                scheduled=_scheduled(kind, counts),
                measured=frames[0].frame[f"bytes_{kind}"] if frames else None,
            )
            for kind in TRAFFIC
        ),
        cycles=cycles,
        after=after,
        images=len(frames),
        problems=tuple(problems),
    )


def _classes(rows: Sequence[OperationRow]) -> tuple[ClassRow, ...]:
    """The operations' sums by the width of the model's weights."""
    classes: list[ClassRow] = []
    for bits in sorted({_weight_bits(row) for row in rows}):
        those = [row for row in rows if _weight_bits(row) == bits]
        classes.append(
            ClassRow(
                bits=bits,
                macs=sum(row.ace_macs for row in those),
                useful=sum(row.useful for row in those),
                masked=sum(row.masked for row in those),
                elided=0,
                unexplained=sum(row.unexplained_macs for row in those),
                ace=sum(row.ace for row in those),
                executed_ace=sum(row.executed_ace for row in those),
            )
        )
    return tuple(classes)


def _weight_bits(row: OperationRow) -> int:
    return int(row.bits.split("x")[0])


def _scheduled(kind: str, counts: Sequence[LayerCounts]) -> int:
    return sum(entry.bytes.get(kind, 0) for entry in counts if entry.unit == "load")


def _pairs(report: AceReport, counts: Sequence[LayerCounts]) -> list[tuple[Operation, LayerCounts]]:
    executed = [entry for entry in counts if entry.unit in UNITS]
    executed.sort(key=lambda entry: (entry.layer, UNITS.index(entry.unit)))
    numbers = {name: number for number, name in enumerate(report.layers)}
    wanted = [(numbers[o.layer], o) for o in report.operations]
    found = [(entry.layer, entry.name) for entry in executed]
    if found != [(number, operation.layer) for number, operation in wanted]:
        raise FlowError(
            f"the schedule is not of network {report.network!r}: it has {len(found)} operations, "
            f"the network {len(wanted)}, or their layers differ; lower that network's checkpoint"
        )
    return [(operation, entry) for (_, operation), entry in zip(wanted, executed, strict=True)]


def _operation(operation: Operation, entry: LayerCounts, problems: list[str]) -> OperationRow:
    weight_bits, activation_bits = (int(bits) for bits in entry.macs_class.split("x"))
    executed = entry.useful + entry.masked
    shared = (
        entry.useful + entry.masked + entry.k_padding + entry.channel_padding + entry.pixel_padding
    )
    row = OperationRow(
        layer=entry.layer,
        operation=operation.name,
        bits=f"{operation.weight_bits}x{operation.activation_bits}",
        executed_bits=entry.macs_class,
        ace_macs=operation.macs,
        useful=entry.useful,
        masked=entry.masked,
        unexplained_macs=operation.macs - executed,
        ace=operation.ace,
        executed_ace=executed * weight_bits * activation_bits,
        issue=entry.issue,
        slots=entry.slots * entry.issue,
        k_padding=entry.k_padding,
        channel_padding=entry.channel_padding,
        pixel_padding=entry.pixel_padding,
        unexplained_slots=entry.slots * entry.issue - shared,
    )
    name = f"layer {row.layer} {row.operation}"
    if row.unexplained_macs:
        problems.append(f"{name}: {row.unexplained_macs} of {row.ace_macs} ACE MACs unexplained")
    if row.unexplained_slots:
        problems.append(f"{name}: {row.unexplained_slots} of {row.slots} MAC slots unexplained")
    return row


def _compare(frame: FrameCounters, entries: Sequence[LayerCounts], problems: list[str]) -> None:
    """The schedule's operations against the hardware's counters."""
    unread = {layer: list(records) for layer, records in frame.scalars.items()}
    for entry in entries:
        where = f"layer {entry.layer} {entry.name} {entry.unit}"
        if entry.unit == "conv":
            measured = frame.layers.get(entry.layer)
            expected = {name: getattr(entry, name) for name in CONV_COUNTERS}
        else:
            records = unread.get(entry.layer)
            measured = records.pop(0) if records else None
            expected = {
                "steps": entry.issue,
                "useful": entry.useful,
                "padding": entry.k_padding + entry.channel_padding,
            }
        if measured is None:
            problems.append(f"{where}: the hardware reported nothing")
            continue
        problems += [
            f"{where}: {name} is {measured[name]} in hardware, {value} in the schedule"
            for name, value in expected.items()
            if measured[name] != value
        ]
    layers = {entry.layer for entry in entries if entry.unit == "conv"}
    extra = [f"layer {layer}" for layer in frame.layers if layer not in layers]
    extra += [f"a matrix-vector product of layer {n}" for n, left in unread.items() if left]
    problems += [
        f"the hardware reported {what}, which the schedule does not have" for what in extra
    ]


def _compare_traffic(
    frame: FrameCounters, counts: Sequence[LayerCounts], problems: list[str]
) -> None:
    for kind in TRAFFIC:
        expected = _scheduled(kind, counts)
        measured = frame.frame[f"bytes_{kind}"]
        if measured != expected:
            problems.append(
                f"memory traffic, {kind}: {measured} bytes in hardware, {expected} in the schedule"
            )


def _cycles(
    frame: FrameCounters, names: Mapping[int, str], problems: list[str]
) -> tuple[tuple[CycleRow, ...], int]:
    rows: list[CycleRow] = []
    ended = -1
    for layer, counters in sorted(frame.layers.items(), key=lambda item: item[1]["start"]):
        cycles = layer_cycles(counters)
        share = {name: counters[name] for name in CYCLE_COUNTERS}
        row = CycleRow(
            layer=layer,
            name=names.get(layer, f"layer {layer}"),
            before=counters["start"] - ended - 1,
            cycles=cycles,
            counters=share,
            unexplained=cycles - sum(share.values()),
        )
        rows.append(row)
        ended = counters["end"]
        if row.unexplained:
            problems.append(
                f"layer {layer} {row.name}: {row.unexplained} of {cycles} cycles unexplained"
            )
        if row.before < 0:
            problems.append(f"layer {layer} {row.name}: began before the layer before it ended")
    after = frame.frame["cycles"] - ended - 1
    if after < 0:
        problems.append("the frame ended before its last layer")
    return tuple(rows), after
