"""Time and cycles against width: every PokeBNN of the family, lowered, timed by the cycle model, simulated.

`python -m bench.family` writes bench/family-TARGET.md and .json; with `--rtl` every width also goes through
the RTL, compared value by value. Networks are random ones (docs/random-networks.md).
"""

from __future__ import annotations

import json as json_format
import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwflow import interruption
from hwflow.cli.main import run as run_command
from hwflow.cli.output import Json, Target, console, number, print_json, progress_console, table
from hwflow.errors import FlowError
from hwflow.files import write_atomically
from hwflow.paths import BUILD

if TYPE_CHECKING:
    from hwflow.config import AcceleratorConfig

FOLDER = Path(__file__).parent
WIDTHS = (0.5, 0.75, 1.0, 1.25, 1.4, 1.5, 1.75, 2.0)
COLUMNS = {
    "width": "width",
    "ace": "ACE",
    "target": "target",
    "lowering_seconds": "lowering s",
    "cycles": "cycles (cycle-model)",
    "rtl_cycles": "cycles (rtl-sim)",
    "frame_bound": "frame bound",
    "utilisation": "utilisation",
    "bytes": "bytes an image",
    "spilled_bytes": "of them spilled",
    "simulation_seconds": "simulation s",
    "simulation_cpu_seconds": "its CPU s",
    "comparison_seconds": "comparison s",
    "equal": "equal",
}
"""Key of a row -> heading."""
Row = dict[str, Any]


def measure(
    width: float, config: AcceleratorConfig, *, rtl: bool, seed: int, folder: Path, status: Any
) -> Row:
    """The row of one width: cycles from start to last logit, seconds of wall time unless they say CPU."""
    from hwflow.ace import count
    from hwflow.bound import frame_bound
    from hwflow.compiler.allocate import CapacityError
    from hwflow.compiler.fit import TooLargeError
    from models.config import preset as named
    from sim.cycles import predicted_frame
    from sim.imagenet import prepare_run, timed_run
    from sim.memory import MemoryTiming
    from sim.stages import Stages

    preset = f"pokebnn-{width}x"
    row: Row = {"width": width, "ace": count(named(preset)).total_ace}
    stages = Stages()
    try:
        prepared = prepare_run(preset, seed, 1, config, folder, stages, status)
    except (CapacityError, TooLargeError) as error:
        return {**row, "refused": str(error)}
    program = prepared.program
    traffic: Counter[str] = Counter()
    for entry in program.counts():
        traffic.update(entry.bytes)
    status(f"{preset}: cycle model")
    began = time.monotonic()
    predicted = predicted_frame(program, MemoryTiming())
    if predicted is None:
        raise FlowError("a memory without random stalls has a cycle model")
    bound = frame_bound(program)
    row |= {
        "target": program.config.name,
        "lowering_seconds": round(stages.seconds["lowering"], 2),
        "cycle_model_seconds": round(time.monotonic() - began, 2),
        "cycles": predicted.cycles,
        "frame_bound": bound,
        "utilisation": round(bound / predicted.cycles, 4),
        "bytes": sum(traffic.values()),
        "spilled_bytes": sum(n for kind, n in traffic.items() if "spill" in kind),
        "bytes_by_kind": dict(sorted(traffic.items())),
    }
    if not rtl:
        return row
    run_folder = folder / f"{preset}-{program.config.name}" / "run"
    with interruption.replaces(run_folder):
        run = timed_run(
            prepared,
            run_folder,
            folder / "expected",
            stages,
            status=lambda what: status(f"{preset}: {what}"),
        )
    seconds = run.seconds
    return row | {
        "rtl_cycles": run.result.frames[0].records.counters["cycles"],
        "simulation_seconds": round(seconds["simulation"], 2),
        "simulation_cpu_seconds": round(run.cpu_seconds["simulation"], 2),
        "comparison_seconds": round(seconds["reading taps"] + seconds["comparison"], 2),
        "model_seconds": round(seconds["model"], 1),
        "peak_memory_bytes": run.memory,
        "equal": run.result.passed,
    }


