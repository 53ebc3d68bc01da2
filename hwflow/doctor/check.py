"""One finding, and what several checks share."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import hwflow

PROJECT = Path(hwflow.__file__).parent.parent / "pyproject.toml"
CONSTRAINTS = PROJECT.with_name("constraints.txt")
"""Versions that are tested together; a part of the repository only, as PROJECT is."""

PATIENCE = 20.0
"""Seconds that a program may take to say what it is."""
MISSING = "missing"
"""What is found of what is not there."""


@dataclass(frozen=True)
class Check:
    """One finding. needed: the main job does not run without it. remedy: empty when all is well."""

    name: str
    ok: bool
    needed: bool
    found: str
    remedy: str = ""

    @property
    def state(self) -> str:
        """In a word: what is there and does not do is not said to be missing."""
        if self.ok:
            return "ok"
        if not self.needed:
            return "optional"
        return "missing" if self.found == MISSING else "unusable"


def healthy(checks: Sequence[Check]) -> bool:
    """Whether everything that the main job needs is there."""
    return all(check.ok for check in checks if check.needed)


def get(package: str) -> str:
    """How to get a system package."""
    return f"install the system package {package}"


def tool(name: str, *programs: str, needed: bool, remedy: str) -> Check:
    """Whether one of `programs` is on PATH."""
    found = next(filter(None, map(shutil.which, programs)), None)
    return Check(name, found is not None, needed, found or MISSING, "" if found else remedy)


def printed(command: Sequence[str]) -> str:
    """What a program prints; nothing where it does not run or end."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def version_of(command: Sequence[str]) -> tuple[int, ...]:
    """The first number with dots that a program prints; () where it prints none."""
    found = re.search(r"\d+(\.\d+)*", printed(command))
    return numbers(found[0]) if found else ()


def numbers(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with: (1, 9, 0) of 1.9.0.post1."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


@cache
def tested_versions() -> dict[str, str]:
    """Package -> the version that everything is tested with; nothing outside the repository."""
    if not CONSTRAINTS.is_file():
        return {}
    lines = (line.partition("==") for line in CONSTRAINTS.read_text().splitlines())
    return {normal(name): version.strip() for name, equal, version in lines if equal}


def normal(package: str) -> str:
    """A package's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", package).lower()
