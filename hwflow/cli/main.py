"""Entry point: collects the commands, turns bad input into one line and exit status 2."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from hwflow.cli import (
    ace,
    bitstream,
    blame,
    checked,
    cycles,
    doctor,
    emulate,
    estimate,
    explore,
    export_onnx,
    fit,
    import_aqt,
    lower,
    netlist,
    plan,
    quantise,
    random,
    reconcile,
    report,
    sim,
    sim_board,
    sim_imagenet,
    train,
    verilog,
)
from hwflow.cli import (
    run as run_board,
)
from hwflow.cli.energy.app import app as energy
from hwflow.errors import FlowError

BAD_INPUT = 2
PROGRAM = "hwflow"

app = typer.Typer(
    help="PokeBNN from a trained checkpoint to generated hardware, equal in every stored bit.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("doctor")(doctor.doctor)
app.command("train")(train.train)
app.command("blame")(blame.blame)
app.command("import-aqt")(import_aqt.import_aqt)
app.command("quantise")(quantise.quantise)
app.command("export-onnx")(export_onnx.export_onnx)
app.command("random")(random.random)
app.command("lower")(lower.lower)
app.command("verilog")(verilog.verilog)
app.command("bitstream")(bitstream.bitstream)
app.command("estimate")(estimate.estimate)
app.command("emulate")(emulate.emulate)
app.command("netlist")(netlist.netlist)
app.command("cycles")(cycles.cycles)
app.command("sim")(sim.sim)
app.command("sim-imagenet")(sim_imagenet.sim_imagenet)
app.command("sim-board")(sim_board.sim_board)
app.command("run")(run_board.run)
app.command("plan")(plan.plan)
app.command("fit")(fit.fit)
app.command("explore")(explore.explore)
app.command("ace")(ace.ace)
app.command("reconcile")(reconcile.reconcile)
app.command("report")(report.report)
app.add_typer(energy, name="energy")
checked.check_all(app, energy)


def commands() -> None:
    """The command that the command line names; a status other than 0 ends the process."""
    status = app(prog_name=PROGRAM, standalone_mode=False)
    if isinstance(status, int) and status:
        sys.exit(status)


def run(command: Callable[[], object] = commands) -> None:
    """Runs the command line, or another; bad input ends with one line on stderr and exit status 2."""
    try:
        command()
    except FlowError as error:
        _refuse(str(error))
    except typer.TyperException as error:
        _refuse(_usage(error))
    except OSError as error:
        reason = error.strerror or error
        where = error.filename or "input or output"
        _refuse(f"{where}: {reason}; check that it is there, with space and permission")


def _usage(error: typer.TyperException) -> str:
    """What is wrong with a command line, and where its options are explained; nothing where help was asked for."""
    message = error.format_message().strip().rstrip(".")
    context: typer.Context | None = getattr(error, "ctx", None)
    if not message or context is None:
        return message
    return f"{message[0].lower()}{message[1:]}; see `{context.command_path} --help`"


def _refuse(message: str) -> None:
    if message:
        sys.stderr.write(f"error: {' '.join(message.split())}\n")
    sys.exit(BAD_INPUT)
