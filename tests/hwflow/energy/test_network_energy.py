"""A network's energy: every MAC priced once, every part accounted for, planted losses caught."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from hwflow.ace import AceReport
from hwflow.compiler.program import Program
from hwflow.config import load_target
from hwflow.cycle_model.shares import FrameShares, frame_shares
from hwflow.energy import network as priced
from hwflow.energy.accesses import bank_bytes, memory_uses
from hwflow.energy.memory_constants import UNSCALED, memory_constants
from hwflow.energy.network import ALL_PARTS, DEDICATED, KINDS, NetworkEnergy, network_energy
from hwflow.energy.work import Work, work
from hwflow.errors import FlowError
from hwflow.isa import Op
from tests.hwflow.energy.synthetic import characterisation, unit

MEMORIES = memory_constants(UNSCALED)


@pytest.fixture(scope="module")
def energy(counted: Work) -> NetworkEnergy:
    return network_energy(counted, characterisation(), MEMORIES)


def test_every_mac_of_ace_has_an_energy(energy: NetworkEnergy, report: AceReport) -> None:
    assert {bits: n for bits, n in energy.macs.items() if n} == report.macs()
    assert energy.ace() == report.total_ace


def test_kinds_and_parts_add_up(energy: NetworkEnergy) -> None:
    whole = energy.energy().mean
    assert math.isclose(whole, sum(energy.energy([kind]).mean for kind in KINDS))
    assert math.isclose(whole, sum(energy.energy(parts=[part]).mean for part in ALL_PARTS))
    assert math.isclose(whole, sum(layer.energy().mean for layer in energy.layers))
    assert all(energy.energy([kind]).mean > 0 for kind in KINDS)


def test_the_datapath_of_binary_macs_is_what_was_planted(
    energy: NetworkEnergy, report: AceReport
) -> None:
    found = energy.energy(["binary"], ["datapath"])
    assert math.isclose(found.mean, 1e-15 * report.macs()[1])
    # One unit's mean serves every layer: its error does not average out.
    assert math.isclose(found.half, 0.02 * found.mean)


def test_four_bit_macs_on_units_of_their_own(counted: Work, report: AceReport) -> None:
    built = network_energy(counted, characterisation(), MEMORIES)
    own = network_energy(counted, characterisation(), MEMORIES, four_bit=DEDICATED)
    four = report.macs()[4]
    assert math.isclose(built.energy(["4-bit"], ["datapath"]).mean, 64e-15 * four)
    assert math.isclose(own.energy(["4-bit"], ["datapath"]).mean, 16e-15 * four)
    assert any("not built" in line for line in own.assumptions)


def test_idle_cycles_are_what_busy_ones_leave(counted: Work, energy: NetworkEnergy) -> None:
    issue = sum(each.macs + each.padding for la in counted.layers for each in la.macs)
    binary = sum(
        m.macs + m.padding for la in counted.layers for m in la.macs if m.unit == "binary_pe"
    )
    idle = sum(la.idle["binary_pe"] for la in counted.layers)
    assert math.isclose(
        idle + binary / counted.per_cycle["binary_pe"],
        counted.cycles * counted.instances["binary_pe"],
    )
    wide = sum(la.idle["mac8_pe"] for la in counted.layers)
    assert math.isclose(
        wide + (issue - binary) / counted.per_cycle["mac8_pe"],
        counted.cycles * counted.instances["mac8_pe"],
    )
    assert all(cycles >= 0 for la in counted.layers for cycles in la.idle.values())
    for name, cycles in {"binary_pe": idle, "mac8_pe": wide}.items():
        terms = [t for la in energy.layers for t in la.terms if t.kind == priced.IDLE]
        found = sum(t.joules.mean for t in terms if t.source == name)
        assert math.isclose(found, 2e-15 * cycles)


def _with_window(shares: FrameShares, number: int, cycles: int) -> FrameShares:
    """The shares with one layer's cycles replaced."""
    layers = tuple(
        dataclasses.replace(la, cycles=cycles) if la.layer == number else la for la in shares.layers
    )
    return dataclasses.replace(shares, layers=layers)


def test_matrix_vector_products_take_no_cycle_of_a_full_array(
    program: Program, report: AceReport, counted: Work
) -> None:
    first = counted.layers[0]
    elements = counted.instances["mac8_pe"]
    slots = sum(m.macs + m.padding for m in first.macs)
    steps = slots // (elements * counted.per_cycle["mac8_pe"])
    full = work(program, report, shares=_with_window(frame_shares(program), 0, steps))
    assert full.layers[0].idle["mac8_pe"] == 0
    others = zip(full.layers[1:], counted.layers[1:], strict=True)
    assert all(0 <= a.idle["mac8_pe"] < b.idle["mac8_pe"] for a, b in others)


