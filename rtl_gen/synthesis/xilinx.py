"""Estimates for Xilinx UltraScale+ by Yosys: what each unit takes by itself, nothing placed or routed.

The hierarchy stays: a module that is instantiated often is synthesised once, and nothing is optimised across units. So a
design of any size takes minutes, and the counts are somewhat high.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from rtl_gen.synthesis.resources import cells_by_unit
from rtl_gen.synthesis.yosys import Progress, run_yosys, yosys_version

EVIDENCE = "estimate (Yosys, not post-route)"
DESIGN, NETLIST = "design.sv", "netlist.json"

_LUT_MEMORIES = {"RAM16X1D": 2, "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM256X1D": 8}
"""LUTs of distributed memories with one bit of data. Source: AMD UG974, UltraScale libraries guide."""
_LUT_MEMORY_GROUPS = {"RAM32M": 4, "RAM64M": 4, "RAM32M16": 8, "RAM64M8": 8}
"""LUTs of those that take half a slice or a whole one (UG974)."""
_SHIFTERS = {"SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1}
MEMORY_LUTS = {**_LUT_MEMORIES, **_LUT_MEMORY_GROUPS, **_SHIFTERS}


@dataclass(frozen=True)
class Resources:
    """Of an UltraScale+ part.

    lut: LUTs for logic, one a LUT1..LUT6 (two small ones may share one when placed: not counted on). lutram: LUTs as
    memories and shift registers. ff: flip-flops. bram: block RAMs of 36 Kbit, halves counted as 0.5. uram: UltraRAMs of
    288 Kbit. dsp: DSP48E2.
    """

    lut: float = 0
    lutram: float = 0
    ff: float = 0
    bram: float = 0
    uram: float = 0
    dsp: float = 0

    @property
    def luts(self) -> float:
        """All LUTs."""
        return self.lut + self.lutram

    def __add__(self, other: Resources) -> Resources:
        """Both together."""
        return Resources(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @classmethod
    def of(cls, cells: Mapping[str, int]) -> Resources:
        """From counts by cell type; carry chains and the muxes of slices cost no LUT and are not counted."""
        return cls(
            lut=sum(cells.get(f"LUT{inputs}", 0) for inputs in range(1, 7)),
            lutram=sum(each * cells.get(name, 0) for name, each in MEMORY_LUTS.items()),
            ff=sum(cells.get(name, 0) for name in ("FDRE", "FDSE", "FDCE", "FDPE")),
            bram=cells.get("RAMB36E2", 0) + cells.get("RAMB18E2", 0) / 2,
            uram=cells.get("URAM288", 0),
            dsp=cells.get("DSP48E2", 0),
        )


@dataclass(frozen=True)
class Part:
    """What an FPGA has."""

    name: str
    capacity: Resources


ZU7EV = Part("XCZU7EV", Resources(lut=230_400, ff=460_800, bram=312, uram=96, dsp=1728))
"""Source: AMD DS891, Zynq UltraScale+ MPSoC overview."""


@dataclass(frozen=True)
class Estimate:
    """What a design takes, by unit: path of instances below the top ("" the top's own logic)."""

    cells: dict[str, Counter[str]]
    yosys: str

    @property
    def all_cells(self) -> Counter[str]:
        """Counts of cell types of the whole design."""
        return sum(self.cells.values(), Counter())

    @property
    def total(self) -> Resources:
        """The whole design."""
        return Resources.of(self.all_cells)

    def units(self, depth: int) -> dict[str, Resources]:
        """Resources of the units at most `depth` instances below the top, what lies deeper included."""
        sums: dict[str, Resources] = {}
        for path, counts in self.cells.items():
            unit = ".".join(path.split(".")[:depth])
            sums[unit] = sums.get(unit, Resources()) + Resources.of(counts)
        return sums


def commands(top: str) -> list[str]:
    """The Yosys commands that make `netlist.json` of `design.sv`.

    They are those of `synth_xilinx -family xcup -uram` but for the mapping of logic to LUTs: `abc9` takes seconds a module.
    """
    library = "-map +/xilinx/lut_map.v -map +/xilinx/cells_map.v -D LUT_WIDTH=6"
    return [
        f"read_verilog -sv {DESIGN}",
        f"hierarchy -check -top {top}",
        f"synth_xilinx -family xcup -uram -noiopad -noclkbuf -top {top} -run begin:map_luts",
        "opt_expr -mux_undef -noclkinv",
        "abc -luts 2:2,3,6:5",
        "clean",
        "xilinx_srl -fixed -minlen 3",
        f"techmap {library}",
        "xilinx_dffopt",
        "opt_lut_ins -tech xilinx",
        "clean",
        "blackbox =A:whitebox",
        f"write_json {NETLIST}",
    ]


def estimate(text: str, top: str, *, progress: Progress | None = None) -> Estimate:
    """Synthesise SystemVerilog `text` with top module `top`, every module by itself.

    Raises:
        FlowError: Yosys is not installed, or does not accept the design.
    """
    with tempfile.TemporaryDirectory(prefix="hwflow-estimate-") as name:
        folder = Path(name)
        run_yosys(commands(top), folder, inputs={DESIGN: text}, progress=progress)
        netlist = json.loads((folder / NETLIST).read_bytes())
    netlist["modules"] = {
        name: module
        for name, module in netlist["modules"].items()
        if "blackbox" not in module["attributes"]
    }
    return Estimate(cells_by_unit(netlist, top), yosys_version())
