"""Mapping to standard cells: Yosys (dfflibmap, abc) with the Liberty files, every net under a name that stays."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hwflow.energy.cells import Library
from hwflow.energy.netlist import MappedUnit, read_netlist
from hwflow.errors import FlowError
from hwflow.files import write_atomically
from rtl_gen.synthesis.yosys import Progress, run_yosys, yosys_version

Libraries = Library
"""Liberty files read together (hwflow/energy/liberty.py: read_libraries)."""

DESIGN, JSON, VERILOG, CONSTRAINTS = "design.sv", "netlist.json", "netlist.v", "abc.constr"

AVOIDED = ("*dly*", "*probe*", "*lpflow*", "*clkdly*")
"""Cells that a mapping does not take: delay lines, probes, cells of switched supplies."""


def map_to_library(
    text: str,
    top: str,
    libraries: Libraries,
    *,
    avoid: Sequence[str] = AVOIDED,
    prepare: Sequence[str] = (),
    keep: Path | None = None,
    progress: Progress | None = None,
) -> MappedUnit:
    """SystemVerilog `text` with top module `top` as a flat netlist of cells of `libraries`.

    Cells of the library that the text instantiates stay as they are. Registers become plain flip-flops (enables and
    synchronous resets in front of them) that begin at 0: one that begins at 1 is kept inverted.

    Args:
        text: the design.
        top: its top module, whose clock is `clk`.
        libraries: see read_libraries.
        avoid: patterns of cell names that are not mapped to, beside cells without a model.
        prepare: further Yosys commands, run before mapping.
        keep: folder for the mapped netlist under a hash of all that it depends on.
        progress: see rtl_gen/synthesis/yosys.py.

    Raises:
        FlowError: Yosys is not installed or does not accept the design, the library has no flip-flop or no gates for
            it, or a cell has no model.
    """
    avoided = _avoided(libraries, avoid)
    script = _commands(top, libraries, avoided, prepare)
    version = yosys_version()
    recipe = json.dumps([version, script, libraries.digest])
    digest = hashlib.sha256(f"{recipe}\n{text}".encode()).hexdigest()
    kept = keep / f"mapped-{top}-{digest[:20]}.json" if keep else None
    if kept is not None and kept.is_file():
        found = json.loads(kept.read_bytes())
    else:
        found = _run(text, top, script, libraries, progress)
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(kept, json.dumps(found, separators=(",", ":")).encode())
    return read_netlist(
        found["module"],
        top,
        libraries,
        verilog=found["verilog"],
        digest=digest,
        tools={"yosys": version},
    )


def _avoided(library: Library, patterns: Sequence[str]) -> list[str]:
    avoided = sorted(
        name
        for name, cell in library.cells.items()
        if cell.unusable or any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
    )
    usable = library.cells.keys() - set(avoided)
    gates = [name for name in usable if not library.cells[name].sequential]
    if not gates:
        raise FlowError(
            f"library {library.name} has no gate to map to; allow more cells or give another library"
        )
    return avoided


def _commands(
    top: str, library: Library, avoided: Sequence[str], prepare: Sequence[str]
) -> list[str]:
    files = " ".join(f"-liberty {name}" for name in library.sources)
    unused = "".join(f" -dont_use {name}" for name in avoided)
    return [
        *(f"read_liberty -lib -ignore_miss_func {name}" for name in library.sources),
        f"read_verilog -sv {DESIGN}",
        f"hierarchy -check -top {top}",
        *prepare,
        f"synth -flatten -noabc -top {top}",
        "dfflegalize -cell $_DFF_P_ 0",
        f"dfflibmap {files}{unused}",
        "opt",
        f"abc {files}{unused} -constr {CONSTRAINTS}",
        "opt_clean -purge",
        "setundef -zero",
        "opt_clean -purge",
        "splitnets",
        "rename -enumerate -pattern n_% w:*",
        "rename -enumerate -pattern c_% c:*",
        "setattr -unset src -unset cell_src -unset module_src a:src a:cell_src a:module_src %u %u",
        "setattr -mod -unset src A:src",
        f"write_json {JSON}",
        f"write_verilog -noattr -noexpr {VERILOG}",
    ]


def _run(
    text: str, top: str, script: Sequence[str], library: Library, progress: Progress | None
) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="hwflow-mapping-") as name:
        folder = Path(name)
        inputs = {DESIGN: text, CONSTRAINTS: _constraints(library), **library.sources}
        try:
            run_yosys(script, folder, inputs=inputs, progress=progress)
        except FlowError as error:
            reason = str(error).partition("cannot be legalized: ")[2]
            if not reason:
                raise
            raise FlowError(
                f"library {library.name} has no flip-flop for a register of {top} ({reason}); give a Liberty file "
                "that has one, and keep to registers with a rising edge and without asynchronous reset"
            ) from error
        module = json.loads((folder / JSON).read_bytes())["modules"][top]
        verilog = (folder / VERILOG).read_text()
        kept = {part: module[part] for part in ("ports", "cells", "netnames")}
        return {"module": kept, "verilog": verilog.partition("*/\n")[2].lstrip("\n")}


def _constraints(library: Library) -> str:
    """For abc's buffering and sizing: inputs driven by an inverter, outputs unloaded."""
    for what, there in (("inverter", library.inverters), ("buffer", library.buffers)):
        if not there:
            raise FlowError(
                f"library {library.name} has no {what}, which mapping needs; "
                "give the Liberty file that has one too"
            )
    return f"set_driving_cell {library.inverters[0].name}\nset_load 0\n"