def test_more_work_than_cycles_is_refused(
    program: Program, report: AceReport, counted: Work, tmp_path: Path
) -> None:
    with pytest.raises(FlowError, match=r"_pe is idle for -[\d,]+ cycles"):
        work(program, report, shares=_with_window(frame_shares(program), 0, 1))
    first = dataclasses.replace(
        counted.layers[0], idle=counted.layers[0].idle | {"binary_pe": -1.0}
    )
    path = tmp_path / "work.json"
    dataclasses.replace(counted, layers=(first, *counted.layers[1:])).save(path)
    with pytest.raises(FlowError, match=r"work.json: binary_pe is idle for -1 cycles"):
        Work.load(path)


def test_external_bytes_are_those_of_the_schedule(program: Program, energy: NetworkEnergy) -> None:
    moved = sum(sum(each.bytes.values()) for each in program.counts())
    joules = energy.energy([priced.EXTERNAL]).mean
    assert math.isclose(joules, moved * 8 * 1.3e-9 / 64)


def test_accesses_by_hand(program: Program) -> None:
    """The first binary convolution's reads of bits and weights, and what the last layer stores."""
    config = program.config
    conv = next(each for each in program.instructions if each["op"] == Op.CONV and not each["mac"])
    uses = {use.memory: use for use in memory_uses(program.instructions, config)[conv["layer"]]}
    entry = next(e for e in program.counts() if e.layer == conv["layer"] and e.unit == "conv")
    assert uses["binary weights"].read_bits == entry.issue * config.cols * config.popcount_width
    assert uses["bit"].read_bits == entry.issue * config.banks * config.popcount_width
    load = next(e for e in program.counts() if e.layer == conv["layer"] and e.unit == "load")
    assert uses["binary weights"].written_bits == 8 * load.bytes["weights"]
    if conv["bits_en"]:
        pixels = conv["out_h"] * conv["out_w"]
        assert uses["bit"].written_bits == pixels * conv["groups"] * config.cols


@pytest.mark.parametrize("target", ["sim-small", "ecp5-85f", "zu7ev", "mid-4k", "ecp5-25f"])
def test_banks_hold_what_the_configuration_says(target: str) -> None:
    config = load_target(target)
    sizes = bank_bytes(config)
    shared = config.shared_features
    tensors = config.banks * (sizes["bit"] if shared else sizes["bit"] + sizes["byte"])
    words = sum(sizes[name] for name in ("main", "side", "pool", "heads")) * config.pixel_lanes
    assert tensors + words == config.tensor_bytes
    rings = config.cols * sizes["binary weights"] + sizes["constant ring"]
    rings += 2 * config.mac_half_beats * sizes["8-bit weights"]
    assert rings == config.ring_bytes


def test_a_unit_that_is_missing_is_named(counted: Work) -> None:
    whole = characterisation()
    less = dataclasses.replace(
        whole, units=tuple(each for each in whole.units if each.unit != "vector_lane")
    )
    with pytest.raises(FlowError, match="no vector_lane on recorded operands"):
        network_energy(counted, less, MEMORIES)


def test_units_at_several_clocks_are_refused(counted: Work) -> None:
    mixed = characterisation(unit("binary_pe", period=2e-8))
    with pytest.raises(FlowError, match=r"several clock periods.*--clock-mhz"):
        network_energy(counted, mixed, MEMORIES)


def test_another_width_than_the_targets_is_said(counted: Work) -> None:
    wide = dataclasses.replace(unit("binary_pe"), operations_per_cycle=64)
    found = network_energy(counted, characterisation(wide), MEMORIES)
    assert any("binary_pe was characterised with 64" in line for line in found.assumptions)


@pytest.mark.parametrize("kind", ["binary", "4-bit", "8-bit", priced.PADDING])
def test_a_kind_that_is_lost_is_caught(
    counted: Work, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    real = priced._Prices.operations

    def forgetful(self: priced._Prices, of: str, name: str, count: float) -> list[priced.Term]:
        return [] if of == kind else real(self, of, name, count)

    monkeypatch.setattr(priced._Prices, "operations", forgetful)
    with pytest.raises(FlowError, match=f"0 MAC slots of kind {kind}"):
        network_energy(counted, characterisation(), MEMORIES)


def test_a_network_of_another_schedule_is_refused(program: Program, report: AceReport) -> None:
    first = report.operations[0]
    wrong = dataclasses.replace(
        report,
        operations=(dataclasses.replace(first, macs=first.macs + 1), *report.operations[1:]),
    )
    with pytest.raises(FlowError, match="does not reconcile"):
        work(program, wrong)


def test_work_is_kept_in_a_file(counted: Work, tmp_path: Path) -> None:
    path = tmp_path / "work.json"
    counted.save(path)
    assert Work.load(path) == counted


def test_json_has_every_layer(energy: NetworkEnergy) -> None:
    found = energy.to_dict()
    assert found["evidence"]["energies"] == "gate-level"
    assert math.isclose(
        found["total"]["mean"], sum(layer["total"]["mean"] for layer in found["layers"])
    )
