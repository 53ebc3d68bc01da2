"""Synthesis for Lattice ECP5: netlists for place and route and for simulation, and the cells of every unit."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rtl_gen.synthesis.constant_inputs import free_constant_inputs
from rtl_gen.synthesis.dsp_registers import pack_registers
from rtl_gen.synthesis.resources import Resources, cells_by_unit
from rtl_gen.synthesis.yosys import LOG, Progress, run_yosys, yosys_version

DESIGN, JSON, VERILOG, MAPPING = "design.sv", "netlist.json", "netlist.v", "mapping.abc"

FAMILY = "ecp5"

ROUTED_WIRE_PS = 1000
"""`Options.wire_ps` for designs that are routed: about what a wire takes in one of 4,096 binary MACs."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to synthesise; the defaults are what the array wants.

    wide_luts: use the muxes that join LUT4s to wider ones. On ECP5 they cost a popcount twice its LUT4s.
    no_rw_check: no read of any memory ever meets a write of the same address in the same cycle, or nobody uses what is
        read then: leave out the registers and comparators that give the old word. The simulation's models give a wrong
        word in such a cycle, so netlists can be tested for it.
    dsp_registers: flip-flops around multipliers go into them (rtl_gen/synthesis/dsp_registers.py), in the JSON and the
        counts; the Verilog has them outside.
    free_constants: no input that is 0 needs routing where that can be had (rtl_gen/synthesis/constant_inputs.py), in the
        JSON and the counts; the Verilog is as it was.
    wire_ps: what a wire between two LUTs is taken to cost when logic is mapped to them, ps, in two rounds of mapping;
        None: one round with Yosys's 300 ps. Nearer to the truth, the slowest paths have fewer LUTs (docs/board.md).
    keep: patterns of modules whose hierarchy stays (Yosys selections, as `*pe*`): exact counts, no optimisation across.
    prepare: further Yosys commands, run when the design is read, before synthesis.
    """

    wide_luts: bool = False
    no_rw_check: bool = False
    dsp_registers: bool = False
    free_constants: bool = False
    wire_ps: int | None = None
    keep: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """A synthesised design.

    Attributes:
        top: the top module.
        json: Yosys's JSON, for nextpnr.
        verilog: the same netlist as Verilog, for simulation.
        cells: counts of cell types by unit (rtl_gen/synthesis/resources.py).
        yosys: Yosys's version.
        log: Yosys's log.
    """

    top: str
    json: bytes = field(repr=False)
    verilog: str = field(repr=False)
    cells: dict[str, Counter[str]] = field(repr=False)
    yosys: str
    log: bytes = field(repr=False, compare=False)

    @property
    def total(self) -> Counter[str]:
        """Counts of cell types of the whole design."""
        return sum(self.cells.values(), Counter())

    @property
    def resources(self) -> Resources:
        """What the whole design takes."""
        return Resources.of(self.total)


def commands(top: str, options: Options) -> list[str]:
    """The Yosys commands that make `netlist.json` and `netlist.v` of `design.sv`."""
    switches = [
        *([] if options.wide_luts else ["-nowidelut"]),
        *(["-no-rw-check"] if options.no_rw_check else []),
    ]
    return [
        f"read_verilog -sv {DESIGN}",
        # Cells of the family may be named; synth_ecp5 knows and checks them.
        f"hierarchy -top {top}",
        *(f"setattr -mod -set keep_hierarchy 1 {pattern}" for pattern in options.keep),
        *options.prepare,
        *_synthesis(" ".join(["synth_ecp5", *switches, "-top", top]), options),
        # Source locations hold paths of the machine: without them the same design gives the same bytes anywhere.
        "setattr -unset src -unset cell_src -unset module_src a:src a:cell_src a:module_src %u %u",
        "setattr -mod -unset src A:src",
        f"write_json {JSON}",
        f"write_verilog -noattr {VERILOG}",
    ]


def _synthesis(command: str, options: Options) -> list[str]:
    """`synth_ecp5`, its step `map_luts` (`help synth_lattice`) with `wire_ps` if that is given."""
    if options.wire_ps is None:
        return [command]
    return [
        f"{command} -run begin:map_luts",
        "check -latchonly -assert",
        "techmap -map +/lattice/latches_map.v",
        f"abc9 -script {MAPPING}{'' if options.wide_luts else ' -maxlut 4'}",
        "clean",
        f"{command} -run map_cells:",
    ]


def mapping(wire_ps: int) -> str:
    """What ABC does to map logic to LUTs: Yosys's own script for that, and again what it found, mapped anew."""
    once = f"&dch -f -r; &if -W {wire_ps}; &mfs"
    return f"&scorr; &sweep; &dc2; {once}; &st; {once}\n"


def synthesise(
    text: str,
    top: str,
    options: Options | None = None,
    *,
    progress: Progress | None = None,
) -> Synthesis:
    """Synthesise SystemVerilog `text` with top module `top` for ECP5; same text, same options: same bytes.

    Raises:
        FlowError: Yosys is not installed, or does not accept the design.
    """
    chosen = options or Options()
    with tempfile.TemporaryDirectory(prefix="hwflow-synthesis-") as name:
        folder = Path(name)
        inputs = {DESIGN: text}
        if chosen.wire_ps is not None:
            inputs[MAPPING] = mapping(chosen.wire_ps)
        run_yosys(commands(top, chosen), folder, inputs=inputs, progress=progress)
        netlist = _without_library(json.loads((folder / JSON).read_bytes()))
        if chosen.dsp_registers:
            pack_registers(netlist["modules"][top])
        if chosen.free_constants:
            free_constant_inputs(netlist["modules"][top])
        return Synthesis(
            top=top,
            json=json.dumps(netlist, separators=(",", ":")).encode(),
            verilog=_without_heading((folder / VERILOG).read_text()),
            cells=cells_by_unit(netlist, top),
            yosys=yosys_version(),
            log=(folder / LOG).read_bytes(),
        )


def _without_library(netlist: dict[str, Any]) -> dict[str, Any]:
    """Without the descriptions of the family's cells: a megabyte that nobody reads."""
    modules = {
        name: module
        for name, module in netlist["modules"].items()
        if "blackbox" not in module["attributes"]
    }
    return {**netlist, "modules": modules}


def _without_heading(verilog: str) -> str:
    """Without the comment that names the build of Yosys."""
    return verilog.partition("*/\n")[2].lstrip("\n") if verilog.startswith("/*") else verilog
