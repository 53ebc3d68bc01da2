"""Load, internal and hidden energy against calculations that share no code: by hand, and by tests/.../by_hand.py."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from hwflow.energy.activity import Activity
from hwflow.energy.cells import Library
from hwflow.energy.delays import Conditions, analyse
from hwflow.energy.liberty import read_libraries
from hwflow.energy.netlist import MappedUnit
from hwflow.energy.power import SegmentEnergy, energies
from hwflow.errors import FlowError
from rtl_gen.synthesis.liberty import map_to_library
from sim.gates import simulate
from sim.runner import cache_folder
from tests.hwflow.energy.by_hand import Hand
from tests.hwflow.energy.circuits import LIBRARIES, Circuit, Names, circuits, part
from tests.hwflow.energy.small_library import (
    CAPACITANCE,
    HIDDEN,
    INTERNAL,
    LEAKAGE,
    TRANSITION,
    VOLTAGE,
    liberty,
)

CLOSE = 1e-6
"""The bar is 1%; where nothing is measured, only rounding should be left."""
SLEW, CLOCK_SLEW, ARRIVAL = 0.1, 0.2, 0.3
CONDITIONS = Conditions(SLEW * 1e-9, CLOCK_SLEW * 1e-9, ARRIVAL * 1e-9)
PERIOD = 10e-9
PJ = 1e-12
SMALL = Names(
    (),
    "tests/hwflow/energy/small_library.py writes it",
    ("INV", "A", "Y"),
    ("NAND2", "A", "B", "Y"),
    ("XOR2", "A", "B", "Y"),
    ("AND2", "A", "B", "Y"),
    ("DFF", "D", "CLK", "Q"),
)
CIRCUITS = circuits(SMALL)


@pytest.fixture(scope="module", params=[False, True], ids=["one rail", "two rails"])
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Library:
    path = tmp_path_factory.mktemp("small") / "small.lib"
    path.write_text(liberty(rails=request.param))
    return read_libraries([path])


def measured(library: Library, circuit: Circuit) -> tuple[MappedUnit, Activity, SegmentEnergy]:
    mapped = map_to_library(circuit.verilog, "t", library, keep=cache_folder())
    timing = analyse(mapped, CONDITIONS)
    activity = simulate(mapped, circuit.stimulus, period=PERIOD, timing=timing, compare=False)
    return mapped, activity, energies(mapped, activity)[0]


def charge(*pins: tuple[str, str]) -> float:
    """C V²/2 of pins, pJ."""
    return sum(CAPACITANCE[pin] for pin in pins) * VOLTAGE**2 / 2


def test_inverters_by_hand(small: Library) -> None:
    _, _, energy = measured(small, CIRCUITS["inverters"])
    rise, fall = TRANSITION["INV"]
    up, down = INTERNAL["INV", "A", ""]
    pin = CAPACITANCE["INV", "A"]
    rising1, falling1 = rise.at(SLEW, pin), fall.at(SLEW, pin)
    rising2, falling2 = rise.at(falling1, pin), fall.at(rising1, pin)
    after_rise = down.at(SLEW, pin) + up.at(falling1, pin) + down.at(rising2, 0)
    after_fall = up.at(SLEW, pin) + down.at(rising1, pin) + up.at(falling2, 0)
    assert energy.load == pytest.approx(8 * 3 * charge(("INV", "A")) * PJ, rel=1e-9)
    assert energy.internal == pytest.approx(4 * (after_rise + after_fall) * PJ, rel=1e-6)
    assert energy.hidden == 0
    assert energy.datapath == pytest.approx(energy.load + energy.internal)
    assert energy.registers == energy.clock == 0
    assert energy.leakage == pytest.approx(3 * LEAKAGE["INV"][""] * 1e-9 * 8 * PERIOD)


def nand_steps(*steps: tuple[str, int]) -> Circuit:
    return Circuit([part(SMALL.nand, "a", "b", "y")], ["a", "b"], ["y"], [("b", 1), *steps])


def test_each_arc_of_a_nand_by_hand(small: Library) -> None:
    first = charge(("NAND2", "B"))  # b rises while a is 0: nothing follows, B has no hidden energy
    pulse = [("a", 1), ("a", 0)]
    _, _, by_a = measured(small, nand_steps(*pulse))
    up, down = INTERNAL["NAND2", "A", ""]
    assert by_a.internal == pytest.approx((up.at(SLEW) + down.at(SLEW)) * PJ, rel=1e-6)
    assert by_a.load == pytest.approx((first + 2 * charge(("NAND2", "A"))) * PJ)
    assert by_a.hidden == 0
    _, _, hidden = measured(small, nand_steps(("b", 0), *pulse))
    up, down = HIDDEN["NAND2", "A", "!B"]
    assert hidden.hidden == pytest.approx((up.at(SLEW) + down.at(SLEW)) * PJ, rel=1e-6)
    assert hidden.internal == 0
    _, _, by_b = measured(small, nand_steps(("a", 1), ("b", 0), ("b", 1)))
    up, down = INTERNAL["NAND2", "B", ""]
    caused = INTERNAL["NAND2", "A", ""][1].at(SLEW) + up.at(SLEW) + down.at(SLEW)
    assert by_b.internal == pytest.approx(caused * PJ, rel=1e-6)


def test_xor_by_hand(small: Library) -> None:
    circuit = Circuit(
        CIRCUITS["xor"].parts, ["a", "b"], ["y"], [("a", 1), ("a", 0), ("b", 1), ("a", 1), ("a", 0)]
    )
    _, _, energy = measured(small, circuit)
    low, high = INTERNAL["XOR2", "A", "!B"], INTERNAL["XOR2", "A", "B"]
    by_b = INTERNAL["XOR2", "B", ""][0]
    internal = sum(line.at(SLEW) for line in (*low, *high, by_b))
    assert energy.internal == pytest.approx(internal * PJ, rel=1e-6)
    assert energy.hidden == pytest.approx(HIDDEN["XOR2", "B", ""][0].at(SLEW) * PJ, rel=1e-6)


def test_registers_by_hand(small: Library) -> None:
    """Twelve cycles: data changes while the clock is high; a clock edge has hidden energy only where D is Q."""
    _, _, energy = measured(small, CIRCUITS["toggling register"])
    up, down = INTERNAL["DFF", "CLK", ""]
    data = [line.at(SLEW) for line in HIDDEN["DFF", "D", "CLK"]]
    q_rises, q_falls = 6, 5  # the first capture is that of the 0 before
    internal = q_rises * up.at(CLOCK_SLEW) + q_falls * down.at(CLOCK_SLEW)
    first_rise = HIDDEN["DFF", "CLK", "!D * !Q"][0].at(CLOCK_SLEW)
    assert energy.registers == pytest.approx(
        (12 * charge(("DFF", "D")) + 6 * sum(data) + internal) * PJ, rel=1e-6
    )
    assert energy.clock == pytest.approx((24 * charge(("DFF", "CLK")) + first_rise) * PJ, rel=1e-6)
    assert energy.datapath == 0


def test_gated_clock_by_hand(small: Library) -> None:
    """A register whose clock is off costs what its data pin and the gate's clock pin cost."""
    _, _, energy = measured(small, CIRCUITS["gated register"])
    data = sum(line.at(SLEW) for line in HIDDEN["DFF", "D", "!CLK"])
    assert energy.clock == pytest.approx(14 * charge(("AND2", "A")) * PJ, rel=1e-6)
    assert energy.registers == pytest.approx((2 * charge(("DFF", "D")) + data) * PJ, rel=1e-6)
    assert energy.datapath == energy.internal == 0


