"""Toggles of every net against Icarus, an independent event-driven simulator, with one delay per output and edge."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwflow.energy.delays import StaticTiming, analyse
from hwflow.energy.liberty import read_libraries
from hwflow.energy.netlist import MappedUnit
from hwflow.energy.stimulus import Segment, Stimulus
from rtl_gen.synthesis.liberty import map_to_library
from sim.gates import simulate
from sim.runner import cache_folder
from tests.hwflow.energy.small_library import FUNCTION, liberty

MULTIPLIER = """module multiply(input clk, input [3:0] a, input [3:0] b, output reg [8:0] y);
  reg [3:0] x, w;
  reg odd = 1;
  always @(posedge clk) begin x <= a; w <= b; odd <= !odd; y <= x * w + odd; end
endmodule
"""
CYCLES, WARM_UP = 200, 3


def one_delay(timing: StaticTiming) -> StaticTiming:
    """All arcs of a cell with the delays of the slowest, which a continuous assignment can have."""
    slowest = tuple(
        tuple(max(pair[edge] for pair in arcs) for edge in (0, 1)) for arcs in timing.delays
    )
    delays = tuple(
        tuple((pair[0], pair[1]) for _ in arcs)
        for arcs, pair in zip(timing.delays, slowest, strict=True)
    )
    return replace(timing, delays=delays)


def bench_text(
    mapped: MappedUnit, timing: StaticTiming, stimulus: Stimulus, unit: float, period: float
) -> str:
    """Cells as delayed assignments, in time steps of `unit`; prints the toggles of every net, one a line."""
    count = len(mapped.nets)
    lines = ["module bench;", f"reg counting = 0; integer toggles [0:{count - 1}];"]
    clock = mapped.clock
    driven = {net for nets in mapped.inputs.values() for net in nets} | {clock}
    for net in range(count):
        initial = {0: " = 0", 1: " = 1"}.get(net, " = 1" if net == clock else "")
        lines.append(f"{'reg' if net in driven else 'wire'} n{net}{initial};")
        lines.append(f"always @(n{net}) if (counting) toggles[{net}] = toggles[{net}] + 1;")
    for index, each in enumerate(mapped.instances):
        nets = dict(zip((pin.name for pin in each.cell.inputs), each.inputs, strict=True))
        rise, fall = (max(1, round(value / unit)) for value in timing.delays[index][0])
        source = f"q{index}"
        if each.cell.sequential:
            lines.append(
                f"reg q{index} = 0; always @(posedge n{nets['CLK']}) q{index} = n{nets['D']};"
            )
        else:
            source = FUNCTION[each.cell.name].replace("A B", "A & B").replace("*", "&")
            for pin, net in nets.items():
                source = source.replace(pin, f"n{net} ")
        lines.append(f"assign #({rise}, {fall}) n{each.outputs[0]} = {source};")
    steps, arrival = round(period / unit), round(timing.conditions.input_arrival / unit)
    columns = [
        (net, name, bit) for name, nets in mapped.inputs.items() for bit, net in enumerate(nets)
    ]

    def drive(row: int) -> str:
        return " ".join(f"n{net} = {stimulus.ports[name][row, bit]};" for net, name, bit in columns)

    lines += ["integer i;", "initial begin", drive(0), f"#{steps // 2} n{clock} = 0;"]
    for row in range(1, CYCLES):
        # The edge that ends a cycle comes a whole number of steps after the last edge.
        lines.append(f"#{steps - steps // 2}")
        if row == WARM_UP:
            lines.append(f"for (i = 0; i < {count}; i = i + 1) toggles[i] = 0; counting = 1;")
        lines.append(f"n{clock} = 1; #{arrival} {drive(row)} #{steps // 2 - arrival} n{clock} = 0;")
    lines.append(f"#{steps - steps // 2} counting = 0;")
    lines.append(f'for (i = 0; i < {count}; i = i + 1) $display("%0d", toggles[i]); $finish; end')
    return "\n".join([*lines, "endmodule\n"])


@pytest.mark.skipif(not shutil.which("iverilog"), reason="iverilog is not installed")
def test_toggles_of_every_net_are_those_of_icarus(tmp_path: Path) -> None:
    path = tmp_path / "small.lib"
    path.write_text(liberty())
    mapped = map_to_library(MULTIPLIER, "multiply", read_libraries([path]), keep=cache_folder())
    timing = one_delay(analyse(mapped))
    bits = np.random.default_rng(5).integers(0, 2, (2, CYCLES, 4)).astype(np.uint8)
    stimulus = Stimulus({"a": bits[0], "b": bits[1]}, {}, (Segment(0, WARM_UP, CYCLES),))
    period = timing.critical * 1.2
    activity = simulate(mapped, stimulus, period=period, timing=timing, compare=False)
    bench = tmp_path / "bench.v"
    bench.write_text(bench_text(mapped, timing, stimulus, activity.unit, period))
    compiled = tmp_path / "bench.vvp"
    subprocess.run(["iverilog", "-g2005", "-o", compiled, bench], check=True)
    printed = subprocess.run(["vvp", "-n", compiled], check=True, capture_output=True, text=True)
    counts = [int(line) for line in printed.stdout.split()]
    mine = activity.segments[0].toggles
    assert sum(counts) > 10 * CYCLES
    assert counts == mine.tolist()
    assert activity.segments[0].filtered > 0
