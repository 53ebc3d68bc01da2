"""ACE's law by itself: what is measured is a sum of products, and what the command says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hwflow.energy.liberty import read_libraries
from hwflow.errors import FlowError
from rtl_gen.instances import emit
from rtl_gen.multiply_accumulate import MultiplyAccumulate
from sim.gates.widths import measure, stimulus
from sim.runner import cache_folder
from tests.hwflow.command_line import hwflow, refused
from tests.hwflow.energy.small_library import liberty


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "small.lib"
    path.write_text(liberty())
    return path


def made(width: int, terms: int) -> MultiplyAccumulate:
    """A design that is also elaborated: Amaranth warns of one that is not."""
    design = MultiplyAccumulate(width, terms)
    emit(design, "made")
    return design


def test_expected_sums_are_sums_of_products() -> None:
    """Two signed products of 3 bits a cycle, by hand; one bit: equal pairs."""
    design = made(3, 2)
    driven = stimulus(design, segments=1, cycles=5, seed=3)
    weights = np.array([1, 2, -4])
    a, b = (driven.ports[name].astype(int).reshape(-1, 2, 3) @ weights for name in "ab")
    total = driven.expected["total"].astype(int) @ (1 << np.arange(design.sum_bits))
    assert total[3] == 0  # cleared in cycle 2
    for cycle in range(4, 8):
        wanted = sum(int(a[i] @ b[i]) for i in range(2, cycle - 1))
        assert total[cycle] == wanted % (1 << design.sum_bits)
    bits = stimulus(made(1, 8), segments=1, cycles=2, seed=3)
    assert bits.expected["total"][4] @ (1 << np.arange(13)) == np.sum(
        bits.ports["a"][2] == bits.ports["b"][2]
    )


def test_every_width_is_simulated_equal_and_counted(library: Path) -> None:
    found = measure(
        read_libraries([library]), widths=(1, 2, 4), operand_bits=4, cycles=30, keep=cache_folder()
    )
    first, second, third = found.widths
    assert first.over_first.value == first.total_over_first.value == 1
    assert [each.ace for each in found.widths] == [1, 4, 16]
    assert [each.terms for each in found.widths] == [4, 2, 1]
    assert first.datapath.mean < second.datapath.mean < third.datapath.mean
    for each in found.widths:
        assert each.datapath.low < each.datapath.mean < each.total.mean
        assert 0 < each.glitches < 1
        ratio = each.over_first
        assert ratio.low is not None and ratio.high is not None
        assert ratio.low <= ratio.value <= ratio.high
    heavier = measure(
        read_libraries([library]),
        widths=(1,),
        operand_bits=4,
        cycles=30,
        wire=5e-15,
        keep=cache_folder(),
    )
    assert heavier.widths[0].datapath.mean > first.datapath.mean
    assert heavier.widths[0].cells == first.cells


def test_widths_that_do_not_divide_are_refused(library: Path) -> None:
    with pytest.raises(FlowError, match="width 3 does not divide 4"):
        measure(read_libraries([library]), widths=(3,), operand_bits=4)


def test_the_command_prints_and_writes_the_same(library: Path, tmp_path: Path) -> None:
    out = tmp_path / "widths.json"
    words = ["energy", "widths", "--liberty", str(library), "--width", "1", "--width", "2"]
    options = ["--operand-bits", "2", "--cycles", "20"]
    done = hwflow(*words, *options, "--json", "--out", str(out), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(out.read_bytes())
    assert json.loads(done.stdout)["evidence"] == "gate-level"
    odd = hwflow(*words, "--operand-bits", "3", cwd=tmp_path)
    assert "width 2 does not divide 3" in refused(odd)
    absent = hwflow("energy", "widths", "--liberty", "absent.lib", cwd=tmp_path)
    assert "absent.lib: cannot be read" in refused(absent)
