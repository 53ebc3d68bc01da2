"""ACE against energies that follow it exactly, and against ones that do not."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hwflow.cli.energy.app import app
from hwflow.energy.comparison import COUNTED, compare
from hwflow.energy.layers import ALL_LOGIC, DATAPATH, MACS, WHOLE
from hwflow.energy.measurement import (
    Alignment,
    Estimate,
    MeasuredEnergy,
    Measurement,
    Meter,
)
from hwflow.energy.memory_constants import memory_constants
from hwflow.energy.network import NetworkEnergy, network_energy
from hwflow.energy.work import Work
from hwflow.errors import FlowError
from tests.hwflow.energy.synthetic import characterisation, unit

OSU = characterisation()
SKY = characterisation(library="sky130 synthetic")


@pytest.fixture(scope="module")
def networks(counted: Work) -> list[NetworkEnergy]:
    return [
        network_energy(counted, each, memory_constants(each.library.name[:6]), four_bit="dedicated")
        for each in (OSU, SKY)
    ]


def measurement(network: str, layers: dict[str, float]) -> Measurement:
    def exactly(value: float) -> Estimate:
        return Estimate(mean=value, low=0.9 * value, high=1.1 * value, standard_error=0.05 * value)

    def energy(scope: str, layer: str, joules: float) -> MeasuredEnergy:
        return MeasuredEnergy(
            scope=scope, layer=layer, runs=10, cycles=1e4, seconds=1e-3, active=exactly(joules),
            configured=None, total=exactly(2 * joules), budget={},
        )  # fmt: skip

    return Measurement(
        evidence="board", network=network, target="sim-small", network_hash="", target_hash="",
        gateware_hash="", log_hash="", clock_hz=1e8, images=1, sample_rate_hz=10.0, samples=100,
        missing=0, alignment=Alignment(method="clock", shift_s=0.0, standard_error_s=0.0),
        meter=Meter(
            source="csv", name="meter", channel="W", gain_limit=0.0, offset_limit_w=0.0, clock_limit=0.0
        ),
        markers=(), phases=(), drift_w_per_s=exactly(1e-6),
        energies=(
            energy("network", "", sum(layers.values())),
            *(energy("layer", name, joules) for name, joules in layers.items()),
        ),
    )  # fmt: skip


def test_energies_that_follow_ace_have_its_ratios(networks: list[NetworkEnergy]) -> None:
    found = compare([OSU, SKY], networks)
    rows = [row for row in found.precisions if row.accounting == "datapath"]
    assert [row.precision for row in rows[:4]] == ["1x1", "4x4", "8x8", "bf16"]
    for row in rows:
        assert math.isclose(row.ratio.value, row.ace) and math.isclose(row.relative_to_ace, 1)
        assert math.isclose(row.per_ace, 1e-15)
        low, high = row.ratio.low, row.ratio.high
        assert low is not None and high is not None and low <= row.ratio.value <= high
    for row in found.exponents:
        assert math.isclose(row.exponent.value, 1) == (row.accounting == "datapath")


def test_the_fit_finds_the_planted_energy_an_ace(networks: list[NetworkEnergy]) -> None:
    found = compare([OSU, SKY], networks)
    for row in (row for row in found.fits if row.scope == DATAPATH):
        assert math.isclose(row.per_ace.value, 1e-15, rel_tol=1e-9)
        for bounds in row.per_class.values():
            assert math.isclose(bounds.value, 1e-15, rel_tol=1e-6)
            assert bounds.high is not None  # the characterisation's 2%, as the fit has no error
            assert math.isclose(bounds.high, 1.02e-15, rel_tol=1e-3)
        assert row.ranks is not None and row.ranks.spearman.value == pytest.approx(1)
        assert row.worst == pytest.approx(1)


def test_a_dearer_class_shows_in_its_fit(counted: Work) -> None:
    dear = characterisation(unit("mac8_pe", busy={"datapath": 5 * 64e-15}))
    energy = network_energy(counted, dear, memory_constants("osu018"), four_bit="dedicated")
    (row,) = (row for row in compare([dear], [energy]).fits if row.scope == DATAPATH)
    assert math.isclose(row.per_class["8"].value, 5e-15, rel_tol=1e-6)
    assert math.isclose(row.per_class["1"].value, 1e-15, rel_tol=1e-6)
    assert row.worst > 1.5


def test_shares_add_up_to_one(networks: list[NetworkEnergy]) -> None:
    for row, network in zip(compare([OSU, SKY], networks).shares, networks, strict=True):
        assert math.isclose(sum(row.shares.values()), 1)
        assert all(share >= 0 for share in row.shares.values())
        counted = network.energy(["binary", "4-bit", "8-bit"], ["datapath"]).mean
        assert math.isclose(row.shares[COUNTED] * row.joules, counted)
        assert math.isclose(row.uncounted, 1 - row.shares[COUNTED])


def test_scopes_hold_one_another(networks: list[NetworkEnergy]) -> None:
    found = compare([OSU], networks[:1])
    sums = {row.scope: sum(layer.estimated for layer in row.layers) for row in found.fits}
    assert sums[DATAPATH] < sums[MACS] < sums[ALL_LOGIC] < sums[WHOLE]
    assert [row.scope for row in found.fits if row.by_class] == [ALL_LOGIC, WHOLE]


def test_a_board_stays_by_itself(networks: list[NetworkEnergy]) -> None:
    """Measured layers get their ACE and a rank correlation, and change no other table."""
    network = networks[0]
    aces = {layer.name: sum(layer.ace.values()) for layer in network.layers}
    measured = measurement(network.network, {name: 3e-14 * ace for name, ace in aces.items()})
    without, beside = compare([OSU], networks[:1]), compare([OSU], networks[:1], [measured])
    assert (without.precisions, without.fits, without.shares) == (
        beside.precisions, beside.fits, beside.shares,
    )  # fmt: skip
    assert {row.evidence for row in beside.board} == {"board"}
    layers = [row for row in beside.board if row.scope == "layer"]
    assert [row.ace for row in layers] == list(aces.values())
    assert all(row.per_ace == pytest.approx(3e-14) for row in beside.board)
    assert beside.board_ranks[f"{network.network} on sim-small"].spearman.value == pytest.approx(1)
    assert beside.missing == ()
    assert beside.board[0].estimates == {OSU.library.name: network.energy().mean}
    assert layers[0].estimates == {OSU.library.name: network.layers[0].energy().mean}


def test_a_measured_layer_that_is_not_there_is_named(networks: list[NetworkEnergy]) -> None:
    wrong = measurement(networks[0].network, {"layer of another network": 1e-6})
    with pytest.raises(FlowError, match="has a layer 'layer of another network'"):
        compare([OSU], networks[:1], [wrong])


def test_a_board_of_another_network_has_no_ace(networks: list[NetworkEnergy]) -> None:
    found = compare([OSU], networks[:1], [measurement("elsewhere", {"a": 1e-6})])
    assert [row.ace for row in found.board] == [None, None]
    (said,) = found.missing
    assert "no work of elsewhere on sim-small" in said and "there is " + networks[0].network in said


def test_a_board_of_another_target_has_no_ace(networks: list[NetworkEnergy]) -> None:
    """Two targets of one network are two measurements: neither ACE nor ranks of one go to the other."""
    network = networks[0]
    aces = {layer.name: sum(layer.ace.values()) for layer in network.layers}
    here = measurement(network.network, {name: 3e-14 * ace for name, ace in aces.items()})
    falling = {name: 1e-6 / ace for name, ace in aces.items()}
    there = dataclasses.replace(measurement(network.network, falling), target="elsewhere")
    found = compare([OSU], [network], [here, there])
    assert {row.ace for row in found.board if row.target == "elsewhere"} == {None}
    assert {row.estimates == {} for row in found.board if row.target == "elsewhere"} == {True}
    assert "on elsewhere" in found.missing[0] and len(found.missing) == 1
    assert found.board_ranks.keys() == {f"{network.network} on sim-small"}
    assert found.board_ranks[f"{network.network} on sim-small"].spearman.value == pytest.approx(1)


def test_different_networks_of_one_name_are_refused(networks: list[NetworkEnergy]) -> None:
    network = networks[0]
    other = dataclasses.replace(network, layers=network.layers[:-1])
    found = measurement(network.network, {network.layers[0].name: 1e-6})
    with pytest.raises(FlowError, match="are of different networks, as their ACE differ"):
        compare([OSU], [network, other], [found])


def test_one_library_twice_is_refused() -> None:
    with pytest.raises(FlowError, match="characterised twice"):
        compare([OSU, OSU], [])


def test_without_a_binary_unit_there_is_no_ratio() -> None:
    less = dataclasses.replace(OSU, units=tuple(u for u in OSU.units if u.unit != "binary_pe"))
    with pytest.raises(FlowError, match="no binary_pe"):
        compare([less], [])


@pytest.fixture
def folder(tmp_path: Path, counted: Work) -> Path:
    """A folder as bench/energy: two libraries, one network's work, one measurement."""
    made = tmp_path / "energy"
    made.mkdir()
    OSU.save(made / "osu018.json")
    SKY.save(made / "sky130.json")
    counted.save(made / "work.json")
    layers = {layer.name: 1e-15 * sum(layer.ace().values()) for layer in counted.layers}
    measurement(counted.network, layers).save(made / "board.json")
    return made


