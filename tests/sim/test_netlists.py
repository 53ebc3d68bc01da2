"""Netlists under the benches of the RTL (sim/netlist_benches.py), and faults planted in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hwflow.errors import FlowError
from sim import netlists
from sim.netlist_accelerator import run_accelerator
from sim.netlist_benches import benches, run_bench

QUICK = "binary_pe"
BENCHES = benches()


def flipped(text: str) -> str:
    """`text` with the first LUT4's table inverted: of a bit alone the mapping may know that it does not matter."""
    found = next(
        found
        for found in re.finditer(r"LUT4 #\(\s*\.INIT\(16'h([0-9a-f]{4})\)", text)
        if len(set(found[1])) > 2
    )
    changed = f"{int(found[1], 16) ^ 0xFFFF:04x}"
    return text[: found.start(1)] + changed + text[found.end(1) :]


def test_a_unit(tmp_path: Path) -> None:
    result = run_bench(BENCHES[QUICK], tmp_path)
    assert result.failures == ()
    assert result.passed
    assert result.tests == 2
    assert result.cycles > 50
    assert result.resources.lut4 > 32


def test_a_flipped_lut_is_seen(tmp_path: Path) -> None:
    result = run_bench(BENCHES[QUICK], tmp_path, change=flipped)
    assert not result.passed
    assert result.failures


def test_unknown_family(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETLIST", "ecp9")
    with pytest.raises(FlowError, match=r"NETLIST='ecp9'.*use NETLIST=ecp5"):
        netlists.device_sources({"a.sv": "module a; endmodule"}, "a")


def test_the_environment_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "module gate(input a, input b, output c); assign c = a & b; endmodule\n"
    assert netlists.device_sources({"gate.sv": text}, "gate") == {"gate.sv": text}
    monkeypatch.setenv("NETLIST", "ecp5")
    sources = netlists.device_sources({"gate.sv": text}, "gate")
    assert "LUT4 #(" in sources["gate_netlist.v"]
    assert set(sources) >= {"lut4.v", "dp16kd.v"}


@pytest.mark.slow
@pytest.mark.parametrize("unit", [name for name in BENCHES if name != QUICK])
def test_every_other_unit(unit: str, tmp_path: Path) -> None:
    result = run_bench(BENCHES[unit], tmp_path)
    assert result.failures == ()
    assert result.passed


@pytest.mark.slow
def test_the_whole_accelerator(tmp_path: Path) -> None:
    result = run_accelerator(tmp_path)
    assert result.failures == ()
    assert result.passed
    assert result.cycles > 1000
