"""Netlists in place of the RTL: what synthesis for an FPGA made of a design, with models of the FPGA's cells.

`NETLIST=ecp5` in the environment makes every simulation of a whole accelerator run on its netlist.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from hwflow.errors import FlowError
from hwflow.files import write_atomically
from rtl_gen.synthesis.ecp5 import FAMILY, ROUTED_WIRE_PS, Options, commands, synthesise
from rtl_gen.synthesis.resources import Resources
from rtl_gen.synthesis.yosys import Progress, yosys_version
from sim import runner

CELLS = Path(__file__).parent / "cells"

AS_ON_BOARDS = Options(wire_ps=ROUTED_WIRE_PS)
"""Logic mapped as in a bitstream."""


@dataclass(frozen=True)
class Netlist:
    """A netlist as Verilog, without the models of its cells; text: of the module `top`."""

    top: str
    text: str
    resources: Resources

    @property
    def sources(self) -> dict[str, str]:
        """What a simulator compiles: file name -> text."""
        return {f"{self.top}_netlist.v": self.text, **cell_models()}


def cell_models() -> dict[str, str]:
    """The models of the family's cells, file name -> Verilog."""
    return {path.name: path.read_text() for path in sorted((CELLS / FAMILY).glob("*.v"))}


def netlist(
    text: str, top: str, options: Options | None = None, *, progress: Progress | None = None
) -> Netlist:
    """The netlist of `text` with top module `top`, kept beside the models under a hash of all that it depends on.

    options: how it is synthesised; None: as on boards.

    Raises:
        FlowError: Yosys is not installed, or does not accept the design.
    """
    options = options or AS_ON_BOARDS
    recipe = json.dumps([yosys_version(), commands(top, options), asdict(options)])
    digest = hashlib.sha256(f"{recipe}\n{text}".encode()).hexdigest()[:20]
    kept = runner.cache_folder() / f"netlist-{top}-{digest}.json"
    if not kept.is_file():
        made = synthesise(text, top, options, progress=progress)
        kept.parent.mkdir(parents=True, exist_ok=True)
        found = {"verilog": made.verilog, "resources": asdict(made.resources)}
        write_atomically(kept, json.dumps(found).encode())
    found = json.loads(kept.read_bytes())
    return Netlist(top, found["verilog"], Resources(**found["resources"]))


def wanted() -> bool:
    """Whether the environment asks for netlists.

    Raises:
        FlowError: for a family that there is not.
    """
    family = os.environ.get("NETLIST", "")
    if family not in ("", FAMILY):
        raise FlowError(f"NETLIST={family!r} is not a family; use NETLIST={FAMILY}, or unset it")
    return bool(family)


def device_sources(sources: Mapping[str, str], top: str) -> dict[str, str]:
    """`sources`, or with NETLIST set the netlist of the module `top` in them."""
    if not wanted():
        return dict(sources)
    return netlist("\n".join(sources.values()), top).sources
