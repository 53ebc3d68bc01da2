"""The record of a measurement: what is written is read back, and what is altered is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hwflow.energy.measurement import (
    CONFIGURED,
    EVIDENCE,
    NETWORK,
    Alignment,
    Estimate,
    MarkedRun,
    MeasuredEnergy,
    Measurement,
    Meter,
    Phase,
)
from hwflow.errors import FlowError

ESTIMATE = Estimate(mean=1.0, low=0.5, high=1.5, standard_error=0.25)
RECORD = Measurement(
    evidence=EVIDENCE,
    network="tiny",
    target="t",
    network_hash="",
    target_hash="",
    gateware_hash="",
    log_hash="",
    clock_hz=4e7,
    images=1,
    sample_rate_hz=100.0,
    samples=1000,
    missing=0,
    meter=Meter(
        source="csv", name="m", channel="p", gain_limit=0.01, offset_limit_w=0.0, clock_limit=0.0
    ),
    alignment=Alignment(method="clock", shift_s=0.0, standard_error_s=0.001),
    markers=(MarkedRun(start_s=1.0, stop_s=2.0, runs=10, layer="", times=1, cycles=40_000_000),),
    phases=(
        Phase(
            kind=CONFIGURED,
            name="",
            samples=10,
            seconds=0.1,
            mean_w=1.0,
            std_w=0.1,
            min_w=0.9,
            max_w=1.1,
            correlation=1.0,
            effective=10.0,
        ),
    ),
    drift_w_per_s=ESTIMATE,
    energies=(
        MeasuredEnergy(
            scope=NETWORK,
            layer="",
            runs=10,
            cycles=4e6,
            seconds=0.1,
            active=ESTIMATE,
            configured=None,
            total=ESTIMATE,
            budget={"noise": 1.0},
        ),
    ),
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    RECORD.save(path)
    first = path.read_bytes()
    assert Measurement.load(path) == RECORD
    RECORD.save(path)
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(format="x"), "not of format"),
        (lambda d: d.update(version=0), "version 0"),
        (lambda d: d["record"].pop("markers"), "'markers' is missing"),
        (lambda d: d["record"].update(more=1), "unknown field 'more'"),
        (lambda d: d["record"].update(samples=1.5), "samples: 1.5 is no int"),
        (lambda d: d["record"]["meter"].update(gain_limit="1%"), "meter: gain_limit"),
        (lambda d: d["record"]["energies"][0]["active"].update(mean=None), "energies[0]: active"),
        (lambda d: d["record"].update(evidence="gate-level"), "evidence is 'gate-level'"),
    ],
)
def test_altered_records_are_refused(
    tmp_path: Path, change: Callable[[Any], Any], said: str
) -> None:
    path = tmp_path / "m.json"
    RECORD.save(path)
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(FlowError) as error:
        Measurement.load(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)
