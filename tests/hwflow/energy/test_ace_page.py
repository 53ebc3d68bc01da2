"""The tables of docs/ace-and-energy.md and README.md are those of the files in bench."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hwflow.cli.energy.network import constants
from hwflow.energy.characterisation import load
from hwflow.energy.comparison import ACCOUNTINGS, Comparison, compare
from hwflow.energy.network import network_energy
from hwflow.energy.statistics import Bounds
from hwflow.energy.work import Work

ROOT = Path(__file__).parents[3]
BENCH = ROOT / "bench"
PAGE = ROOT / "docs/ace-and-energy.md"
LIBRARIES = ("osu018", "sky130", "asap7")
PRECISIONS = ("4x4", "8x8", "bf16")
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e\+\d+)?")


def rows(page: Path, head: str) -> list[list[str]]:
    """Cells of the table whose first line begins with `head`, without its head."""
    lines = page.read_text(encoding="utf-8").splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.startswith(head))
    found: list[list[str]] = []
    for line in lines[at + 2 :]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def agrees(cells: Sequence[str], values: Sequence[float]) -> bool:
    """Whether the numbers in the cells are the values, rounded to as many digits as are shown."""
    shown = [Decimal(each.replace(",", "")) for each in NUMBER.findall(" ".join(cells))]
    return len(shown) == len(values) and all(
        abs(float(number) - value) <= 0.501 * 10.0 ** int(number.as_tuple().exponent)
        for number, value in zip(shown, values, strict=True)
    )


def three(bounds: Bounds, scale: float = 1.0) -> list[float]:
    assert bounds.low is not None and bounds.high is not None
    return [scale * each for each in (bounds.value, bounds.low, bounds.high)]


@pytest.fixture(scope="module")
def names() -> dict[str, str]:
    """Name of a library in its file -> name on the page."""
    return {load(BENCH / f"energy/{each}.json").library.name: each for each in LIBRARIES}


@pytest.fixture(scope="module")
def found() -> Comparison:
    libraries = [load(BENCH / f"energy/{each}.json") for each in LIBRARIES]
    works = [Work.load(path) for path in sorted((BENCH / "energy/work").glob("*.json"))]
    networks = [
        network_energy(work, each, constants(each, None)) for work in works for each in libraries
    ]
    return compare(libraries, networks)


def test_a_wrong_figure_is_seen() -> None:
    assert agrees(["18.3", "1,188 [-0.5, 4.52e+04]"], [18.27, 1188.4, -0.46, 45203])
    assert not agrees(["18.4"], [18.27])
    assert not agrees(["4.52e+04"], [45303])
    assert not agrees(["18"], [18, 19])


def test_energies_of_a_mac(found: Comparison, names: dict[str, str]) -> None:
    shown = rows(PAGE, "| library | operands | counted |")[1:]
    ratios = {
        (names[x.library], x.operands, x.accounting, x.precision): x for x in found.precisions
    }
    powers = {(names[x.library], x.operands, x.accounting): x for x in found.exponents}
    assert len(shown) == len(powers) == 18
    for library, operands, accounting, *cells in shown:
        key = (library, operands, accounting)
        values = [1e15 * ratios[(*key, "1x1")].energy.mean]
        for precision in PRECISIONS:
            values += three(ratios[(*key, precision)].ratio)
        assert agrees(cells, [*values, powers[key].exponent.value]), key


def sentence(begins: str) -> str:
    """The paragraph or bullet of the page that holds `begins`, from there on."""
    text = PAGE.read_text(encoding="utf-8")
    return text[text.index(begins) :].partition("\n- ")[0].replace("\n", " ")


def test_intervals_of_the_exponent(found: Comparison) -> None:
    bounds = [three(each.exponent) for each in found.exponents]
    halves = [(high - low) / 2 for _, low, high in bounds]
    shown = re.findall(r"\+-(\d\.\d\d)", sentence("- b has 95% intervals"))
    assert agrees(shown, [min(halves), max(halves)])
    assert all(low <= 1 <= high for _, low, high in bounds)


def test_what_registers_do_to_the_ratio_of_8x8(found: Comparison) -> None:
    def spread(operands: str, accounting: str) -> list[float]:
        ratios = [
            row.ratio.value
            for row in found.precisions
            if (row.operands, row.accounting, row.precision) == (operands, accounting, "8x8")
        ]
        return [min(ratios), max(ratios)]

    up, down = sentence("registers and clock 8x8 goes up to").split("64 binary MACs share")
    alone, with_clock, whole = ACCOUNTINGS
    recorded = spread("recorded", alone) + spread("recorded", with_clock)
    assert agrees(re.findall(r"\d+ to \d+", up), [*spread("random", with_clock), *recorded])
    shown = re.findall(r"\d+ to \d+", down)[:2]
    assert agrees(shown, [*spread("random", whole), *spread("recorded", whole)])
    for operands in ("random", "recorded"):
        assert spread(operands, whole)[1] < spread(operands, alone)[0]
        assert spread(operands, alone)[0] < spread(operands, with_clock)[0]


def test_readme(found: Comparison, names: dict[str, str]) -> None:
    shown = rows(ROOT / "README.md", "| library ([what is counted]")
    assert [library for library, *_ in shown] == list(LIBRARIES)
    for library, *cells in shown:
        values = [
            row.ratio.value
            for precision in PRECISIONS
            for accounting in (ACCOUNTINGS[0], ACCOUNTINGS[-1])
            for row in found.precisions
            if (names[row.library], row.operands, row.accounting, row.precision)
            == (library, "random", accounting, precision)
        ]
        assert agrees(cells, values), library


def test_layers(found: Comparison, names: dict[str, str]) -> None:
    shown = rows(PAGE, "| network on target | scope |")
    fits = {(f"{x.network} on {x.target}", x.scope, names[x.library]): x for x in found.fits}
    assert len(shown) == 8
    for network, scope, *cells in shown:
        of = [fits[network, scope, library] for library in ("asap7", "osu018", "sky130")]
        values = [each for fit in of for each in three(fit.per_ace, 1e15)]
        for fit in of:
            assert fit.ranks is not None
            values += [*three(fit.ranks.spearman), fit.worst]
        assert agrees(cells, values), (network, scope)


def test_shares(found: Comparison, names: dict[str, str]) -> None:
    shown = rows(PAGE, "| network | library | µJ an image |")
    shares = {(x.network, names[x.library]): x for x in found.shares}
    assert len(shown) == len(shares) == 12
    for network, library, *cells in shown:
        row = shares[network, library]
        percent = [100 * each for each in (*row.shares.values(), row.counted_of_logic)]
        assert agrees(cells, [1e6 * row.joules, *percent]), (network, library)


def checks(unit: str) -> dict[str, list[dict[str, Any]]]:
    """Layer -> what `hwflow energy check --json` said of its elements."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in json.loads((BENCH / f"layers/osu018-{unit}.json").read_text(encoding="utf-8")):
        found[each["layer"].removeprefix("resblock")].append(each)
    return found


