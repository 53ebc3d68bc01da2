"""What docs/energy.md states about rails and about OpenSTA, where the libraries and the tool are there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hwflow.energy.delays import analyse
from hwflow.energy.liberty import read_libraries
from rtl_gen.synthesis.liberty import map_to_library
from sim.runner import cache_folder
from tests.hwflow.energy.circuits import LIBRARIES

STA = "sta"
DOUBLING = "2.0.17"
"""The version of OpenSTA that the page speaks of (Debian 12)."""

MULTIPLIER = "module t(input [7:0] x, input [7:0] w, output [15:0] y); assign y = x * w; endmodule"
ACTIVITY = 0.05


def opensta(script: str, folder: Path) -> str:
    (folder / "run.tcl").write_text(script)
    command = [STA, "-exit", "-no_splash", "run.tcl"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


def is_doubling() -> bool:
    if not shutil.which(STA):
        return False
    found = subprocess.run([STA, "-version", "-exit"], capture_output=True, text=True, check=False)
    return DOUBLING in found.stdout


@pytest.mark.slow
@pytest.mark.skipif(not is_doubling(), reason=f"OpenSTA {DOUBLING} is not installed")
def test_opensta_adds_rise_and_fall_where_a_transition_is_one_of_them(tmp_path: Path) -> None:
    """Every net at one activity: load energy agrees, internal energy is twice as high in gates of up to two inputs."""
    (liberty,) = LIBRARIES["osu018"].installed()
    library = read_libraries([liberty], keep=cache_folder())
    mapped = map_to_library(MULTIPLIER, "t", library, keep=cache_folder())
    timing = analyse(mapped)
    (tmp_path / "netlist.v").write_text(mapped.verilog)
    slew = timing.conditions.input_slew * 1e9
    printed = opensta(
        f"""read_liberty {liberty}
read_verilog netlist.v
link_design t
create_clock -name c -period 10
set_input_transition {slew} [all_inputs]
set_input_delay 0.1 -clock c [all_inputs]
::sta::set_power_global_activity {ACTIVITY} 0.5
report_power -digits 8 -instances [get_cells *]
""",
        tmp_path,
    )
    rows = [line.split() for line in printed.splitlines()]
    theirs = {
        row[4]: (float(row[0]), float(row[1]))
        for row in rows
        if row[-1:] and row[-1].startswith("c_")
    }
    assert len(theirs) == len(mapped.instances)
    internal = {1: [0.0, 0.0], 2: [0.0, 0.0], 3: [0.0, 0.0], 4: [0.0, 0.0]}
    load = [0.0, 0.0]
    for each in mapped.instances:
        (out,) = each.outputs
        reported, switching = theirs[each.name]
        if not mapped.loads[out]:
            continue
        density = ACTIVITY / 10e-9  # transitions a second
        load[0] += density * mapped.loads[out] * library.voltage**2 / 2
        load[1] += switching
        groups = each.cell.outputs[0].power
        means: list[float] = []
        for power in groups:
            pin = [p.name for p in each.cell.inputs].index(power.related[0])
            rise, fall = timing.slews[each.inputs[pin]]
            assert power.rise and power.fall
            pair = power.rise.at(rise, mapped.loads[out]) + power.fall.at(fall, mapped.loads[out])
            means.append(pair / 2)
        internal[len(each.inputs)][0] += density * sum(means) / len(means)
        internal[len(each.inputs)][1] += reported
    assert load[1] / load[0] == pytest.approx(
        1, abs=0.002
    )  # it takes the pins' capacitances per edge
    ratio = {inputs: pair[1] / pair[0] for inputs, pair in internal.items()}
    assert ratio[1] == pytest.approx(2, rel=0.01)
    assert ratio[2] == pytest.approx(2, rel=0.01)
    assert ratio[3] > 2.5 and ratio[4] == pytest.approx(4, rel=0.01)
    total = [sum(pair[side] for pair in internal.values()) for side in (0, 1)]
    assert 2.2 < total[1] / total[0] < 2.5, total[1] / total[0]


@pytest.mark.slow
def test_rails_hold_a_half_each() -> None:
    """ASAP7: both rails see the same charge; a buffer cannot take less than charging its own second stage."""
    paths = LIBRARIES["asap7"].installed()
    library = read_libraries(paths, keep=cache_folder())

    def pulse(name: str) -> dict[str, float]:
        """Rise and fall together, J, by rail; 10 ps and 5.76 fF."""
        found: dict[str, float] = {}
        for power in library.cells[f"{name}_ASAP7_75t_R"].pins["Y"].power:
            assert power.rise and power.fall
            at = (10e-12, 5.76e-15)
            found[power.rail] = found.get(power.rail, 0) + power.rise.at(*at) + power.fall.at(*at)
        return found

    for name in ("BUFx2", "BUFx4", "BUFx8", "BUFx24"):
        rails = pulse(name)
        assert rails["VDD"] == pytest.approx(rails["VSS"], rel=0.01)
    unit = library.cells["INVx13_ASAP7_75t_R"].pins["A"].capacitance / 13
    second_stage = 24 * unit * library.voltage**2
    stages = second_stage + sum(pulse("INVx13").values()) * 24 / 13 + sum(pulse("INVx4").values())
    assert pulse("BUFx24")["VDD"] < second_stage
    assert sum(pulse("BUFx24").values()) == pytest.approx(stages, rel=0.05)
