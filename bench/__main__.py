"""Measures every stage and a yardstick in one run, and appends a line to bench/history.jsonl.

Machines and their load differ, so what can be compared between two lines is each stage's ratio to
the yardstick of the same line: int8 matrix products in JAX.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from hwflow.cli.network import integer_network
from hwflow.cli.output import Json, console, number, print_json, progress_console, table
from hwflow.paths import CALIBRATION, TEST_IMAGES, TRAINED

HISTORY = Path(__file__).parent / "history.jsonl"
TARGET = "sim-small"
REPEATS = 3
MATRIX = 1024
INTEGER_BATCH = 64
EMULATED = 4
SIMULATED = 8


@dataclass(frozen=True)
class Measurement:
    """A stage's speed. unit: what `value` counts per second."""

    stage: str
    value: float
    unit: str


def best(work: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Seconds of the quickest of several calls, after one that is not counted."""
    work()
    seconds: list[float] = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def yardstick() -> Measurement:
    """int8 x int8 -> int32 matrix product of MATRIX**3 products."""
    import jax
    import jax.numpy as jnp

    x = jnp.ones((MATRIX, MATRIX), jnp.int8)
    product = jax.jit(lambda a: jax.lax.dot(a, a, preferred_element_type=jnp.int32))
    seconds = best(lambda: product(x).block_until_ready())
    return Measurement("yardstick", MATRIX**3 / seconds, "int8 MACs/s")


def measure(status: Callable[[str], None]) -> list[Measurement]:
    """The yardstick, then the stages from the integer network to the simulated hardware."""
    from hwflow.compiler.lower import lower
    from hwflow.config import load_target
    from hwflow.emulator.run import emulate_program
    from models.data import load_images
    from models.integer.network import logits
    from sim.network import simulate

    status("yardstick")
    found = [yardstick()]
    status("quantising")
    network = integer_network(TRAINED, CALIBRATION)
    images = load_images(TEST_IMAGES).images
    status("integer network")
    seconds = best(lambda: logits(network, images[:INTEGER_BATCH]))
    found.append(Measurement("integer network", INTEGER_BATCH / seconds, "images/s"))
    status("compiler")
    config = load_target(TARGET)
    seconds = best(lambda: lower(network, config), 1)
    found.append(Measurement("compiler", 1 / seconds, "networks/s"))
    program = lower(network, config)
    status("emulator")
    seconds = best(lambda: emulate_program(program, images[:EMULATED]), 1)
    found.append(Measurement("emulator", EMULATED / seconds, "images/s"))
    status("RTL simulation")
    with tempfile.TemporaryDirectory() as folder:
        result = simulate(program, images[:SIMULATED], folder=Path(folder) / "run")
    found.append(Measurement("RTL simulation", result.cycles_per_second, "cycles/s"))
    found.append(Measurement("RTL simulation", SIMULATED / result.seconds, "images/s"))
    return found


def line(found: list[Measurement]) -> dict[str, Any]:
    """One line of the history; ratio: a stage's value for every 1e9 of the yardstick."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": commit.stdout.strip(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "stages": [
            {
                "stage": m.stage,
                "value": float(f"{m.value:.4g}"),
                "unit": m.unit,
                "ratio": float(f"{m.value / found[0].value * 1e9:.4g}"),
            }
            for m in found
        ],
    }


def main(
    keep: Annotated[bool, typer.Option(help="append the line to the history")] = True,
    json: Json = False,
) -> None:
    """Measure the speed of every stage."""
    with progress_console().status("") as display:
        found = measure(lambda stage: display.update(f"measuring {stage}"))
    entry = line(found)
    if keep:
        with HISTORY.open("a") as file:
            file.write(json_line(entry))
    if json:
        print_json(entry)
        return
    shown = table("Speed of each stage", ("stage", "per second", "unit", "per 1e9 int8 MACs"))
    for stage in entry["stages"]:
        values = number(stage["value"], 2), stage["unit"], number(stage["ratio"], 4)
        shown.add_row(stage["stage"], *values)
    console().print(shown)


def json_line(entry: dict[str, Any]) -> str:
    """`entry` as one line of the history."""
    return json.dumps(entry) + "\n"


if __name__ == "__main__":
    typer.run(main)
