"""What comes from boards on the page: a real bitstream's report, measurements, an SDRAM as the memory."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hwflow.cli.main import app
from hwflow.cli.memory import sdram_timing
from hwflow.compiler.lower import lower
from hwflow.compiler.program import Program
from hwflow.config import load_target
from hwflow.energy.measurement import (
    Alignment,
    Estimate,
    MarkedRun,
    MeasuredEnergy,
    Measurement,
    Meter,
    Phase,
)
from hwflow.errors import FlowError
from hwflow.report import inputs
from hwflow.report.compare import compare
from hwflow.report.gather import Sources, gather
from hwflow.report.headline import headlines
from hwflow.report.sections import measurement as measured_section
from hwflow.report.sections.order import sections
from models.integer.random import random_network, small_config

RECORD = Path(__file__).parents[3] / "bench" / "boards" / "ulx3s-85f.json"


@pytest.fixture(scope="module")
def on_board(tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, Path]:
    """A program for the recorded board's target, and the record, with fields that targets have got since."""
    program = lower(random_network(3, small_config()), load_target("ecp5-4k"))
    record = json.loads(RECORD.read_text())
    path = tmp_path_factory.mktemp("board") / "report.json"
    path.write_text(json.dumps(record | {"target": program.config.to_dict() | record["target"]}))
    return program, path


def test_a_real_bitstream_is_shown(on_board: tuple[Program, Path]) -> None:
    program, path = on_board
    record = json.loads(RECORD.read_text())
    found = gather(Sources(program=program, board=inputs.board_report(path, program)))
    section = next(each for each in sections(found) if each.id == "board")
    assert "asked for 60 MHz, reached 62.96 MHz" in section.intro and "met" in section.intro
    assert "(evidence: post-route); seed 1" in section.intro
    tables = {table.id: table for table in section.tables}
    used = {row[0]: row[1:3] for row in tables["resources"].rows}
    assert used["LUT4"] == [53250, 83640]
    assert used == {
        name: [each["used"], each["available"]] for name, each in record["utilisation"].items()
    }
    assert [row[0] for row in tables["units"].rows] == list(record["units"])
    for name, counts in record["units"].items():
        row = next(row for row in tables["units"].rows if row[0] == name)
        assert row[1:3] == [counts["luts"], counts["lut4"]]
    path_ns = sum(float(str(value)) for row in tables["path"].rows for value in row[2:4])
    assert path_ns == pytest.approx(1000 / record["fmax_mhz"], rel=0.02)
    figures = {each.key: each for each in headlines(found)}
    assert (figures["fmax"].value, figures["fmax"].evidence) == (62.96, "post-route")
    cycles = found["parts"]["cycles"]["total"]
    assert figures["fps"].value == pytest.approx(60e6 / (cycles + 1))
    hashes = next(each for each in sections(found) if each.id == "build").tables[0].rows
    assert ["board: bitstream", record["sha256"]["bitstream"]] in hashes


def test_a_real_bitstream_of_another_target_is_refused(program: Program) -> None:
    with pytest.raises(FlowError, match="is of another target"):
        inputs.board_report(RECORD, program)


def record(program: Program, **changes: Any) -> Measurement:
    """A measurement, figures invented."""

    def about(value: float) -> Estimate:
        return Estimate(mean=value, low=0.9 * value, high=1.1 * value, standard_error=0.05 * value)

    manifest = program.manifest
    phase = Phase(kind="running", name="all", samples=900, seconds=9.0, mean_w=0.51234, std_w=0.01,
                  min_w=0.5, max_w=0.53, correlation=1.5, effective=600.0)  # fmt: skip
    run = MarkedRun(start_s=1.0, stop_s=10.0, runs=20, layer="", times=1, cycles=350_000)
    whole = MeasuredEnergy(
        scope="network", layer="", runs=20, cycles=17435.0, seconds=4.4e-4, active=about(25e-6),
        configured=None, total=about(225e-6), budget={"noise": 1.0},
    )  # fmt: skip
    one = replace(whole, scope="layer", layer="resblock1-2", active=about(2e-6))
    found = Measurement(
        evidence="board", network=manifest.network, target=program.config.name,
        network_hash=manifest.network_hash, target_hash=manifest.config_hash, gateware_hash="",
        log_hash="ab" * 32, clock_hz=40e6, images=8, sample_rate_hz=100.0, samples=2000, missing=3,
        meter=Meter(source="csv", name="run.csv", channel="3V3", gain_limit=0.01, offset_limit_w=0.0005, clock_limit=1e-4),
        alignment=Alignment(method="edges", shift_s=0.1, standard_error_s=0.002),
        markers=(run,), phases=(phase,), drift_w_per_s=about(1e-6), energies=(one, whole),
    )  # fmt: skip
    return replace(found, **changes)


