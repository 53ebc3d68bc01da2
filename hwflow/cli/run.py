"""`hwflow run`: images through a board, every layer's signature held against the integer network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwflow.cli.board import BoardName, BoardTarget, board_target, trained_network
from hwflow.cli.network import Calibration, SEBits, integer_network
from hwflow.cli.output import (
    Json,
    console,
    counted_progress,
    number,
    print_json,
    progress_console,
)
from hwflow.cli.run_repeat import repeat_images, write_markers
from hwflow.cli.sim import chosen_images, compile_network
from hwflow.errors import FlowError, get_extra, suggestion
from hwflow.files import check_file
from hwflow.host.protocol import ATTEMPTS, BAUD
from hwflow.paths import CALIBRATION, TEST_IMAGES
from rtl_gen.boards.board import DEFAULT
from rtl_gen.boards.board import board as named

if TYPE_CHECKING:
    from hwflow.compiler.program import Program
    from hwflow.host.accelerator import Accelerator
    from hwflow.host.results import Classification, Repetition
    from models.data import ImageSet
    from models.integer.params import IntegerNetwork

RECORDS = ("logits", "signatures", "all")


def run(
    port: Annotated[str, typer.Option(help="serial port of the board, e.g. /dev/ttyUSB0")],
    images: Annotated[int, typer.Option(min=1, help="how many images to classify")] = 16,
    program: Annotated[
        Path | None, typer.Option(help="build folder of `hwflow lower`; decides the target")
    ] = None,
    board: BoardName = DEFAULT,
    target: BoardTarget = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="folder of a trained checkpoint, or an integer network's file; default the trained "
            "network of --program's name, else the board's"
        ),
    ] = None,
    data: Annotated[
        Path, typer.Option(help=".npz file or folder of images; its test split")
    ] = TEST_IMAGES,
    baud: Annotated[int, typer.Option(min=1, help="bits a second on the port")] = BAUD,
    records: Annotated[
        str, typer.Option(help=f"what the board keeps of a frame: {', '.join(RECORDS)}")
    ] = "signatures",
    load: Annotated[
        bool, typer.Option(help="load the program if the board does not have it in memory")
    ] = True,
    repeat: Annotated[
        int | None,
        typer.Option(min=1, help="compute each image so often without a pause, for power meters"),
    ] = None,
    pause: Annotated[
        float, typer.Option(min=0.0, help="with --repeat: seconds of waiting around each image")
    ] = 2.0,
    markers: Annotated[
        Path | None, typer.Option(help="with --repeat: write when the board worked")
    ] = None,
    attempts: Annotated[int, typer.Option(min=1, help="times that a request is sent")] = ATTEMPTS,
    calibration: Calibration = CALIBRATION,
    se_bits: SEBits = 4,
    json: Json = False,
) -> None:
    """Classify images on a board over its serial link.

    Logits and, unless only those are kept, every layer's signature must equal the integer network's; exit
    status 1 when something differs.
    """
    from hwflow.compiler.program import Program

    try:
        from hwflow.host.accelerator import Accelerator
    except ModuleNotFoundError as error:
        raise FlowError(f"{error}; {get_extra('board')}") from error
    if markers is not None:
        check_file(markers)
        if repeat is None:
            raise FlowError("--markers goes with --repeat; say how often")
    if records not in RECORDS:
        raise FlowError(
            f"--records {records}: unknown{suggestion(records, RECORDS)}; give one of {', '.join(RECORDS)}"
        )
    if program is not None and target is not None:
        raise FlowError("--program and --target exclude each other; give one of them")
    config = board_target(board, target)
    built = None if program is None else Program.load(program)
    name = named(board).network if built is None else built.manifest.network
    source = checkpoint or trained_network(name)
    chosen = chosen_images(data, images, source)
    screen = progress_console()
    with Accelerator.open(
        port, baud=baud, attempts=attempts, note=lambda line: screen.print(f"{port}: {line}")
    ) as accelerator:
        width = (config if built is None else built.config).residual_bits
        network = integer_network(source, calibration, se_bits, residual_bits=width)
        compiled = built or compile_network(network, config)
        if compiled.manifest.network_hash != network.content_hash():
            raise FlowError(
                f"{program}: was compiled from another network than the checkpoint gives; name that "
                "checkpoint or run `hwflow lower` again"
            )
        sent = 0
        if load:
            with counted_progress(f"loading {compiled.manifest.network}") as progress:
                sent = accelerator.load(compiled, progress=progress)
        else:
            accelerator.attach(compiled)
        if repeat is None:
            result, repeated = _classify(accelerator, chosen, records), None
        else:
            result, repeated = _repeat(accelerator, chosen, records, repeat, pause)
            if markers is not None:
                write_markers(markers, accelerator, compiled, repeated)
        differing = _compare(compiled, network, chosen, result)
        summary = _summary(accelerator, compiled, chosen, result, differing) | {
            "bytes_loaded": sent
        }
        if repeated is not None:
            summary |= {"repeat": repeat, "cycles_repeated": [each.cycles for each in repeated]}
    if json:
        print_json(summary)
    else:
        _print(summary, records)
    if differing:
        raise typer.Exit(1)


def _classify(board: Accelerator, chosen: ImageSet, records: str) -> Classification:
    from hwflow.host.accelerator import EVERYTHING, LOGITS, SIGNATURES

    keep = (LOGITS, SIGNATURES, EVERYTHING)[RECORDS.index(records)]
    with counted_progress(f"classifying {len(chosen)} images") as progress:
        return board.classify(chosen.images, keep=keep, progress=progress)


def _repeat(
    board: Accelerator, chosen: ImageSet, records: str, runs: int, pause: float
) -> tuple[Classification, list[Repetition]]:
    """Each image's last run, and what was counted over all of its runs."""
    from hwflow.host.accelerator import EVERYTHING, LOGITS, SIGNATURES
    from hwflow.host.results import Classification

    keep = (LOGITS, SIGNATURES, EVERYTHING)[RECORDS.index(records)]
    found = repeat_images(board, chosen.images, runs, keep=keep, pause=pause)
    seconds = sum(each.cycles for each in found) / board.capabilities.clock_hz
    return Classification(records=tuple(each.record for each in found), seconds=seconds), found


