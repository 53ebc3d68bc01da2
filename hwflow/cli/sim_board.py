"""`hwflow sim-board`: a simulated board at a pseudo-terminal, for any host program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwflow import interruption
from hwflow.cli.board import BoardName, BoardTarget, board_target
from hwflow.cli.output import Json, console, number, print_json, progress_console
from hwflow.errors import FlowError
from hwflow.paths import BUILD
from rtl_gen.boards.board import DEFAULT


def sim_board(
    board: BoardName = DEFAULT,
    target: BoardTarget = None,
    memory_bytes: Annotated[int, typer.Option(min=1, help="bytes of the board's block RAM")] = 512
    * 1024,
    sdram: Annotated[
        float | None,
        typer.Option(
            min=1.0, help="MHz of accelerator and 16-bit SDRAM, which is the memory (docs/sdram.md)"
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="folder; `port` in it is the serial port to give `hwflow run`")
    ] = BUILD / "board",
    divisor: Annotated[int, typer.Option(min=4, help="clock cycles a bit on the line")] = 4,
    json: Json = False,
) -> None:
    """Simulate a board until a file `run/stop` appears in the folder, or until interrupted.

    The board is the RTL of rtl_gen/board_core.py with block RAM behind it, or the SDRAM controller and a model of the
    chip; time stands still while nobody talks to it.
    """
    from sim.board import CLOCK_HZ, build_board, serve
    from sim.sdram import SdramModel, board_model
    from sim.simulators import find_simulator

    config = board_target(board, target)
    memory: int | SdramModel = -(-memory_bytes // config.memory_bytes)
    if sdram is not None:
        memory = board_model(config, round(sdram * 1e6))
    if find_simulator().kind != "verilator":
        raise FlowError("a simulated board needs Verilator; unset SIM")
    screen = progress_console()
    out.mkdir(parents=True, exist_ok=True)
    with screen.status(f"compiling the model of {config.name}"):
        model = build_board(config, memory, divisor=divisor)
    port = out / "port"
    screen.print(
        f"a board is at {port}: hwflow run --port {port} --baud {CLOCK_HZ // divisor} --target {target or config.name} "
        f"(end with Ctrl-C, or `touch {out / 'run' / 'stop'}`)",
        soft_wrap=True,
    )
    try:
        report = serve(model, port, out / "run")
    except interruption.Interrupted:
        interruption.heeded()
        raise typer.Exit(0) from None
    if json:
        print_json(report)
    else:
        console().print(
            f"{number(report['cycles'])} cycles, {number(report['bytes_from_host'])} bytes from the host, "
            f"{number(report['bytes_from_board'])} to it"
        )