def test_measurements_are_shown(program: Program, tmp_path: Path) -> None:
    record(program).save(tmp_path / "board.json")
    measured = inputs.measurements([tmp_path / "board.json"], program)
    found = gather(Sources(program=program, measurements=measured))
    section = next(each for each in sections(found) if each.id == "measurement")
    energies, phases = section.tables
    assert energies.evidence == ["board"]
    assert energies.rows[0][1:] == [
        "resblock1-2", 20, "17,435.0", "2.0000 ± 0.2000", "not measured", "225.0000 ± 22.5000",
    ]  # fmt: skip
    assert phases.rows == [[1, "running", "all", 900, "0.5123", "0.0100", "0.5000", "0.5300"]]
    assert "run.csv 3V3" in section.notes[0] and "3 missing" in section.notes[0]
    figure = next(each for each in headlines(found) if each.key == "measured-energy")
    assert (figure.text, figure.unit, figure.evidence) == ("25.00", "µJ", "board")
    assert json.loads(json.dumps(found)) == json.loads(json.dumps(found, allow_nan=False))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"network": "other"}, "of another network"),
        ({"target": "zu7ev"}, "of another target"),
        ({"network_hash": "0" * 64}, "of another network"),
        ({"target_hash": "0" * 64}, "of another target"),
    ],
)
def test_a_measurement_of_something_else_is_refused(
    changes: dict[str, str], named: str, program: Program, tmp_path: Path
) -> None:
    record(program, **changes).save(tmp_path / "board.json")
    with pytest.raises(FlowError, match=named):
        inputs.measurements([tmp_path / "board.json"], program)


def test_a_document_from_before_measurements_is_compared(bare: dict[str, Any]) -> None:
    old = json.loads(json.dumps(bare))
    del old["parts"]["measurement"]
    figures = {each["key"]: each for each in compare(old, bare)["figures"]}
    assert figures["measured-energy"]["verdict"] == "missing"
    assert measured_section.section(old).missing


def test_an_sdram_is_the_memory(program: Program, bare: dict[str, Any], tmp_path: Path) -> None:
    program.save(tmp_path / "build")
    command = ["report", "--program", str(tmp_path / "build"), "--sdram", "80", "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    direct = gather(Sources(program=program, sdram=sdram_timing(80, program.config.memory_bytes)))
    assert found == json.loads(json.dumps(direct))
    for name in ("cycles", "timeline", "operations", "memory"):
        assert found["parts"][name]["evidence"] == ["estimate"]
        assert bare["parts"][name]["evidence"] == ["cycle-model"]
    assert found["parts"]["cycles"]["command"].endswith("--sdram 80")
    assert found["parts"]["cycles"]["total"] > bare["parts"]["cycles"]["total"]
    figure = next(each for each in headlines(found) if each.key == "cycles")
    assert figure.evidence == "estimate"
    assert compare(bare, found)["layers_evidence"] == ["cycle-model", "estimate"]


def test_an_sdram_is_not_that_of_a_simulation(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", "--sim", str(tmp_path), "--sdram", "80"])
    assert "--sdram and --sim exclude each other" in str(done.exception)
