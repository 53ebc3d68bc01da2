"""`hwflow bitstream`: an accelerator on a board."""

from __future__ import annotations

import enum
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from hwflow.cli.board import BoardName, BoardTarget, board_target, trained_network
from hwflow.cli.network import Calibration, integer_network
from hwflow.cli.output import Json, console, number, print_json, progress_console, staged, table
from hwflow.errors import FlowError
from hwflow.paths import BUILD, CALIBRATION
from rtl_gen.boards.board import DEFAULT
from rtl_gen.boards.board import board as named

RESULTS = ("hwflow.bit", "report.json", "board.sv", "pins.lpf", "nextpnr.log")


class Memory(enum.Enum):
    """Memories that a board can have behind the accelerator."""

    BLOCK_RAM = "block-ram"
    SDRAM = "sdram"


def bitstream(
    board: BoardName = DEFAULT,
    target: BoardTarget = None,
    network: Annotated[
        Path | None,
        typer.Option(
            help="folder of a checkpoint, or an integer network's file: its memory image is what "
            "the block RAM is made for; default the board's"
        ),
    ] = None,
    calibration: Calibration = CALIBRATION,
    memory: Annotated[
        Memory, typer.Option(help="where the network lies: block RAM, or the board's SDRAM")
    ] = Memory.SDRAM,
    clock_mhz: Annotated[
        float | None, typer.Option(help="clock of the design; default the board's")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="of place and route; same seed, same bytes")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="folder to write to; default build/bitstream/BOARD")
    ] = None,
    json: Json = False,
) -> None:
    """Synthesise, place and route an accelerator for a board, and report what it takes and how fast it is.

    Exit status 2 when it does not fit or misses its clock.
    """
    from hwflow.compiler.lower import lower
    from rtl_gen.boards import bitstream as flow

    chosen = named(board)
    config = board_target(board, target)
    clock_hz = chosen.clock_hz if clock_mhz is None else round(clock_mhz * 1e6)
    if clock_hz <= 0:
        raise FlowError(f"--clock-mhz {clock_mhz} must be above 0; nearest valid: 10")
    flow.check_tools()
    flow.check_memories(chosen, config, None)
    checkpoint = network or trained_network(chosen.network)
    integers = integer_network(checkpoint, calibration, residual_bits=config.residual_bits)
    beats = None
    if memory is Memory.BLOCK_RAM:
        beats = len(lower(integers, config).memory) // config.memory_bytes
    folder = out or BUILD / "bitstream" / chosen.name
    with staged(folder) as scratch, progress_console().status("writing the Verilog") as status:

        def progress(stage: str) -> Callable[[str], None]:
            return lambda at: status.update(f"{stage}: {at}")

        made = flow.build(
            chosen, config, scratch, beats=beats, clock_hz=clock_hz, seed=seed, progress=progress
        )
        (scratch / "hwflow.bit").write_bytes(made.data)
        report = {"network": integers.name, **made.report}
        (scratch / "report.json").write_text(_text(report))
        for path in scratch.iterdir():
            if path.name not in RESULTS:
                path.unlink()
    if json:
        print_json(report)
    else:
        _print(report, folder)
    flow.check_timing(report)


def _text(report: dict[str, Any]) -> str:
    import json

    return json.dumps(report, indent=1) + "\n"


def _print(report: dict[str, Any], folder: Path) -> None:
    screen = console()
    units = table(
        f"{report['target']['name']} for {report['network']} on {report['board']} in {folder}",
        ("unit", "LUT4 in all", "LUT4", "CCU2C", "FF", "DPR16X4", "EBR", "MULT18X18D"),
    )
    for unit, taken in report["units"].items():
        columns = ("luts", "lut4", "carry", "ff", "dpr", "ebr", "mult")
        units.add_row(unit, *(number(taken[name] or None) for name in columns))
    screen.print(units)
    used = table(f"{report['part']}, after synthesis", ("resource", "used", "available", "share"))
    for name, counts in report["utilisation"].items():
        share = f"{counts['used'] / counts['available']:.1%}"
        used.add_row(name, number(counts["used"]), number(counts["available"]), share)
    screen.print(used)
    path = table("critical path (post-route)", ("unit", "logic ns", "routing ns"))
    for part in report["critical_path"]:
        path.add_row(part["unit"], number(part["logic_ns"], 2), number(part["routing_ns"], 2))
    screen.print(path)
    array, tools = report["array"], report["tools"]
    screen.print(
        f"binary array: {number(array['binary_macs'])} MACs a cycle, {number(array['luts'])} LUT4 with accumulators, "
        f"weights and deskew memories: {array['luts_per_binary_mac']:.2f} a binary MAC"
    )
    screen.print(
        f"clock {report['clock_hz'] / 1e6:g} MHz, reached {report['fmax_mhz']:.2f} MHz, slack {report['slack_ns']:.2f} ns "
        f"(evidence: post-route); seed {report['seed']}; "
        + ", ".join(f"{name} {version}" for name, version in tools.items())
    )
    phase = report["sdram_clock"]
    if phase:
        screen.print(
            f"memory: SDRAM, its clock {phase['steps'] * phase['step_ps'] / 1e3:.2f} ns behind the design's, margin "
            f"{phase['margin_ps'] / 1e3:.2f} ns by assumed pin delays (docs/sdram.md)"
        )
    screen.print(f"bitstream sha256 {report['sha256']['bitstream']}")
