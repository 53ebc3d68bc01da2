"""Liberty files read: units, order of indices, conditions, several files; and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from hwflow.energy.events import events_of
from hwflow.energy.liberty import read_libraries
from hwflow.energy.tables import Table, truth
from hwflow.errors import FlowError
from tests.hwflow.energy.circuits import LIBRARIES
from tests.hwflow.energy.small_library import (
    CAPACITANCE,
    DELAY,
    HEADER,
    INTERNAL,
    LEAKAGE,
    TEMPLATES,
    cell,
    liberty,
)


def written(folder: Path, text: str, name: str = "small.lib") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def refused(folder: Path, text: str) -> str:
    with pytest.raises(FlowError) as error:
        read_libraries([written(folder, text)])
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["INV", "NAND2"])  # tables over (load, slew) and over (slew, load)
def test_tables_are_in_si_units_over_slew_and_load(name: str, tmp_path: Path) -> None:
    library = read_libraries([written(tmp_path, liberty())])
    arc = library.cells[name].pins["Y"].timing[0]
    power = library.cells[name].pins["Y"].power[0]
    assert power.rise is not None
    for slew, load in ((0.05, 0.02), (2.0, 0.3), (0.001, 0.0)):  # within and beyond the points
        delay = arc.tables["cell_rise"].at(slew * 1e-9, load * 1e-12)
        assert delay == pytest.approx(DELAY[name, "A"][0].at(slew, load) * 1e-9)
        energy = power.rise.at(slew * 1e-9, load * 1e-12)
        assert energy == pytest.approx(INTERNAL[name, "A", ""][0].at(slew, load) * 1e-12)
    assert library.cells[name].pins["A"].capacitance == pytest.approx(
        CAPACITANCE[name, "A"] * 1e-12
    )
    assert arc.related == ("A",)


def test_arrays_interpolate_as_single_values_do() -> None:
    table = Table((0.0, 1.0, 3.0), (0.0, 2.0), ((1.0, 2.0), (4.0, 1.0), (0.0, 7.0)))
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-1, 5, 50), rng.uniform(-1, 4, 50)
    single = [table.at(*each) for each in zip(x.tolist(), y.tolist(), strict=True)]
    assert np.allclose(table.many(x, y), single)


def test_other_units_give_the_same_energies(tmp_path: Path) -> None:
    header = HEADER.replace('"1ns"', '"10ps"').replace("(1, pf)", "(10, ff)").replace("1nW", "1uW")
    other = read_libraries([written(tmp_path, liberty(header=header))])
    plain = read_libraries([written(tmp_path, liberty())])
    tables = [each.cells["NAND2"].pins["Y"].power[0].rise for each in (other, plain)]
    assert tables[0] is not None and tables[1] is not None
    assert tables[0].values[1][1] == pytest.approx(tables[1].values[1][1] / 100)
    assert tables[0].x[1] == pytest.approx(tables[1].x[1] / 100)
    leaks = [each.cells["INV"].leakage[0].watts for each in (other, plain)]
    assert leaks[0] == pytest.approx(leaks[1] * 1000)


def test_leakage_follows_the_state(tmp_path: Path) -> None:
    library = read_libraries([written(tmp_path, liberty())])
    nand, rest = events_of(library.cells["NAND2"]), LEAKAGE["NAND2"]
    expected = [rest["!A&!B"], rest[""], rest[""], rest["A&B"]]
    assert nand.leakage == pytest.approx([value * 1e-9 for value in expected])


def test_files_read_together_are_one_library(tmp_path: Path) -> None:
    gates = written(tmp_path, liberty(without=("DFF",)), "gates.lib")
    registers = tmp_path / "registers.lib.gz"
    text = HEADER + TEMPLATES + cell("DFF", power=True, rails=False) + "}\n"
    registers.write_bytes(gzip.compress(text.encode()))
    both = read_libraries([gates, registers], keep=tmp_path / "kept")
    assert "DFF" in both.cells and "INV" in both.cells
    again = read_libraries([gates, registers], keep=tmp_path / "kept")
    assert again.cells == both.cells and again.digest == both.digest
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_two_voltages_and_a_cell_twice_are_refused(tmp_path: Path) -> None:
    first = written(tmp_path, liberty(), "first.lib")
    other = written(tmp_path, liberty().replace("nom_voltage : 2.0", "nom_voltage : 1.8"), "b.lib")
    with pytest.raises(FlowError, match=r"b\.lib: supply of 1\.8 V.*2\.0 V"):
        read_libraries([first, other])
    with pytest.raises(FlowError, match="cell 'AND2' is in another file too"):
        read_libraries([first, written(tmp_path, liberty(), "again.lib")])


def test_no_power_tables_are_refused(tmp_path: Path) -> None:
    assert "no power tables" in refused(tmp_path, liberty(power=False))


@pytest.mark.parametrize("unit", ["time_unit", "voltage_unit", "leakage_power_unit"])
def test_a_missing_unit_is_named(unit: str, tmp_path: Path) -> None:
    text = liberty().replace(f"{unit} :", f"not_{unit} :")
    assert f"no {unit}" in refused(tmp_path, text)


def test_missing_load_unit_and_voltage_are_named(tmp_path: Path) -> None:
    assert "no capacitive_load_unit" in refused(
        tmp_path, liberty().replace("capacitive_load_unit (1, pf);", "")
    )
    assert "no supply voltage" in refused(tmp_path, liberty().replace("nom_voltage : 2.0;", ""))


def test_a_unit_of_another_kind_is_named(tmp_path: Path) -> None:
    assert "time_unit is '1kg'" in refused(tmp_path, liberty().replace('"1ns"', '"1kg"'))


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    assert "not a Liberty file" in refused(tmp_path, "module top; endmodule")
    assert "not a Liberty file" in refused(tmp_path, liberty()[: len(liberty()) // 2])
    assert "no cells" in refused(tmp_path, HEADER + "}")
    with pytest.raises(FlowError, match=r"absent\.lib: cannot be read"):
        read_libraries([tmp_path / "absent.lib"])
    damaged = tmp_path / "damaged.lib.gz"
    damaged.write_bytes(gzip.compress(liberty().encode())[:-20])
    with pytest.raises(FlowError, match=r"damaged\.lib\.gz: damaged"):
        read_libraries([damaged])
    with pytest.raises(FlowError, match="no Liberty file given"):
        read_libraries([])


def test_a_table_that_does_not_fit_its_index_is_refused(tmp_path: Path) -> None:
    text = liberty()
    at = text.index('values ( "') + len('values ( "')
    assert "values" in refused(tmp_path, f"{text[:at]}0.5, {text[at:]}")


def test_a_cell_without_model_says_why(tmp_path: Path) -> None:
    mute = cell("NAND2", power=False, rails=False).replace("(NAND2)", "(MUTE)")
    black = 'cell (BLACK) { area : 1; pin (Y) { direction : output; function : "BOX"; } }\n'
    text = liberty().removesuffix("}\n") + mute + black + "}\n"
    library = read_libraries([written(tmp_path, text)])
    with pytest.raises(FlowError, match="cell 'MUTE' has no model: pin Y has no power tables"):
        library.cell("MUTE")
    with pytest.raises(FlowError, match="no cell 'ABSENT'"):
        library.cell("ABSENT")


def test_a_cell_with_tables_over_something_else_cannot_be_used(tmp_path: Path) -> None:
    strange = (
        "lu_table_template (three) { variable_1 : input_net_transition; variable_2 : related_out_slew; "
        'index_1 ("1, 2"); index_2 ("1, 2"); }\n'
    )
    other = cell("NAND2", power=True, rails=False).replace("(NAND2)", "(OTHER)")
    other = other.replace("cell_rise (slew_load)", "cell_rise (three)")
    text = liberty().removesuffix("}\n") + strange + other + "}\n"
    library = read_libraries([written(tmp_path, text)])
    assert not library.cells["NAND2"].unusable
    assert "related_out_slew" in library.cells["OTHER"].unusable


def test_an_unknown_template_is_named(tmp_path: Path) -> None:
    text = liberty().replace("cell_rise (slew_load)", "cell_rise (absent)", 1)
    assert "no lu_table_template 'absent'" in refused(tmp_path, text)


def test_functions_in_all_notations() -> None:
    names = ("A", "B", "C")
    both = truth("A & B", names)
    for text in ("A*B", "A B", "(A' + B')'", "!(!A | !B)"):
        assert (truth(text, names) == both).all(), text
    assert (truth("A ^ B ^ C", names) == truth("(A^B)^C", names)).all()
    assert truth("1", names).all()
    with pytest.raises(FlowError, match="names 'D'"):
        truth("A D", names)
    with pytest.raises(FlowError, match="cannot be read"):
        truth("A &", names)


@pytest.mark.slow
@pytest.mark.parametrize("name", LIBRARIES)
def test_every_usable_cell_of_a_library_has_its_events(name: str, tmp_path: Path) -> None:
    paths = LIBRARIES[name].installed()
    library = read_libraries(paths)
    usable = [each for each in library.cells.values() if not each.unusable]
    assert len(usable) >= 30
    for each in usable:
        events = events_of(each)
        if each.kind == 0 and each.inputs:
            caused = events.arc_of >= 0
            counted = events.output_weights.any(axis=(3, 4))
            assert (counted | ~caused).all(), each.name  # every transition has its energy