def difference(elements: Sequence[dict[str, Any]]) -> float:
    direct, predicted = (
        sum(x[side]["total"] for x in elements) for side in ("direct", "predicted")
    )
    return 100 * (predicted / direct - 1)


def slot(elements: Sequence[dict[str, Any]]) -> float:
    """Energy of the datapath in a slot, fJ."""
    return (
        1e15
        * sum(x["direct"]["datapath"] for x in elements)
        / sum(x["operations"] for x in elements)
    )


def test_whole_layers() -> None:
    shown = rows(PAGE, "| layers | inputs with a channel |")
    binary, wide = checks("binary_pe"), checks("mac8_pe")
    groups = [
        {name for name in binary if name[0] in blocks and name[-1] != "1"}
        for blocks in ("01", "23")
    ]
    groups.append(binary.keys() - groups[0] - groups[1])
    for cells, group in zip(shown, groups, strict=False):
        elements = [binary[name] for name in group]
        spread = [f(map(of, elements)) for of in (slot, difference) for f in (min, max)]
        assert agrees(cells[2:], spread), cells
    every = [each for elements in binary.values() for each in elements]
    sums = [1e9 * sum(x[side]["total"] for x in every) for side in ("predicted", "direct")]
    assert agrees(shown[3][2:], [slot(every), difference(every), *sums])
    assert agrees(shown[4][2:], [difference(elements) for elements in wide.values()])
    assert sum(each["inside"] for each in every) == 1 and len(every) == 72
