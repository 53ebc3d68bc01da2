"""Small circuits of library cells: as Verilog, for the hand calculation, and as a stimulus of single changes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from hwflow.energy.stimulus import Segment, Stimulus
from tests.hwflow.energy.by_hand import Part


@dataclass(frozen=True)
class Names:
    """What a library calls things: cell and its pins, inputs first, then outputs."""

    paths: tuple[Path, ...]
    source: str  # where a reader gets it
    inverter: tuple[str, ...]
    nand: tuple[str, ...]
    xor: tuple[str, ...]
    and_gate: tuple[str, ...]
    flip_flop: tuple[str, ...]
    adder: tuple[str, ...] = ()

    def installed(self) -> tuple[Path, ...]:
        """`paths`; skips the test where one is missing: real libraries are no part of the repository."""
        for path in self.paths:
            if not path.is_file():
                pytest.skip(f"{path.name} is not installed: {self.source} (docs/energy.md)")
        return self.paths


FOLDER = Path(os.environ.get("HWFLOW_LIBERTY", "no folder named"))
"""Where sky130hd_tt.lib.gz and asap7_*.lib.gz lie (docs/energy.md); tests on a library that is not there skip."""
OSU = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")
ELSEWHERE = "name its folder in HWFLOW_LIBERTY"
LIBRARIES = {
    "osu018": Names(
        (OSU,),
        "Debian's package qflow-tech-osu018 has it",
        ("INVX1", "A", "Y"),
        ("NAND2X1", "A", "B", "Y"),
        ("XOR2X1", "A", "B", "Y"),
        ("AND2X1", "A", "B", "Y"),
        ("DFFPOSX1", "D", "CLK", "Q"),
        ("FAX1", "A", "B", "C", "YC", "YS"),
    ),
    "sky130": Names(
        (FOLDER / "sky130hd_tt.lib.gz",),
        ELSEWHERE,
        ("sky130_fd_sc_hd__inv_1", "A", "Y"),
        ("sky130_fd_sc_hd__nand2_1", "A", "B", "Y"),
        ("sky130_fd_sc_hd__xor2_1", "A", "B", "X"),
        ("sky130_fd_sc_hd__and2_1", "A", "B", "X"),
        ("sky130_fd_sc_hd__dfxtp_1", "D", "CLK", "Q"),
        ("sky130_fd_sc_hd__fa_1", "A", "B", "CIN", "COUT", "SUM"),
    ),
    "asap7": Names(
        tuple(FOLDER / f"asap7_{part}.lib.gz" for part in ("simple", "invbuf", "seq")),
        ELSEWHERE,
        ("INVx1_ASAP7_75t_R", "A", "Y"),
        ("NAND2xp5_ASAP7_75t_R", "A", "B", "Y"),
        ("XOR2xp5_ASAP7_75t_R", "A", "B", "Y"),
        ("AND2x2_ASAP7_75t_R", "A", "B", "Y"),
        ("DFFHQNx1_ASAP7_75t_R", "D", "CLK", "QN"),
        ("FAx1_ASAP7_75t_R", "A", "B", "CI", "CON", "SN"),
    ),
}

Step = tuple[str, int]


@dataclass(frozen=True)
class Circuit:
    """parts: in topological order. inputs: without the clock. outputs: nets. steps: a change of an input, or none."""

    parts: Sequence[Part]
    inputs: Sequence[str]
    outputs: Sequence[str]
    steps: Sequence[Step | None]
    clocked: bool = False

    @property
    def verilog(self) -> str:
        ports = [*(["clk"] if self.clocked else []), *self.inputs]
        nets = {net for _, pins in self.parts for net in pins.values()}
        wires = sorted(nets - {*ports, *self.outputs})
        lines = [f"module t({', '.join([*ports, *self.outputs])});"]
        lines += [f"input {port};" for port in ports] + [f"output {name};" for name in self.outputs]
        lines += [f"wire {wire};" for wire in wires]
        for index, (cell, pins) in enumerate(self.parts):
            connected = ", ".join(f".{pin}({net})" for pin, net in pins.items())
            lines.append(f"{cell} u{index} ({connected});")
        return "\n".join([*lines, "endmodule\n"])

    @property
    def stimulus(self) -> Stimulus:
        """Inputs begin at 0 in a cycle that is not counted; outputs are not compared."""
        values = dict.fromkeys(self.inputs, 0)
        rows = [dict(values)]
        for step in self.steps:
            if step is not None:
                values[step[0]] = step[1]
            rows.append(dict(values))
        ports = {
            name: np.array([[row[name]] for row in rows], dtype=np.uint8) for name in self.inputs
        }
        return Stimulus(ports, {}, (Segment(0, 1, len(rows)),))

    @property
    def events(self) -> list[Step]:
        """The same for the calculation by hand: the clock rises before an input changes, and falls after it."""
        found: list[Step] = []
        for step in self.steps:
            found += [("clk", 1)] if self.clocked else []
            found += [step] if step is not None else []
            found += [("clk", 0)] if self.clocked else []
        return found


def part(names: Sequence[str], *nets: str) -> Part:
    """A cell with nets for its pins in order."""
    return names[0], dict(zip(names[1:], nets, strict=True))


def circuits(names: Names) -> Mapping[str, Circuit]:
    """Every pin of every cell in every state that it can have without two changes at once."""
    pulse = [("a", 1), ("a", 0)] * 4
    two = [("b", 1), *pulse, ("b", 0), *pulse, ("a", 1), *[("b", 1), ("b", 0)] * 4, ("a", 0)]
    two += [("b", 1), ("b", 0)] * 2
    made = {
        "inverters": Circuit(
            [
                part(names.inverter, "a", "n1"),
                part(names.inverter, "n1", "n2"),
                part(names.inverter, "n2", "y"),
            ],
            ["a"],
            ["y"],
            pulse,
        ),
        "nand": Circuit([part(names.nand, "a", "b", "y")], ["a", "b"], ["y"], two),
        "xor": Circuit([part(names.xor, "a", "b", "y")], ["a", "b"], ["y"], two),
        "adder of gates": Circuit(
            [
                part(names.xor, "a", "b", "x"),
                part(names.xor, "x", "c", "y"),
                part(names.nand, "a", "b", "n1"),
                part(names.nand, "x", "c", "n2"),
                part(names.nand, "n1", "n2", "co"),
            ],
            ["a", "b", "c"],
            ["y", "co"],
            [*pulse, ("b", 1), *pulse, ("b", 0), ("c", 1), *pulse, ("c", 0)],
        ),
        "toggling register": Circuit(
            [part(names.flip_flop, "d", "clk", "y")], ["d"], ["y"], [("d", 1), ("d", 0)] * 6, True
        ),
        "resting register": Circuit(
            [part(names.flip_flop, "d", "clk", "y")],
            ["d"],
            ["y"],
            [*[None] * 6, ("d", 1), *[None] * 6, ("d", 0), None],
            True,
        ),
        "gated register": Circuit(
            [part(names.and_gate, "clk", "e", "g"), part(names.flip_flop, "d", "g", "y")],
            ["d", "e"],
            ["y"],
            [*[None] * 4, ("d", 1), ("d", 0), None],
            True,
        ),
    }
    if names.adder:
        steps: list[Step] = []
        for first, second, third in (("a", "b", "c"), ("b", "c", "a"), ("c", "a", "b")):
            steps += [(first, 1), (first, 0)] * 3 + [(second, 1)] + [(first, 1), (first, 0)] * 3
            steps += [(third, 1)] + [(first, 1), (first, 0)] * 3 + [(second, 0)]
            steps += [(first, 1), (first, 0)] * 3 + [(third, 0)]
        made["adder cell"] = Circuit(
            [part(names.adder, "a", "b", "c", "co", "y")], ["a", "b", "c"], ["y", "co"], steps
        )
    return made
