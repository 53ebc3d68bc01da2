"""Yosys as a process: commands in, files out, its log in a file, its error as one line."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hwflow.errors import FlowError, get_extra

SCRIPT = "synthesis.ys"
LOG = "yosys.log"
HEADING = re.compile(rb"^(\d+(?:\.\d+)*)\. Executing (.*?)\.?$", re.M)
POLL_SECONDS = 0.3
TAIL_BYTES = 1 << 16

Progress = Callable[[str], None]
"""Called a few times a second with the pass that Yosys is at."""


def yosys_version() -> str:
    """The version of the installed Yosys, as `0.70`.

    Raises:
        FlowError: it is not installed.
    """
    check_installed()
    return importlib.metadata.version("pyosys")


def run_yosys(
    commands: Sequence[str],
    folder: Path,
    *,
    inputs: Mapping[str, str],
    progress: Progress | None = None,
) -> None:
    """Run `commands` with `folder` (made if absent) as working folder; the log is left there as `yosys.log`.

    Args:
        commands: of Yosys, one after the other.
        folder: where inputs are written and outputs appear.
        inputs: file name -> text, written before.
        progress: see `Progress`.

    Raises:
        FlowError: Yosys is not installed, or its first error.
    """
    check_installed()
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in inputs.items():
        (folder / name).write_text(text)
    (folder / SCRIPT).write_text("".join(f"{command}\n" for command in commands))
    log = folder / LOG
    paths = os.pathsep.join(str(Path(path or ".").resolve()) for path in sys.path)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "rtl_gen.synthesis.driver", SCRIPT],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": paths},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            while True:
                try:
                    status = process.wait(POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    if progress is not None:
                        progress(_current_pass(log))
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if status:
        raise FlowError(f"Yosys failed: {_complaint(log, status)}")


def check_installed() -> None:
    """Raises FlowError without Yosys."""
    if importlib.util.find_spec("pyosys") is None:
        raise FlowError(f"Yosys (package pyosys) is not installed; {get_extra('board')}")


def _tail(log: Path) -> bytes:
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - TAIL_BYTES))
        return stream.read()


def _current_pass(log: Path) -> str:
    found = HEADING.findall(_tail(log))
    return found[-1][1].decode(errors="replace") if found else "reading"


def _complaint(log: Path, status: int) -> str:
    lines = [line.strip() for line in _tail(log).decode(errors="replace").splitlines()]
    errors = [line for line in lines if "ERROR" in line]
    return errors[0] if errors else f"it ended with status {status}"
