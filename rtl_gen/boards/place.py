"""Place and route for ECP5 with nextpnr, and the bitstream from its result."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hwflow.errors import FlowError, get_extra
from rtl_gen.boards.board import Part
from rtl_gen.synthesis.yosys import POLL_SECONDS, Progress

NEXTPNR, ECPPACK = "nextpnr-ecp5", "ecppack"
DESIGN, PINS, CONFIG, REPORT, LOG = (
    "design.json",
    "pins.lpf",
    "config.txt",
    "report.json",
    "nextpnr.log",
)
DENSITY = 0.75
"""`density` for large designs: on one of 4,096 binary MACs 14% less wire, and a third of the wires used twice."""
TIMING_WEIGHT = 100
"""Weight of late nets against the length of all wire in the placer. nextpnr's 10 leaves single wires of 7 ns on the slowest
paths of a design of 4,096 binary MACs (docs/board.md)."""
PHASES = {
    "Packing": "packing",
    "Running main analytical placer": "placing",
    "Running simulated annealing": "refining the placement",
    "Routing globals": "routing clocks",
    "Routing..": "routing",
    "IterCnt": "routing",
}
"""How a line of nextpnr's log begins -> what it is at."""


@dataclass(frozen=True)
class Placed:
    """A routed design.

    Attributes:
        config: its configuration as text, for `ecppack`.
        report: nextpnr's JSON: `fmax`, `critical_paths`, `utilization`.
        nextpnr: its version.
        log: what it printed.
    """

    config: bytes = field(repr=False)
    report: dict[str, Any] = field(repr=False)
    nextpnr: str
    log: str = field(repr=False)


def tool(name: str) -> str:
    """Path of nextpnr or ecppack: the variable of that name in capitals, else the one that the extra `board` brings.

    Raises:
        FlowError: there is none.
    """
    variable = name.upper().replace("-", "_")
    if variable in os.environ:
        found = shutil.which(os.environ[variable])
        if found is None:
            raise FlowError(
                f"{variable}={os.environ[variable]} is no program; name one, or unset {variable}"
            )
        return found
    beside = shutil.which(f"yowasp-{name}", path=str(Path(sys.executable).parent))
    found = beside or shutil.which(f"yowasp-{name}")
    if found is None:
        raise FlowError(f"{name} is missing; name one, {variable}=PATH, or {get_extra('board')}")
    return found


def version(name: str) -> str:
    """What a tool says of its version."""
    command = [tool(name), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].replace('"', "").strip() if lines else "unknown"


def place_and_route(
    netlist: bytes,
    constraints: str,
    part: Part,
    folder: Path,
    *,
    clock_hz: int,
    seed: int,
    density: float | None = None,
    progress: Progress | None = None,
) -> Placed:
    """Place and route a netlist of Yosys (JSON) for `clock_hz`; same input, same bytes. The log stays in `folder`.

    `density`: part of the cells of a region from which on the placer spreads them; None: nextpnr's own, 0.9.

    Raises:
        FlowError: nextpnr is missing, or its first error.
    """
    program = tool(NEXTPNR)
    (folder / DESIGN).write_bytes(netlist)
    (folder / PINS).write_text(constraints)
    switches = [
        f"--{part.device}", "--package", part.package, "--speed", part.speed,
        "--json", DESIGN, "--lpf", PINS, "--textcfg", CONFIG, "--report", REPORT,
        "--freq", f"{clock_hz / 1e6:g}", "--seed", str(seed), "--router", "router2", "--timing-allow-fail",
        "--placer-heap-timingweight", str(TIMING_WEIGHT),
        *([] if density is None else ["--placer-heap-beta", f"{density:g}"]),
    ]  # fmt: skip
    log = folder / LOG
    status = _run([program, *switches], folder, log, progress)
    text = log.read_text(errors="replace")
    if status:
        errors = [line for line in text.splitlines() if line.startswith("ERROR")]
        reason = errors[0].removeprefix("ERROR: ") if errors else f"it ended with status {status}"
        raise FlowError(f"nextpnr failed: {reason}; its log is {log}")
    return Placed(
        config=(folder / CONFIG).read_bytes(),
        report=json.loads((folder / REPORT).read_text()),
        nextpnr=version(NEXTPNR),
        log=text,
    )


def pack(config: bytes, folder: Path) -> bytes:
    """The bitstream of a routed design's configuration.

    Raises:
        FlowError: ecppack is missing or fails.
    """
    (folder / CONFIG).write_bytes(config)
    command = [tool(ECPPACK), "--compress", CONFIG, "design.bit"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        complaint = (done.stdout + done.stderr).strip().splitlines()[-1:]
        raise FlowError(f"ecppack failed: {''.join(complaint)}")
    return (folder / "design.bit").read_bytes()


def _run(command: Sequence[str], folder: Path, log: Path, progress: Progress | None) -> int:
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        try:
            while True:
                try:
                    return process.wait(POLL_SECONDS)
                except subprocess.TimeoutExpired:
                    if progress is not None:
                        progress(_phase(log))
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _phase(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    for line in reversed(lines):
        for start, phase in PHASES.items():
            if start in line:
                return phase
    return "reading the netlist"
