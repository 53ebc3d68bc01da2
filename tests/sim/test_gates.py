"""Gate-level simulation of mapped units: equal to what they came from, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from hwflow.energy.activity import layout_of
from hwflow.energy.cells import Library
from hwflow.energy.delays import analyse, check_period, default_period
from hwflow.energy.liberty import read_libraries
from hwflow.energy.netlist import MappedUnit, read_netlist
from hwflow.energy.power import energies
from hwflow.energy.stimulus import Segment, Stimulus
from hwflow.errors import FlowError
from rtl_gen.synthesis.liberty import map_to_library
from sim.gates import simulate
from sim.gates.simulate import check_counts
from sim.runner import cache_folder
from tests.hwflow.energy.circuits import LIBRARIES
from tests.hwflow.energy.small_library import liberty

ACCUMULATOR = """module accumulate(input clk, input clear, input [3:0] a, input [3:0] b, output reg [9:0] y,
                  output reg odd);
  reg [3:0] x, w;
  reg cleared;
  initial odd = 1;
  always @(posedge clk) begin
    x <= a; w <= b; cleared <= clear; odd <= !odd; y <= cleared ? 0 : y + x * w;
  end
endmodule
"""
LENGTH, SEGMENTS = 40, 10


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Library:
    path = tmp_path_factory.mktemp("small") / "small.lib"
    path.write_text(liberty())
    return read_libraries([path])


@pytest.fixture(scope="module")
def mapped(small: Library) -> MappedUnit:
    return map_to_library(ACCUMULATOR, "accumulate", small, keep=cache_folder())


def stimulus(*, segments: int = SEGMENTS, warm_up: int = 3) -> Stimulus:
    """Random operands; every segment clears the sum in its first cycle and half-way."""
    cycles = LENGTH * segments
    rng = np.random.default_rng(7)
    a, b = rng.integers(0, 16, (2, cycles))
    clear = np.isin(np.arange(cycles) % LENGTH, (0, 20))
    y = x = w = cleared = 0
    sums = np.zeros(cycles, dtype=int)
    for cycle in range(cycles):
        sums[cycle] = y
        y = 0 if cleared else (y + x * w) & 1023
        x, w, cleared = int(a[cycle]), int(b[cycle]), bool(clear[cycle])

    def bits(values: np.ndarray, count: int) -> np.ndarray:
        return (values[:, None] >> np.arange(count) & 1).astype(np.uint8)

    parts = tuple(
        Segment(i * LENGTH, i * LENGTH + warm_up, (i + 1) * LENGTH) for i in range(segments)
    )
    ports = {"a": bits(a, 4), "b": bits(b, 4), "clear": bits(clear.astype(int), 1)}
    odd = bits((np.arange(cycles) + 1) % 2, 1)  # LENGTH is even: all segments see the same
    return Stimulus(ports, {"y": bits(sums, 10), "odd": odd}, parts)


def test_gates_do_what_the_design_does_and_are_counted(mapped: MappedUnit) -> None:
    activity = simulate(mapped, stimulus())
    found = energies(mapped, activity)
    assert len(found) == SEGMENTS
    assert all(each.cycles == LENGTH - 3 for each in found)
    assert all(min(each.datapath, each.registers, each.clock, each.leakage) > 0 for each in found)
    total = found[0].datapath + found[0].registers + found[0].clock
    assert total == pytest.approx(found[0].load + found[0].internal + found[0].hidden)
    quiet = [
        name
        for net, name in enumerate(mapped.nets)
        if net > 1 and not sum(each.toggles[net] for each in activity.segments)
    ]
    assert not quiet  # in 370 random cycles every net moves
    again = energies(mapped, simulate(mapped, stimulus()))
    assert again == found


def test_load_energy_is_that_of_all_toggles_and_loads(mapped: MappedUnit) -> None:
    activity = simulate(mapped, stimulus())
    for counted, energy in zip(activity.segments, energies(mapped, activity), strict=True):
        square = mapped.library.voltage**2
        expected = float(np.dot(counted.toggles, mapped.loads)) * square / 2
        assert energy.load == pytest.approx(expected)


def test_leakage_grows_with_the_period_and_nothing_else_does(mapped: MappedUnit) -> None:
    first, second = (
        energies(mapped, simulate(mapped, stimulus(segments=1), period=period))[0]
        for period in (20e-9, 40e-9)
    )
    assert second.leakage == pytest.approx(2 * first.leakage, rel=0.05)
    assert second.datapath == pytest.approx(first.datapath, rel=1e-6)


def test_a_wrong_output_is_named(mapped: MappedUnit) -> None:
    wrong = stimulus()
    wrong.expected["y"][LENGTH + 17, 2] ^= 1
    with pytest.raises(FlowError, match=f"port 'y', bit 2, cycle {LENGTH + 17} is"):
        simulate(mapped, wrong)


def test_a_wrong_gate_is_found(mapped: MappedUnit) -> None:
    """A NAND in place of an AND."""
    at = next(i for i, each in enumerate(mapped.instances) if each.cell.name == "AND2")
    instances = list(mapped.instances)
    instances[at] = dataclasses.replace(instances[at], cell=mapped.library.cells["NAND2"])
    with pytest.raises(FlowError, match="at gate level and"):
        simulate(dataclasses.replace(mapped, instances=tuple(instances)), stimulus())


def test_too_short_a_warm_up_is_named(mapped: MappedUnit) -> None:
    """From the second segment on the sum begins elsewhere than at 0."""
    with pytest.raises(FlowError, match="lengthen the warm-up"):
        simulate(mapped, stimulus(warm_up=0))


def test_missed_toggles_are_found(mapped: MappedUnit) -> None:
    counted = simulate(mapped, stimulus(segments=1)).segments[0]
    check_counts(mapped, layout_of(mapped), counted)
    toggles = counted.toggles.copy()
    toggles[mapped.inputs["a"][0]] -= 1
    with pytest.raises(AssertionError, match="missed toggles"):
        check_counts(mapped, layout_of(mapped), dataclasses.replace(counted, toggles=toggles))


def test_too_short_a_period_names_the_least(mapped: MappedUnit) -> None:
    timing = analyse(mapped)
    with pytest.raises(FlowError, match=f"critical path takes {timing.critical * 1e9:.4g} ns"):
        simulate(mapped, stimulus(), period=timing.critical * 0.9)
    assert timing.critical < default_period(timing) < 1.2 * timing.critical
    check_period(mapped, timing, default_period(timing))


def test_critical_path_by_hand(small: Library) -> None:
    """Clock to output, two inverters, setup; slews and loads as in small_library.py, in ns."""
    text = """module t(input clk, input d, output q); wire a, b, c, g;
      DFF f(.D(d), .CLK(clk), .Q(a)); INV i(.A(a), .Y(b)); INV j(.A(b), .Y(c)); DFF g1(.D(c), .CLK(clk), .Q(q));
      endmodule"""
    timing = analyse(map_to_library(text, "t", small))
    clock = timing.conditions.clock_slew * 1e9
    rises = 0.20 + 0.1 * clock + 0.010  # of the first output, which drives one inverter
    falls = 0.25 + 0.1 * clock + 0.010
    after_rise, after_fall = 0.08 + 0.010, 0.09 + 0.010
    first = (falls + 0.02 + 0.1 * after_fall + 0.010, rises + 0.01 + 0.1 * after_rise + 0.020)
    slews = (0.03 + 0.2 * after_fall + 0.02, 0.02 + 0.2 * after_rise + 0.01)
    second = (first[1] + 0.02 + 0.1 * slews[1] + 0.017, first[0] + 0.01 + 0.1 * slews[0] + 0.034)
    assert timing.critical * 1e9 == pytest.approx(max(second[0] + 0.1, second[1] + 0.15))
    assert [step.split(" ")[1] for step in timing.path] == ["(DFF,", "(INV,", "(INV,"]


def test_stimuli_that_do_not_fit_are_refused(mapped: MappedUnit) -> None:
    good = stimulus(segments=1)
    with pytest.raises(FlowError, match="lacks input 'clear'"):
        ports = {name: bits for name, bits in good.ports.items() if name != "clear"}
        simulate(mapped, dataclasses.replace(good, ports=ports))
    with pytest.raises(FlowError, match="lacks output 'odd'"):
        simulate(mapped, dataclasses.replace(good, expected={"y": good.expected["y"]}))
    with pytest.raises(FlowError, match=r"port 'a': 3 bits, unit accumulate has 4"):
        simulate(
            mapped, dataclasses.replace(good, ports={**good.ports, "a": good.ports["a"][:, :3]})
        )
    with pytest.raises(FlowError, match="output 'z', unit accumulate has none"):
        simulate(
            mapped, dataclasses.replace(good, expected={**good.expected, "z": good.expected["odd"]})
        )
    with pytest.raises(FlowError, match="end segments within it"):
        dataclasses.replace(good, segments=(Segment(0, 1, LENGTH + 1),))
    with pytest.raises(FlowError, match="uint8"):
        dataclasses.replace(good, ports={"a": good.ports["a"] * 2})
    with pytest.raises(FlowError, match="counts at least one cycle"):
        Segment(3, 3, 3)


def test_mapping_gives_the_same_netlist_again(small: Library, mapped: MappedUnit) -> None:
    assert map_to_library(ACCUMULATOR, "accumulate", small) == mapped
    assert set(mapped.cells) <= set(small.cells)
    assert all(name.startswith("c_") for name in (each.name for each in mapped.instances))


def missing(folder: Path, *cells: str) -> Library:
    path = folder / "small.lib"
    path.write_text(liberty(without=cells))
    return read_libraries([path])


def test_libraries_that_cannot_be_mapped_to_are_refused(tmp_path: Path) -> None:
    for cell, message in (
        ("DFF", "has no flip-flop"),
        ("INV", "has no inverter"),
        ("BUF", "has no buffer"),
    ):
        with pytest.raises(FlowError, match=message):
            map_to_library(ACCUMULATOR, "accumulate", missing(tmp_path, cell))


def test_netlists_that_are_none_are_refused(small: Library) -> None:
    ports = {"a": {"direction": "input", "bits": [2]}, "y": {"direction": "output", "bits": [3]}}

    def read(**cells: dict[str, object]) -> None:
        read_netlist({"ports": ports, "cells": cells}, "t", small)

    def inverter(a: int, y: int) -> dict[str, object]:
        return {"type": "INV", "connections": {"A": [a], "Y": [y]}}

    read(i=inverter(2, 3))
    with pytest.raises(FlowError, match="'n3' has no driver"):
        read()
    with pytest.raises(FlowError, match="'n3' has 2 drivers"):
        read(i=inverter(2, 3), j=inverter(2, 3))
    with pytest.raises(FlowError, match="loop through"):
        read(i=inverter(4, 3), j=inverter(3, 4))
    with pytest.raises(FlowError, match="has no cell 'NOR9'"):
        read(i={"type": "NOR9", "connections": {}})
    with pytest.raises(FlowError, match="input A is not connected"):
        read(i={"type": "INV", "connections": {"Y": [3]}})
    with pytest.raises(FlowError, match="no input port 'clk'"):
        read(i={"type": "DFF", "connections": {"D": [2], "CLK": [2], "Q": [3]}})


@pytest.mark.slow
@pytest.mark.parametrize("name", LIBRARIES)
def test_real_libraries_do_what_the_design_does(name: str) -> None:
    paths = LIBRARIES[name].installed()
    library = read_libraries(paths, keep=cache_folder())
    mapped = map_to_library(ACCUMULATOR, "accumulate", library, keep=cache_folder())
    found = energies(mapped, simulate(mapped, stimulus()))
    assert all(min(each.datapath, each.registers, each.clock) > 0 for each in found)
    assert json.dumps([dataclasses.asdict(each) for each in found])