def _compare(
    program: Program, network: IntegerNetwork, chosen: ImageSet, result: Classification
) -> list[str]:
    """One line a record that is not the integer network's."""
    from sim.compare import record_differences
    from sim.expected import expected_images
    from sim.network import conv_instructions

    with progress_console().status("evaluating the integer network"):
        expected = expected_images(network, conv_instructions(program), chosen.images)
    return [
        line
        for image, (found, wanted) in enumerate(zip(result.records, expected, strict=True))
        for line in record_differences(image, found, wanted)
    ]


def _summary(
    board: Accelerator,
    program: Program,
    chosen: ImageSet,
    result: Classification,
    differing: list[str],
) -> dict[str, Any]:
    manifest, device, link = program.manifest, board.capabilities, board.statistics
    count = len(result.records)
    return {
        "network": manifest.network,
        "target": device.target,
        "passed": not differing,
        "images": count,
        "top1": float((result.predictions == chosen.labels[:count]).mean()),
        "seconds": round(result.seconds, 3),
        "images_per_second": round(count / result.seconds, 3),
        "cycles_per_image": result.cycles[0],
        "clock_hz": device.clock_hz,
        "seconds_computing_per_image": result.cycles[0] / device.clock_hz,
        "gateware_hash": device.gateware_hash,
        "target_hash": device.target_hash,
        "memory_hash": manifest.memory_hash,
        "requests": link.requests,
        "retries": link.retries,
        "sessions": link.sessions,
        "bytes_out": link.bytes_out,
        "bytes_in": link.bytes_in,
        "predictions": result.predictions.tolist(),
        "logits": result.logits.tolist(),
        "signatures": [
            {str(layer): f"{value:08x}" for layer, value in each.items()}
            for each in result.signatures
        ],
        "mismatches": differing,
    }


def _print(summary: dict[str, Any], records: str) -> None:
    screen = console()
    screen.print(
        f"{summary['images']} images on {summary['target']}: top-1 {number(100 * summary['top1'], 2)}%, "
        f"{number(summary['images_per_second'], 2)} images/s over the link, {number(summary['cycles_per_image'])} "
        f"cycles an image ({number(1000 * summary['seconds_computing_per_image'], 3)} ms at "
        f"{number(summary['clock_hz'] / 1e6, 2)} MHz); {summary['requests']} requests, {summary['retries']} repeated"
    )
    if "repeat" in summary:
        screen.print(
            f"each image {number(summary['repeat'])} times without a pause, all runs with equal signatures; cycles between "
            f"the markers: {', '.join(number(cycles) for cycles in summary['cycles_repeated'])}"
        )
    if summary["passed"]:
        what = "logits" if records == "logits" else "layer's signature and logit"
        screen.print(f"every {what} equals the integer network's")
        return
    screen.print("NOT EQUAL:")
    for line in summary["mismatches"][:10]:
        screen.print(f"  {line}")
