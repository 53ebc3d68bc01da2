"""The resource model against synthesis: designs that no fit saw, and records that are not what they say."""

import dataclasses
import importlib.resources
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import bench
from hwflow.errors import FlowError
from hwflow.explore.calibration import calibrate, compare, save_coefficients
from hwflow.explore.features import (
    COUNTER_CELLS,
    COUNTER_LUTS,
    COUNTER_REGISTERS,
    LUT_COUNTER_REGISTERS,
    UNITS,
)
from hwflow.explore.records import Cells, Record, load_record, load_records, save_record
from hwflow.explore.resources import COEFFICIENTS, coefficients, estimate
from rtl_gen.synthesis.carry_popcount import differences
from rtl_gen.synthesis.ecp5 import ROUTED_WIRE_PS, Options, synthesise

RECORDS = Path(bench.__file__).parent / "resources" / "records"
BAR = 0.1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The records, to be damaged."""
    copy = tmp_path / "records"
    shutil.copytree(RECORDS, copy)
    return copy


def altered(folder: Path, name: str, change: Callable[[Record], Record]) -> None:
    path = folder / f"{name}.json"
    save_record(path, change(load_record(path)))


def with_more(record: Record, **cells: int) -> Record:
    """Its control with more cells."""
    units = {**record.units, "loader": record.units["loader"] + Cells(**cells)}
    return dataclasses.replace(record, units=units)


def held_out() -> dict[str, Record]:
    return {
        name: record
        for name, record in load_records(RECORDS).items()
        if record.held_out and record.part == "board"
    }


@pytest.mark.parametrize("name", held_out())
def test_no_held_out_design_is_further_off_than_the_bar(name: str) -> None:
    found = compare(held_out()[name], coefficients())
    assert found.worst <= BAR, found.errors
    assert found.errors["block_rams"] == found.errors["multipliers"] == 0


def test_the_targets_for_boards_are_held_out() -> None:
    assert {"ecp5-25f", "ulx3s-85f"} <= held_out().keys()
    assert not held_out().keys() & coefficients().records.keys()


def test_the_shipped_calibration_is_that_of_the_records(tmp_path: Path) -> None:
    save_coefficients(tmp_path / "again.json", calibrate(RECORDS))
    assert (tmp_path / "again.json").read_bytes() == COEFFICIENTS.read_bytes()


def test_there_are_no_more_coefficients_than_records_that_tell_of_them() -> None:
    made, records = coefficients(), load_records(RECORDS)
    for values in (made.logic, made.registers):
        for unit, found in values.items():
            telling = [name for name in made.records if records[name].part == UNITS[unit]]
            assert 0 < len(found) <= len(telling), unit


def test_the_page_counts_the_designs_that_units_were_fitted_to() -> None:
    page = (Path(bench.__file__).parent.parent / "docs" / "explore.md").read_text()
    records = load_records(RECORDS)
    fitted = Counter(records[name].part for name in coefficients().records)
    rows = {
        "8-bit array": "front_end.mac_array",
        "features": "front_end.features",
        "binary array": "front_end",
        "lanes": "back_end",
        "control": "board",
    }
    for unit, part in rows.items():
        line = next(line for line in page.splitlines() if line.startswith(f"| {unit}"))
        assert int(line.split("|")[-2]) == fitted[part], unit


def test_a_wrong_count_of_block_rams_is_found(folder: Path) -> None:
    altered(folder, "least", lambda record: with_more(record, ebr=1))
    with pytest.raises(FlowError, match=r"least\.json: 47 block RAMs, but its design has 46; syn"):
        calibrate(folder)


def test_a_wrong_count_of_multipliers_is_found(folder: Path) -> None:
    altered(folder, "ecp5-25f", lambda record: with_more(record, mult=2))
    with pytest.raises(FlowError, match="76 multipliers, but its design has 74"):
        calibrate(folder)


def test_a_record_of_another_design_is_found(folder: Path) -> None:
    shutil.copy(folder / "ulx3s-85f.json", folder / "ecp5-25f.json")
    with pytest.raises(FlowError, match="is of a design named ulx3s-85f"):
        calibrate(folder)


def test_a_record_with_the_cells_of_another_design_is_found(folder: Path) -> None:
    units = load_record(folder / "ulx3s-85f.json").units
    altered(folder, "least", lambda record: dataclasses.replace(record, units=units))
    with pytest.raises(FlowError, match="but its design has"):
        calibrate(folder)


def test_a_record_that_fits_no_other_is_found(folder: Path) -> None:
    def doubled(record: Record) -> Record:
        units = {path: cells + Cells(lut4=cells.lut4) for path, cells in record.units.items()}
        return dataclasses.replace(record, units=units)

    altered(folder, "front_end.mac_array.rows-8", doubled)
    with pytest.raises(FlowError, match=r"mac_array\.\S+\.json: the fit misses it by \d+%"):
        calibrate(folder)


@pytest.mark.parametrize(("width", "stages"), COUNTER_CELLS)
def test_cells_of_popcounts(width: int, stages: int) -> None:
    text = differences(width, delay=stages - 1)
    assert text.count("CCU2C #(") == COUNTER_CELLS[width, stages]
    if stages == 2:
        assert f"reg [{COUNTER_REGISTERS[width] - 1}:0]" in text


@pytest.mark.parametrize("width", COUNTER_LUTS)
def test_luts_of_popcounts(width: int) -> None:
    bits = width.bit_length()
    text = (importlib.resources.files("rtl_gen") / "differences.sv").read_text()
    text += (
        f"module top(input clk, input [{width - 1}:0] a, b, output [{bits - 1}:0] n);"
        f" hwflow_differences #({width}, {bits}, 1) count(clk, a, b, n); endmodule\n"
    )
    options = Options(free_constants=True, wire_ps=ROUTED_WIRE_PS)
    made = synthesise(text, "top", options).resources
    assert (made.luts, made.ff) == (COUNTER_LUTS[width], LUT_COUNTER_REGISTERS[width])


def test_records_of_two_versions_of_yosys_are_not_mixed(folder: Path) -> None:
    def older(record: Record) -> Record:
        return dataclasses.replace(record, tools=dataclasses.replace(record.tools, yosys="0.9"))

    altered(folder, "least", older)
    with pytest.raises(FlowError, match=r"records of Yosys 0\.70, 0\.9; synthesise all"):
        calibrate(folder)


def test_too_few_records_are_refused(folder: Path) -> None:
    for path in folder.glob("back_end.*.json"):
        path.unlink()
    with pytest.raises(FlowError, match="synthesise more designs"):
        calibrate(folder)
    for path in folder.glob("*.json"):
        path.unlink()
    with pytest.raises(FlowError, match=r"no records; make them with python -m bench\.resources"):
        calibrate(folder)


def test_a_damaged_record_is_named(folder: Path) -> None:
    path = folder / "least.json"
    path.write_text(path.read_text()[:-100])
    with pytest.raises(FlowError, match=r"least\.json: not JSON"):
        calibrate(folder)


def test_another_calibration_may_be_used() -> None:
    made = coefficients()
    doubled = dataclasses.replace(made, distributed=2 * made.distributed)
    config = load_record(RECORDS / "least.json").config()
    more = estimate(config, using=doubled).lut4 - estimate(config).lut4
    assert more == 6 * made.distributed
