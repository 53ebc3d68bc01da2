"""Synthesises whole boards and units of accelerators, and keeps what they take, one small file a design: a record."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path

import amaranth
from amaranth.lib import wiring

from hwflow.config import AcceleratorConfig
from hwflow.explore.records import Cells, Part, Record, Tools, load_record, save_record
from rtl_gen.back_end import BackEnd
from rtl_gen.boards.bitstream import TOP, generate, synthesis_options
from rtl_gen.boards.board import ULX3S_85F
from rtl_gen.boards.report import resources_by_unit
from rtl_gen.features import Features
from rtl_gen.front_end import FrontEnd
from rtl_gen.instances import emit
from rtl_gen.mac_array import MacArray
from rtl_gen.synthesis.carry_popcount import with_carry_cells
from rtl_gen.synthesis.ecp5 import Options, synthesise
from rtl_gen.synthesis.yosys import yosys_version

RECORDS = Path(__file__).parent / "records"
ACCELERATOR = "core.accelerator."
UNITS: dict[Part, Callable[[AcceleratorConfig], wiring.Component]] = {
    "front_end": FrontEnd,
    "back_end": BackEnd,
    "front_end.mac_array": MacArray,
    "front_end.features": Features,
}


def record(
    config: AcceleratorConfig,
    *,
    part: Part,
    held_out: bool,
    folder: Path = RECORDS,
    again: bool = False,
    status: Callable[[str], None],
) -> Record:
    """The record of a design: that of `folder`, or a new one in it.

    A board is the ULX3S with its SDRAM, at the board's clock: the netlist is the one of `hwflow bitstream`, same Verilog,
    same options. A unit alone takes seconds, and nothing moves between it and others.

    Args:
        config: the design.
        part: what of it is synthesised.
        held_out: whether fits are to leave it out.
        folder: where records are.
        again: synthesise although there is one.
        status: told what is under way.

    Raises:
        FlowError: a tool is missing, or there is a record of this name of another design.
    """
    path = folder / f"{config.name}.json"
    if path.is_file() and not again:
        found = load_record(path)
        found.check_design(config, path)
        return found
    began = time.monotonic()
    status("Verilog")
    if part == "board":
        top, options = TOP, synthesis_options(config)
        text = generate(ULX3S_85F, config, beats=None, clock_hz=ULX3S_85F.clock_hz).text
    else:
        top, options = "unit", Options(dsp_registers=True)
        text = emit(UNITS[part](config), top)
        if part == "front_end":
            text = with_carry_cells(text, config.popcount_width, delay=config.popcount_stages - 1)
    netlist = synthesise(text, top, options, progress=status)
    units: dict[str, Cells] = {}
    for unit, taken in resources_by_unit(netlist.cells).items():
        name = _unit(unit if part == "board" else f"{part}.{unit}")
        cells = Cells(taken.lut4, taken.carry, taken.ff, taken.dpr, taken.ebr, taken.mult)
        units[name] = units.get(name, Cells()) + cells
    made = Record(
        name=config.name,
        target={name: value for name, value in config.to_dict().items() if name != "name"},
        held_out=held_out,
        part=part,
        clock_hz=ULX3S_85F.clock_hz,
        units=dict(sorted(units.items())),
        tools=Tools(amaranth=amaranth.__version__, yosys=yosys_version()),
        verilog_sha256=hashlib.sha256(text.encode()).hexdigest(),
        seconds=round(time.monotonic() - began),
    )
    save_record(path, made)
    return made


def _unit(path: str) -> str:
    """A unit's path without numbers: copies of one unit count together, and no name depends on how many there are."""
    shortened = path.removeprefix(ACCELERATOR).removesuffix(".top")
    return re.sub(r"\$\d+|(?<=[a-z])(_\d+)+", "", shortened)