def test_the_command_prints_and_plots(folder: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    outs = [tmp_path / name for name in ("a", "b")]
    for out in outs:
        done = runner.invoke(app, ["compare", str(folder), "--out", str(out), "--json"])
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["evidence"]["board"] == "board"
    files = sorted(path.name for path in outs[0].iterdir())
    kinds = {name.split("-")[0].split(".")[0] for name in files}
    assert kinds == {"board", "comparison", "layers", "precision", "shares"}
    for name in files:
        assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes()
    done = runner.invoke(app, ["compare", str(folder)])
    assert done.exit_code == 0, done.output
    for wanted in ("ratio to one bit", "worst factor", "not in ACE", "(board)", "estimate"):
        assert wanted in done.output


def test_the_networks_command(folder: Path) -> None:
    runner = CliRunner()
    command = ["network", "--characterisation", str(folder / "osu018.json")]
    command += ["--work", str(folder / "work.json")]
    done = runner.invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "every MAC of it priced" in done.output and "Horowitz" in done.output
    (found,) = json.loads(runner.invoke(app, [*command, "--json"]).stdout)
    assert found["evidence"]["memories"] == "published"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "."], "no characterisation there"),
        (["compare", "missing.json"], "cannot be read"),
        (["compare", "other.json"], "other.json: not of format hwflow-characterisation"),
        (["compare", "--operands", "odd"], "--operands odd"),
        (["compare", "--four-bit", "odd"], "--four-bit odd"),
    ],
)
def test_bad_input_is_named(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if "other.json" in arguments:
        (tmp_path / "other.json").write_text('{"widths": []}')
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, FlowError)
    assert message in str(done.exception)


def test_a_work_file_excludes_a_checkpoint(folder: Path) -> None:
    command = ["network", "--characterisation", str(folder / "osu018.json"), "--target", "zu7ev"]
    done = CliRunner().invoke(app, [*command, "--work", str(folder / "work.json")])
    assert isinstance(done.exception, FlowError)
    assert "exclude each other" in str(done.exception)
