"""`hwflow sim-imagenet`: a whole network at ImageNet size through the RTL, every stage timed."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwflow import interruption
from hwflow.cli import complete
from hwflow.cli.output import (
    Json,
    Target,
    check_staged,
    console,
    number,
    print_json,
    progress_console,
    staged,
)
from hwflow.cli.output import table as new_table
from hwflow.files import locked
from hwflow.paths import BUILD

if TYPE_CHECKING:
    from sim.imagenet import TimedRun

FOLDER = BUILD / "imagenet"


def sim_imagenet(
    target: Target = "zu7ev",
    preset: Annotated[
        str, typer.Option(help="name of a network preset", autocompletion=complete.presets)
    ] = "pokebnn-1.0x",
    seed: Annotated[int, typer.Option(min=0, help="of the random network and images")] = 0,
    images: Annotated[int, typer.Option(min=1, help="how many images to simulate")] = 1,
    latency: Annotated[
        int,
        typer.Option(min=1, max=100_000, help="cycles from a memory request to its first beat"),
    ] = 8,
    out: Annotated[Path, typer.Option(help="folder of networks, results and runs")] = FOLDER,
    json: Json = False,
) -> None:
    """Draw, lower, simulate and compare a random network (docs/full-size.md).

    Network, expected values and compiled model are kept and reused. Every stored value of every
    layer is compared; exit status 1 when something differs.
    """
    from hwflow.config import load_target
    from models.config import preset as named
    from sim.imagenet import prepare_run, timed_run
    from sim.memory import MemoryTiming
    from sim.simulators import find_simulator
    from sim.stages import Stages

    check_staged(out)
    config = load_target(target)
    named(preset)
    find_simulator()
    timing = MemoryTiming(latency=latency)
    folder = out / f"{preset}-{config.name}"
    stages = Stages()
    with locked(folder), progress_console().status("") as display:

        def simulated(done: int, cycles: int) -> None:
            if cycles:
                display.update(f"simulating: {done} of {images} images, {number(cycles)} cycles")

        prepared = prepare_run(preset, seed, images, config, out, stages, display.update)
        with interruption.replaces(folder / "run") as keep:
            run = timed_run(
                prepared,
                folder / "run",
                out / "expected",
                stages,
                timing=timing,
                status=display.update,
                progress=simulated,
            )
            with interruption.put_off():
                _write(run, folder)
                keep()
    if json:
        print_json(run.to_dict())
    else:
        _print(run, folder)
    if not run.result.passed:
        raise typer.Exit(1)


def _write(run: TimedRun, folder: Path) -> None:
    from sim import report

    with staged(folder) as scratch:
        run.prepared.program.save(scratch / "program")
        report.write(run.result, scratch)
        text = json_format.dumps(run.to_dict(), indent=1) + "\n"
        (scratch / "summary.json").write_text(text)


def _print(run: TimedRun, folder: Path) -> None:
    from sim import report
    from sim.imagenet import BARS, MEMORY_BAR

    screen, values = console(), run.to_dict()
    screen.print(report.table(run.result))
    notes = {
        "network": "drawn" if run.prepared.drawn else "kept",
        "integer network": f"{run.kept} of {values['images']} kept; evaluated in "
        f"{run.expected_seconds:.1f} s",
        "cycle model": "beside the simulation",
        "simulation": f"{number(values['cycles_per_second'])} cycles/s",
        "simulated and compared": "from the inputs' files to the last comparison",
    }
    shown = new_table("Seconds by stage", ("stage", "seconds", "CPU seconds", "at most", ""))
    for name, seconds in run.seconds.items():
        bar = BARS.get(name)
        cpu = f"{run.cpu_seconds[name]:.2f}"
        shown.add_row(name, f"{seconds:.2f}", cpu, number(bar), notes.get(name, ""))
    screen.print(shown)
    screen.print(
        f"{values['network']} on {values['target']}: {number(values['cycles'][0])} cycles, frame "
        f"bound {number(values['frame_bound'])}, utilisation {values['utilisation']:.3f}; peak "
        f"memory {run.memory / 2**30:.2f} GiB of {MEMORY_BAR >> 30} (evidence: rtl-sim)"
    )
    for line in run.over:
        screen.print(f"OVER {line}")
    if run.result.passed:
        screen.print(
            "every stored value, signature and logit equals the integer network, every cycle count "
            f"the cycle model; results in {folder}"
        )
        return
    screen.print("NOT EQUAL")
    for line in run.result.mismatches[:10]:
        screen.print(f"  {line}")
    if run.result.difference is not None:
        screen.print(f"first difference: {run.result.difference.describe()}")
        screen.print(f"waveform: {run.result.replay_command()}")
