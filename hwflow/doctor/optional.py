"""What single commands need, or what makes them faster."""

from __future__ import annotations

import os
from pathlib import Path

from hwflow.doctor.check import Check, get, tool
from hwflow.doctor.needed import package_version, requirements
from hwflow.errors import get_extra

FST_HEADER = Path("/usr/include/lz4.h")
OSU018 = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")
"""Where Debian's package qflow-tech-osu018 puts it."""
PORTS = ("ttyUSB*", "ttyACM*")
DEVICES = Path("/dev")
FOR = {
    "train": "hwflow train",
    "board": "hwflow bitstream, run, estimate, netlist, energy",
    "report": "hwflow report",
    "onnx": "hwflow export-onnx",
    "explore": "hwflow explore",
    "docs": "the documentation's pages",
    "dev": "make test and make lint",
}
"""What an extra's packages are for."""


def optional_checks() -> list[Check]:
    """The checks."""
    return [
        *_extras(),
        _native("nextpnr-ecp5"),
        _native("ecppack"),
        _tool("openFPGALoader", "openFPGALoader", use="loading a board", package="openfpgaloader"),
        _ports(),
        _tool(
            "Chromium", "chromium", "chromium-browser", "google-chrome",
            use="tests of the report's page", package="chromium",
        ),
        _tool("Icarus Verilog", "iverilog", use="netlists in seconds", package="iverilog"),
        _waveforms(),
        _liberty(),
        _training_data(),
        Check("processors", True, False, str(os.cpu_count())),
    ]  # fmt: skip


def _extras() -> list[Check]:
    found = requirements() or {}
    return [_extra(extra, packages) for extra, packages in found.items() if extra]


def _extra(extra: str, packages: list[str]) -> Check:
    versions = {name: package_version(name) for name in packages}
    missing = [name for name, (version, _) in versions.items() if version is None]
    old = [f"{name} {tested}" for name, (_, tested) in versions.items() if tested]
    there = ", ".join(f"{name} {version}" for name, (version, _) in versions.items() if version)
    use = FOR.get(extra, "")
    remedy = ""
    if missing:
        remedy = f"{', '.join(missing)} missing: {get_extra(extra)}"
    elif old:
        remedy = f"older than tested ({', '.join(old)}): `make venv`"
    if remedy and use:
        remedy += f"; for {use}"
    return Check(f"extra {extra}", not remedy, False, there or "none of its packages", remedy)


def _tool(name: str, *programs: str, use: str, package: str) -> Check:
    return tool(name, *programs, needed=False, remedy=f"for {use}: {get(package)}")


def _native(name: str) -> Check:
    """A program in place of the package's, which is WebAssembly."""
    variable = name.upper().replace("-", "_")
    remedy = f"for a faster `hwflow bitstream`: build it (project nextpnr or prjtrellis), name it: {variable}=PATH"
    given = os.environ.get(variable)
    if given is None:
        found = tool(f"native {name}", name, needed=False, remedy=remedy)
        if found.ok:
            remedy = f"not used; name it: {variable}={found.found}"
            return Check(found.name, False, False, found.found, remedy)
        return found
    remedy = f"{variable}={given} is no program; name one, or unset it"
    return tool(f"native {name}", given, needed=False, remedy=remedy)


def _ports() -> Check:
    ports = [path for pattern in PORTS for path in sorted(DEVICES.glob(pattern))]
    closed = [path for path in ports if not os.access(path, os.R_OK | os.W_OK)]
    if not ports:
        return Check("serial port", True, False, "no board is plugged in")
    remedy = ""
    if closed:
        group = _group(closed[0])
        remedy = f"no permission for {closed[0]}: sudo usermod -aG {group} $USER, then log in again"
    return Check("serial port", not closed, False, ", ".join(map(str, ports)), remedy)


def _group(path: Path) -> str:
    try:
        return path.group()
    except KeyError:
        return "dialout"


def _waveforms() -> Check:
    there = FST_HEADER.is_file()
    remedy = "" if there else f"waveforms are VCD; for FST {get('liblz4-dev')}"
    return Check("FST waveforms", there, False, "lz4" if there else "no lz4 headers", remedy)


def _liberty() -> Check:
    there = OSU018.is_file()
    remedy = f"for `hwflow energy` with a real library: {get('qflow-tech-osu018')}"
    found = str(OSU018) if there else "no osu018; any Liberty file will do"
    return Check("cell library", there, False, found, "" if there else remedy)


def _training_data() -> Check:
    from models.data import FASHION_MNIST

    there = FASHION_MNIST.is_dir()
    remedy = "for training: install the system package dataset-fashion-mnist, or --data FOLDER with IDX files"
    found = str(FASHION_MNIST) if there else "none"
    return Check("Fashion-MNIST", there, False, found, "" if there else remedy)
