"""`hwflow report`: one page that shows a build, or two beside each other."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwflow.cli import complete
from hwflow.cli.memory import SdramClock, sdram_timing
from hwflow.cli.network import QUANTISED_BY, Calibration, Checkpoint, SEBits, integer_network
from hwflow.cli.output import (
    Json,
    Target,
    console,
    counted_progress,
    print_json,
    progress_console,
    refuse_beside,
)
from hwflow.errors import FlowError, get_extra
from hwflow.files import check_file, write_atomically
from hwflow.paths import BUILD, CALIBRATION, TRAINED

if TYPE_CHECKING:
    from hwflow.report.blocks import Section
    from hwflow.report.document import Document
    from hwflow.report.gather import Sources

OUT = BUILD / "report.html"
RESULTS = ("sim", "bitstream", "energy", "accuracy", "measurement")


def report(
    context: typer.Context,
    checkpoint: Checkpoint = TRAINED,
    preset: Annotated[
        str | None,
        typer.Option(
            help="float network of a --sim, --program or .network file",
            autocompletion=complete.presets,
        ),
    ] = None,
    program: Annotated[
        Path | None, typer.Option(help="build folder of `hwflow lower`; decides the target")
    ] = None,
    target: Target = "sim-small",
    sim: Annotated[
        Path | None, typer.Option(help="folder of `hwflow sim`: its build, counters, signatures")
    ] = None,
    bitstream: Annotated[
        Path | None, typer.Option(help="report.json of `hwflow bitstream`: resources and clock")
    ] = None,
    energy: Annotated[
        Path | None, typer.Option(help="what `hwflow energy network --json` printed")
    ] = None,
    accuracy: Annotated[
        Path | None, typer.Option(help="what `hwflow quantise --json` printed")
    ] = None,
    measurement: Annotated[
        list[Path] | None,
        typer.Option(help="record of `hwflow energy measure`: a board's energy; may be repeated"),
    ] = None,
    sdram: SdramClock = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(help="two reports (.json, .html) or build folders, beside each other"),
    ] = None,
    out: Annotated[Path, typer.Option(help="HTML file to write")] = OUT,
    calibration: Calibration = CALIBRATION,
    se_bits: SEBits = 4,
    json: Json = False,
) -> None:
    """Show a build on one page of HTML that needs nothing else: every figure with its evidence.

    Without --program and --sim the checkpoint is compiled for the target. With --json the gathered document is
    printed and a page is written only where --out names one. What is not given is named as missing, with its command.
    """
    _check_packages()
    source = context.get_parameter_source("out")
    wanted = not json or (source is not None and source.name == "COMMANDLINE")
    if wanted:
        check_file(out, makes_folder=True)
    if compare is not None:
        others = ("checkpoint", "preset", "program", "target", "sdram", *RESULTS, *QUANTISED_BY)
        refuse_beside(context, "compare", others)
        found, title, subtitle, sections = _comparison(*compare)
    else:
        for decisive in ("program", "sim"):
            if {"program": program, "sim": sim}[decisive] is not None:
                refuse_beside(context, decisive, ("target",))
        if program is not None:
            refuse_beside(context, "program", ("sim",))
        if sdram is not None:  # cycles of a simulation are those of its own memory
            refuse_beside(context, "sdram", ("sim",))
        given = context.get_parameter_source("checkpoint")
        known = program is None or preset is not None or (given and given.name == "COMMANDLINE")
        with progress_console().status("reading") as status:
            sources = _sources(
                checkpoint if known else None, preset, program or (sim and sim / "program"), sim,
                target, calibration, se_bits,
                {"bitstream": bitstream, "energy": energy, "accuracy": accuracy},
                measurement or [], sdram,
            )  # fmt: skip
            found, title, subtitle, sections = _report(sources, status.update)
    if wanted:
        _write(out, title, subtitle, sections, found)
    if json:
        print_json(found)
    else:
        console().print(f"{title}: {out}")


def _check_packages() -> None:
    lost = [name for name in ("jinja2", "vl_convert") if importlib.util.find_spec(name) is None]
    if lost:
        raise FlowError(f"package {lost[0]} is missing; {get_extra('report')}")


def _sources(
    checkpoint: Path | None,
    preset: str | None,
    folder: Path | None,
    sim: Path | None,
    target: str,
    calibration: Path,
    se_bits: int,
    results: dict[str, Path | None],
    measurements: list[Path],
    sdram: float | None,
) -> Sources:
    """Everything that the options name, checked against the build. checkpoint None: the float network is unknown."""
    from hwflow.cli.reconcile import counted_network, lowered, measured
    from hwflow.compiler.program import Program
    from hwflow.report import inputs
    from hwflow.report.gather import Sources

    counted = None
    if checkpoint is not None:
        counted = counted_network(checkpoint, preset, None, folder)
    frames: Any = []
    if sim is not None:
        program, frames = measured(sim)
    elif folder is not None:
        program = Program.load(folder)
    elif checkpoint is not None:
        program = lowered(checkpoint, target, calibration, se_bits)
    else:
        raise FlowError("nothing to report; name a --checkpoint, a --program or a --sim")
    if folder is not None and checkpoint is not None and preset is None:
        width = program.config.residual_bits
        network = integer_network(checkpoint, calibration, se_bits, residual_bits=width)
        _check_network(program, folder, network)
    board, energy, accuracy = results["bitstream"], results["energy"], results["accuracy"]
    return Sources(
        program=program,
        counted=counted,
        frames=frames,
        simulation=None if sim is None else inputs.simulation(sim, program),
        board=None if board is None else inputs.board_report(board, program),
        accuracy=None if accuracy is None else inputs.accuracy(accuracy, program),
        energy=None if energy is None else inputs.energy(energy, program),
        measurements=inputs.measurements(measurements, program),
        sdram=None if sdram is None else sdram_timing(sdram, program.config.memory_bytes),
    )


def _check_network(program: Any, folder: Path, network: Any) -> None:
    if program.manifest.network_hash != network.content_hash():
        raise FlowError(
            f"{folder}: was compiled from another network than {network.name} of --checkpoint; name that "
            "checkpoint, or --preset for a random one"
        )


def _report(sources: Sources, progress: Any) -> tuple[Document, str, str, list[Section]]:
    from hwflow.report.gather import gather
    from hwflow.report.sections.order import sections

    found = gather(sources, progress)
    title = f"{found['network']} on {found['target']['name']}"
    schedule = found["parts"]["build"]["hashes"]["schedule"][:12]
    return found, title, f"A build of hwflow, schedule {schedule}", sections(found)


def _comparison(first: Path, second: Path) -> tuple[dict[str, Any], str, str, list[Section]]:
    from hwflow.report.compare import compare, sections

    a, b = _document(first), _document(second)
    found = compare(a, b)
    title = "Two builds compared"
    subtitle = "; ".join(
        f"{key.upper()}: {found[key]['network']} on {found[key]['target']}" for key in "ab"
    )
    return found, title, subtitle, sections(found)


def _document(path: Path) -> Document:
    """The document in a file, or the one gathered of a build folder alone."""
    from hwflow.compiler.program import Program
    from hwflow.report.document import load
    from hwflow.report.gather import Sources, gather

    if not path.is_dir():
        return load(path)
    inner = path / "program"
    with progress_console().status(f"reading {path}") as status:
        program = Program.load(inner if inner.is_dir() else path)
        return gather(Sources(program=program), status.update)


def _write(
    out: Path, title: str, subtitle: str, sections: list[Section], found: dict[str, Any]
) -> None:
    from hwflow.report.page import render

    with counted_progress("drawing") as progress:
        page = render(title, subtitle, sections, found, progress)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, page)
