"""What a Liberty file leaves out or writes wrongly: taken from elsewhere or named, never a silent zero."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwflow.energy.cells import Library
from hwflow.energy.events import events_of
from hwflow.energy.liberty import read_libraries
from hwflow.errors import FlowError
from tests.hwflow.energy.small_library import HEADER, cell, liberty

NAND = cell("NAND2", power=True, rails=False)
CAPACITANCE = "capacitance : 0.012;"


def read(folder: Path, text: str) -> Library:
    path = folder / "small.lib"
    path.write_text(text)
    return read_libraries([path])


def with_nand(folder: Path, text: str, header: str = HEADER) -> Library:
    assert text != NAND
    return read(folder, liberty(header=header).replace(NAND, text))


def test_a_pin_without_capacitance_takes_that_of_its_edges_then_the_default(tmp_path: Path) -> None:
    edges = NAND.replace(CAPACITANCE, "rise_capacitance : 0.010; fall_capacitance : 0.012;")
    found = with_nand(tmp_path, edges).cells["NAND2"]
    assert found.pins["A"].capacitance == pytest.approx(0.011e-12)
    none = NAND.replace(CAPACITANCE, "")
    default = HEADER + "default_input_pin_cap : 0.02;\n"
    found = with_nand(tmp_path, none, default).cells["NAND2"]
    assert found.pins["A"].capacitance == pytest.approx(0.02e-12)
    assert found.pins["B"].capacitance == pytest.approx(0.014e-12)
    assert found.pins["Y"].capacitance == 0


def test_a_cell_without_any_capacitance_cannot_be_used(tmp_path: Path) -> None:
    library = with_nand(tmp_path, NAND.replace(CAPACITANCE, ""))
    assert library.cells["NAND2"].unusable == "pin A has no capacitance"
    assert not library.cells["XOR2"].unusable


def without_leakage(text: str) -> str:
    return "".join(line + "\n" for line in text.splitlines() if "leakage_power ()" not in line)


def test_leakage_that_is_nowhere_is_named(tmp_path: Path) -> None:
    assert with_nand(tmp_path, without_leakage(NAND)).cells["NAND2"].unusable == "no leakage power"
    with pytest.raises(FlowError, match=r"small\.lib: no leakage power in any cell"):
        read(tmp_path, without_leakage(liberty()))
    header = HEADER + "default_cell_leakage_power : 3;\n"
    library = read(tmp_path, without_leakage(liberty(header=header)))
    assert events_of(library.cells["NAND2"]).leakage == pytest.approx([3e-9] * 4)


def leaking(*groups: str, total: str = "cell_leakage_power : 2.5;") -> str:
    lines = without_leakage(NAND).splitlines()
    made = [f"leakage_power () {{ {each} }}" for each in groups]
    return "\n".join([lines[0], *made, total, *lines[1:]]) + "\n"


VDD, VSS = ("related_pg_pin : VDD;", "related_pg_pin : VSS;")


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ((f'when : "A"; value : 3; {VDD}', f'when : "!A"; value : 2; {VDD}'), [2, 3, 2, 3]),
        ((f'when : "A&B"; value : 3; {VDD}',), [2.5, 2.5, 2.5, 3]),
        ((f'when : "A&B"; value : 3; {VDD}', f"value : 1; {VSS}"), [2.5, 2.5, 2.5, 4]),
        ((f'when : "A"; value : 3; {VDD}', f'when : "A"; value : 1; {VSS}'), [2.5, 4, 2.5, 4]),
        (('when : "A&B"; value : 3;',), [2.5, 2.5, 2.5, 3]),
    ],
)
def test_the_total_of_a_cell_is_no_rail_of_its_own(
    groups: tuple[str, ...], expected: list[float], tmp_path: Path
) -> None:
    library = with_nand(tmp_path, leaking(*groups))
    found = events_of(library.cells["NAND2"]).leakage
    assert found == pytest.approx([value * 1e-9 for value in expected])


def test_a_state_without_leakage_is_named(tmp_path: Path) -> None:
    library = with_nand(tmp_path, leaking('when : "A&B"; value : 3;', total=""))
    with pytest.raises(FlowError, match="cell NAND2: no leakage power at A=0 B=0"):
        events_of(library.cells["NAND2"])


def test_a_transition_without_energy_is_named(tmp_path: Path) -> None:
    text = NAND.replace('related_pin : "A"; \n', 'related_pin : "A"; when : "A & !A";\n')
    library = with_nand(tmp_path, text)
    with pytest.raises(
        FlowError, match="cell NAND2, pin Y: no power table for its rise at A=0 B=1"
    ):
        events_of(library.cells["NAND2"])
    text = NAND.replace('when : "!B"', 'when : "A & !A"')
    library = with_nand(tmp_path, text)
    with pytest.raises(
        FlowError, match="cell NAND2, pin A: no power table for its rise at A=0 B=0"
    ):
        events_of(library.cells["NAND2"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cell (NAND2)", "cell ()", "a cell has no name"),
        ('values ( "', 'values ( "word, ', "cell NAND2: an element of a table is 'word'"),
        ("area : 2.0", 'area : "x"', "cell NAND2: area is 'x'"),
        ("capacitance : 0.012", "capacitance : nan", "cell NAND2: capacitance is 'nan'"),
        ("area : 2.0;", "area : 2.0; ff () { }", r"cell NAND2: ff \(\) names no state"),
    ],
)
def test_a_malformed_cell_is_named(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(FlowError, match=rf"small\.lib.*{message}"):
        with_nand(tmp_path, NAND.replace(old, new, 1))


def test_a_malformed_voltage_is_named(tmp_path: Path) -> None:
    text = liberty().replace("nom_voltage : 2.0", 'nom_voltage : "x"')
    with pytest.raises(FlowError, match=r"small\.lib: nom_voltage is 'x'"):
        read(tmp_path, text)


@pytest.mark.parametrize("function", ["A%%B", "A & ", "A & C"])
def test_a_cell_with_a_malformed_function_cannot_be_used(function: str, tmp_path: Path) -> None:
    library = with_nand(tmp_path, NAND.replace("!(A B)", function))
    with pytest.raises(FlowError, match="cell 'NAND2' has no model: function"):
        library.cell("NAND2")
