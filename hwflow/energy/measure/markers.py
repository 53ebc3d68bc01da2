"""Markers: when the accelerator worked, by the host's clock and by the accelerator's own count of cycles."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from hwflow.energy import frozen_json
from hwflow.errors import FlowError

FORMAT = "hwflow-energy-markers"
VERSION = 1
LARGEST = 2**63 - 1
"""No counter of the board's counts further."""
FIELDS_OF_A_RUN = (
    "network",
    "network_hash",
    "target",
    "target_hash",
    "gateware_hash",
    "clock_hz",
)
"""What files that are analysed together have in common; a program that repeats a layer is of the same network."""
SAME_CYCLES = 0.01
"""Largest relative difference of the cycles of a frame between files of one work: what memory's refresh may take."""


@dataclass(frozen=True, kw_only=True)
class Marker:
    """One stretch of work, frames without a pause.

    start_s: the host's clock when the start was asked for; late_s: how much later it may have begun, at most.
    cycles: counted by the accelerator from the first start to the last done: how long it was. runs: frames.
    layer, times: the layer that each frame computes `times` times, "" and 1 for the plain network.
    """

    start_s: float
    late_s: float
    cycles: int
    runs: int
    layer: str
    times: int

    @property
    def group(self) -> tuple[str, int]:
        """What markers of the same kind of work share."""
        return (self.layer if self.times > 1 else "", self.times)

    def name(self) -> str:
        """For people."""
        return "network" if self.times == 1 else f"{self.layer} x{self.times}"


@dataclass(frozen=True, kw_only=True)
class Markers:
    """What `hwflow run --repeat` writes. clock_hz: the accelerator's; images: distinct ones."""

    network: str
    target: str
    network_hash: str
    target_hash: str
    gateware_hash: str
    clock_hz: float
    images: int
    markers: tuple[Marker, ...]

    def save(self, path: Path) -> None:
        """Writes the file; FlowError where that is not possible."""
        frozen_json.save(path, FORMAT, VERSION, self)

    @staticmethod
    def load(path: Path) -> Markers:
        """Reads and checks a file; FlowError names the marker that cannot be used."""
        found = frozen_json.load(path, FORMAT, VERSION, Markers)
        check(found, str(path))
        return found

    def seconds(self, marker: Marker) -> float:
        """How long a marker was."""
        return marker.cycles / self.clock_hz


def check(markers: Markers, source: str) -> None:
    """Raises FlowError for no markers, impossible ones, or two that overlap."""
    if not markers.markers:
        raise FlowError(f"{source}: no markers; run with --repeat and --markers")
    if markers.clock_hz <= 0:
        raise FlowError(
            f"{source}: clock_hz is {markers.clock_hz}; give the accelerator's clock in Hz"
        )
    for number, marker in enumerate(markers.markers):
        for field in ("cycles", "runs", "times"):
            value = getattr(marker, field)
            if not 1 <= value <= LARGEST:
                shown = value if value < 1 else f"beyond {LARGEST}"
                raise FlowError(f"{source}: marker {number} has {field} {shown}; run it again")
        if marker.times > 1 and not marker.layer:
            raise FlowError(f"{source}: marker {number} repeats a layer without a name; name it")
        if marker.late_s < 0:
            raise FlowError(f"{source}: marker {number} has late_s {marker.late_s}; run it again")
    ordered = sorted(markers.markers, key=lambda each: each.start_s)
    for before, after in pairwise(ordered):
        end = before.start_s + markers.seconds(before)
        if end > after.start_s + after.late_s:
            raise FlowError(
                f"{source}: markers overlap: the one at {before.start_s:.6f} s lasts until {end:.6f} s, the next begins "
                f"at {after.start_s:.6f} s; check clock_hz, or run them again one after the other"
            )


def _same_work(files: list[tuple[str, Markers]]) -> None:
    """Raises FlowError for files in which a frame of the same work takes other cycles: other programs or clocks."""
    known: dict[tuple[str, int], tuple[str, float]] = {}
    for source, each in files:
        for marker in each.markers:
            frame = marker.cycles / marker.runs
            first, usual = known.setdefault(marker.group, (source, frame))
            if source != first and abs(frame - usual) > SAME_CYCLES * usual:
                raise FlowError(
                    f"{source}: a frame of {marker.name()} takes {frame:.0f} cycles, in {first} {usual:.0f}; measure one "
                    "program at a time"
                )


def merge(files: list[tuple[str, Markers]]) -> Markers:
    """Markers of several files of one board as one.

    Raises:
        FlowError: they are of other networks, targets, gateware or clocks, take other cycles for the same work, or
            overlap.
    """
    (_, first), rest = files[0], files[1:]
    for source, other in rest:
        for field in FIELDS_OF_A_RUN:
            if getattr(other, field) != getattr(first, field):
                raise FlowError(
                    f"{source}: {field} is {getattr(other, field)}, of the first file {getattr(first, field)}; "
                    "measure one network on one board at a time"
                )
    _same_work(files)
    together = tuple(m for _, each in files for m in each.markers)
    merged = Markers(
        network=first.network,
        target=first.target,
        network_hash=first.network_hash,
        target_hash=first.target_hash,
        gateware_hash=first.gateware_hash,
        clock_hz=first.clock_hz,
        images=max(each.images for _, each in files),
        markers=tuple(sorted(together, key=lambda m: m.start_s)),
    )
    check(merged, ", ".join(source for source, _ in files))
    return merged
