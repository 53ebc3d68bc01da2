"""The table of docs/energy.md is that of the files beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [f"{name}{wire}" for name in ("osu018", "sky130", "asap7") for wire in ("", "-wired")]


def rows() -> dict[str, list[float]]:
    """Row of the table -> its figures, library by library."""
    found: dict[str, list[float]] = {}
    for line in (ROOT / "docs/energy.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 8 and (cells[0].startswith("one bit") or "x" in cells[0]):
            found[cells[0]] = [float(cell) for cell in cells[2:]]
    return found


@pytest.mark.parametrize("name", FILES)
def test_figures_are_those_of_the_files(name: str) -> None:
    table, column = rows(), FILES.index(name)
    widths = json.loads((ROOT / "bench/widths" / f"{name}.json").read_text())["widths"]
    assert table["one bit, datapath, pJ"][column] == pytest.approx(
        widths[0]["datapath"]["mean"] * 1e12, rel=0.005
    )
    for each in widths[1:]:
        label = f"{each['width']}x{each['width']}"
        datapath, everything = (
            table[f"{label}, {part}"][column] for part in ("datapath", "everything")
        )
        assert datapath == pytest.approx(each["over_first"]["value"], rel=0.005)
        assert everything == pytest.approx(each["total_over_first"]["value"], rel=0.006)
        assert 0.90 < each["over_first"]["value"] / each["ace"] < 1.22


@pytest.mark.parametrize("name", FILES)
def test_glitches_are_those_of_the_files(name: str) -> None:
    page = (ROOT / "docs/energy.md").read_text()
    row = next(line for line in page.splitlines() if line.startswith("| share of glitches"))
    shown = row.strip("|").split("|")[2 + FILES.index(name)].strip(" %").split(" / ")
    widths = json.loads((ROOT / "bench/widths" / f"{name}.json").read_text())["widths"]
    assert [int(each) for each in shown] == [round(100 * each["glitches"]) for each in widths]
    assert all(0.285 <= each["glitches"] < 0.615 for each in widths)  # "29 to 61%"


@pytest.mark.parametrize("name", FILES[:4])  # those of ASAP7 are older
def test_a_file_says_where_it_is_from(name: str) -> None:
    record = json.loads((ROOT / "bench/widths" / f"{name}.json").read_text())
    assert record["command"].startswith("hwflow energy widths --liberty ")
    assert ("--wire" in record["command"]) == name.endswith("-wired") == (record["wire"] > 0)
    assert record["operand_bits"] == 64 and record["tools"]["yosys"]
    assert all(len(digest) == 64 for digest in record["sources"].values())