def glitch(inverters: int) -> Circuit:
    """NAND of a and its complement, which comes later by `inverters`."""
    nets = ["a", *(f"n{i}" for i in range(inverters))]
    chain = [part(SMALL.inverter, x, y) for x, y in itertools.pairwise(nets)]
    parts = [*chain, part(SMALL.nand, "a", nets[-1], "y")]
    return Circuit(parts, ["a"], ["y"], [("a", 1), ("a", 0)] * 5)


def test_glitches_are_counted_and_short_ones_swallowed(small: Library) -> None:
    mapped, activity, energy = measured(small, glitch(3))
    y = mapped.outputs["y"][0]
    assert activity.segments[0].toggles[y] == 10  # a pulse at every rise of a
    assert activity.segments[0].filtered == 0
    pin, last = CAPACITANCE["INV", "A"], CAPACITANCE["NAND2", "B"]
    rise, fall = TRANSITION["INV"]
    n0 = (rise.at(SLEW, pin), fall.at(SLEW, pin))
    n1 = (rise.at(n0[1], pin), fall.at(n0[0], pin))
    n2 = (rise.at(n1[1], last), fall.at(n1[0], last))
    up, down = INTERNAL["INV", "A", ""]
    inverters = (
        *(down.at(SLEW, pin), up.at(n0[1], pin), down.at(n1[0], last)),
        *(up.at(SLEW, pin), down.at(n0[0], pin), up.at(n1[1], last)),
    )
    pulse = INTERNAL["NAND2", "A", ""][1].at(SLEW) + INTERNAL["NAND2", "B", ""][0].at(n2[1])
    assert energy.internal == pytest.approx(5 * (sum(inverters) + pulse) * PJ, rel=1e-6)
    assert energy.hidden == pytest.approx(5 * HIDDEN["NAND2", "A", "!B"][1].at(SLEW) * PJ)
    assert energy.glitches == 0  # the pulses are at the output, which charges no pin of the unit
    mapped, activity, _ = measured(small, glitch(1))  # 48 ps, the gate takes 50 ps to fall
    assert activity.segments[0].toggles[mapped.outputs["y"][0]] == 0
    assert activity.segments[0].filtered == 5


