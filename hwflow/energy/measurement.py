"""What was measured on a board: the record that `hwflow energy measure` writes and `compare` reads.

Evidence is always `board`. How each figure comes about: docs/measuring.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hwflow.energy import frozen_json
from hwflow.errors import FlowError

FORMAT = "hwflow-energy-measurement"
VERSION = 1
EVIDENCE = "board"

UNCONFIGURED, CONFIGURED, RUNNING = "unconfigured", "configured", "running"
"""Kinds of phases: the FPGA holds no design; it holds the accelerator, which waits; it computes."""

NETWORK, LAYER = "network", "layer"
"""Scopes of an energy: a whole frame, start to done; one more pass of one layer, its loads included."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value and its 95% interval, in the unit of the field that holds it.

    standard_error: combined standard uncertainty, same unit.
    """

    mean: float
    low: float
    high: float
    standard_error: float


@dataclass(frozen=True, kw_only=True)
class Meter:
    """Where the samples come from.

    source: hwmon or csv. channel: the rail's label or the column. gain_limit: largest relative error of the meter's
    gain; offset_limit_w: of its offset in watts; clock_limit: of its clock, relative. Errors within the limits are taken as
    uniformly distributed.
    """

    source: str
    name: str
    channel: str
    gain_limit: float
    offset_limit_w: float
    clock_limit: float


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Raw statistics of the samples of one kind and group of markers, before drift is taken out.

    kind: UNCONFIGURED, CONFIGURED or RUNNING; name: which markers; correlation: integrated autocorrelation time in
    samples (1: independent); effective: samples / correlation.
    """

    kind: str
    name: str
    samples: int
    seconds: float
    mean_w: float
    std_w: float
    min_w: float
    max_w: float
    correlation: float
    effective: float


@dataclass(frozen=True, kw_only=True)
class MarkedRun:
    """A marker as found in the log: seconds from the log's first sample, after alignment.

    runs: frames computed between its edges; layer and times: the layer that each frame computes `times` times
    ("" and 1: the plain network). cycles: counted by the accelerator, from the first start to the last done.
    """

    start_s: float
    stop_s: float
    runs: int
    layer: str
    times: int
    cycles: int


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """How the markers' clock was laid on the log's: log time = marker time + shift_s.

    method: clock (one clock for both), edges (steps of the power found in the log) or given.
    """

    method: str
    shift_s: float
    standard_error_s: float


@dataclass(frozen=True, kw_only=True)
class MeasuredEnergy:
    """Energy of one run of a network or one pass of a layer.

    active: above what the configured, waiting accelerator takes in the same time. configured: what that takes above
    an unconfigured FPGA in the same time, None where that was not measured. total: everything on the measured rail.
    All in joules. seconds, cycles: of one run or pass. runs: how many were measured.
    budget: share of the variance of `active` by cause.
    """

    scope: str
    layer: str
    runs: int
    cycles: float
    seconds: float
    active: Estimate
    configured: Estimate | None
    total: Estimate
    budget: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One log, analysed. Hashes are SHA-256 in hexadecimal, "" where unknown; images: distinct ones in all.

    drift_w_per_s: of everything on the rail. missing: samples that the log should have and has not.
    """

    evidence: str
    network: str
    target: str
    network_hash: str
    target_hash: str
    gateware_hash: str
    log_hash: str
    clock_hz: float
    images: int
    sample_rate_hz: float
    samples: int
    missing: int
    meter: Meter
    alignment: Alignment
    markers: tuple[MarkedRun, ...]
    phases: tuple[Phase, ...]
    drift_w_per_s: Estimate
    energies: tuple[MeasuredEnergy, ...]

    def save(self, path: Path) -> None:
        """Writes the record; raises FlowError where that is not possible."""
        frozen_json.save(path, FORMAT, VERSION, self)

    @staticmethod
    def load(path: Path) -> Measurement:
        """Reads a record; FlowError names the file and the field that cannot be used."""
        found = frozen_json.load(path, FORMAT, VERSION, Measurement)
        if found.evidence != EVIDENCE:
            raise FlowError(
                f"{path}: evidence is {found.evidence!r}, a measurement's is {EVIDENCE!r}; "
                "give estimates as characterisations"
            )
        return found
