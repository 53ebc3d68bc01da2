"""Verilator's lint of a generated accelerator, with the waivers of rtl_gen/waivers.vlt."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import rtl_gen
from hwflow.errors import FlowError
from sim.simulators import find_simulator

WAIVERS = Path(rtl_gen.__path__[0]) / "waivers.vlt"
"""The one file of waived warnings."""


def lint(verilog: Path, top: str = "accelerator") -> list[str]:
    """The default warnings and errors that `verilog` raises and no waiver covers, one line each.

    Raises:
        FlowError: the simulator is not Verilator, or there is none.
    """
    simulator = find_simulator()
    if simulator.kind != "verilator":
        raise FlowError("linting needs Verilator; unset SIM")
    command = [*simulator.command, "--lint-only", "--top-module", top, str(WAIVERS), str(verilog)]
    environment = {**os.environ, **dict(simulator.environment)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    found = [line for line in done.stderr.splitlines() if line.startswith("%")]
    if done.returncode and not found:
        found = [f"Verilator ended with status {done.returncode}: {done.stderr.strip()[:200]}"]
    return found