def test_what_glitches_charge_is_told_apart(small: Library) -> None:
    pulses = glitch(3)
    parts = [*pulses.parts, part(SMALL.inverter, "y", "z")]
    _, _, energy = measured(small, Circuit(parts, ["a"], ["z"], pulses.steps))
    assert energy.glitches == pytest.approx(10 * charge(("INV", "A")) * PJ)


def test_wires_add_to_the_load_of_every_pin(small: Library) -> None:
    plain = measured(small, CIRCUITS["inverters"])[2]
    wired = measured(small.with_wires(2e-15), CIRCUITS["inverters"])[2]
    assert wired.load - plain.load == pytest.approx(8 * 3 * 0.002 * VOLTAGE**2 / 2 * PJ)
    assert wired.internal != plain.internal
    with pytest.raises(FlowError, match="negative"):
        small.with_wires(-1e-15)


@pytest.mark.parametrize("name", CIRCUITS)
def test_small_library_agrees_with_calculation_by_hand(name: str, tmp_path: Path) -> None:
    path = tmp_path / "small.lib"
    path.write_text(liberty(rails=True))
    agree(read_libraries([path]), Hand([path]), CIRCUITS[name])


def agree(library: Library, hand: Hand, circuit: Circuit) -> None:
    mapped, activity, energy = measured(library, circuit)
    start = dict.fromkeys(["clk", *circuit.inputs], 0)
    slews = dict.fromkeys(circuit.inputs, SLEW * 1e-09) | {"clk": CLOCK_SLEW * 1e-9}
    wanted = hand.run(circuit.parts, start, circuit.events, slews)
    toggles = dict(zip(mapped.nets, activity.segments[0].toggles, strict=True))
    assert {net: count for net, count in toggles.items() if count} == wanted.toggles
    total = wanted.load + wanted.internal + wanted.hidden
    assert energy.load == pytest.approx(wanted.load, rel=CLOSE)
    assert energy.internal == pytest.approx(wanted.internal, rel=CLOSE, abs=1e-9 * total)
    assert energy.hidden == pytest.approx(wanted.hidden, rel=CLOSE, abs=1e-9 * total)


@pytest.fixture(scope="module")
def tables() -> dict[str, tuple[Library, Hand]]:
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", [*CIRCUITS, "adder cell"])
def test_libraries_agree_with_calculation_by_hand(
    library: str, name: str, tables: dict[str, tuple[Library, Hand]]
) -> None:
    names = LIBRARIES[library]
    paths = names.installed()
    if library not in tables:
        tables[library] = read_libraries(paths, keep=cache_folder()), Hand(paths)
    agree(*tables[library], circuits(names)[name])