def markdown(report: dict[str, Any]) -> str:
    """The report as a page."""
    columns = [key for key in COLUMNS if any(key in row for row in report["rows"])]
    lines = [
        f"# Time and cycles against width: `{report['target']}`",
        "",
        f"`python -m bench.family --target {report['target']}{' --rtl' if report['rtl'] else ''}`; random",
        f"networks of seed {report['seed']} at 224x224x3 and 1000 classes (docs/random-networks.md). Cycles from start",
        "to last logit with empty buffers; utilisation is frame bound / cycles. The bound counts no activation",
        "traffic: utilisation of a width that spills is against a bound without it. Seconds are wall time on",
        f"{report['processors']} cores with a load of {report['load']} when the table was finished, unless they say CPU.",
        "A target other than the table's is that one with its memory shared out for the network (`hwflow fit`).",
        "",
        "| " + " | ".join(COLUMNS[key] for key in columns) + " |",
        "|" + "---:|" * len(columns),
    ]
    lines += [
        "| " + " | ".join(_text(row.get(key)) for key in columns) + " |" for row in report["rows"]
    ]
    refused = [row for row in report["rows"] if "refused" in row]
    if refused:
        lines += ["", "Refused:", *(f"- {row['width']}x: {row['refused']}" for row in refused)]
    return "\n".join(lines) + "\n"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, int):
        return number(value)
    return "" if value is None else str(value)


def _chosen(widths: str) -> Sequence[float]:
    try:
        return [float(width) for width in widths.split(",")]
    except ValueError as error:
        raise FlowError(f"--widths {widths}: expected numbers with commas between them") from error


def main(
    target: Target = "zu7ev",
    widths: Annotated[str, typer.Option(help="with commas between them")] = ",".join(
        map(str, WIDTHS)
    ),
    rtl: Annotated[bool, typer.Option(help="simulate each width as well")] = False,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    work: Annotated[Path, typer.Option(help="networks, expected values, runs")] = BUILD
    / "imagenet",
    out: Annotated[Path, typer.Option(help="folder of the table")] = FOLDER,
    json: Json = False,
) -> None:
    """Measure the family and write the table."""
    from hwflow.config import load_target

    config = load_target(target)
    rows: list[Row] = []
    with progress_console().status("") as display:
        for width in _chosen(widths):
            rows.append(
                measure(width, config, rtl=rtl, seed=seed, folder=work, status=display.update)
            )
    report = {
        "target": config.name,
        "rtl": rtl,
        "seed": seed,
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "evidence": ["cycle-model"] + ["rtl-sim"] * rtl,
        "rows": rows,
    }
    out.mkdir(parents=True, exist_ok=True)
    name = f"family-{config.name}"
    write_atomically(out / f"{name}.json", (json_format.dumps(report, indent=1) + "\n").encode())
    write_atomically(out / f"{name}.md", markdown(report).encode())
    if json:
        print_json(report)
    else:
        columns = [key for key in COLUMNS if any(key in row for row in rows)]
        shown = table(f"The family on {config.name}", [COLUMNS[key] for key in columns])
        for row in rows:
            shown.add_row(*(_text(row.get(key)) for key in columns))
        console().print(shown)
        for row in rows:
            if "refused" in row:
                console().print(f"{row['width']}x refused: {row['refused']}")
    if failed(rows):
        raise typer.Exit(1)


def failed(rows: Sequence[Row]) -> bool:
    """Whether a width was refused or differs from its integer network."""
    return any("refused" in row or row.get("equal") is False for row in rows)


def run() -> None:
    """The command line: status 1 when a width is refused or differs, 2 with one line for bad input."""
    interruption.run(lambda: run_command(lambda: typer.run(main)))


if __name__ == "__main__":
    run()
