"""Entry point: collects the commands, turns bad input into one line and exit status 2."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from hwflow.cli import (
    ace,
    bitstream,
    blame,
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

app = typer.Typer(
    help="PokeBNN from a trained checkpoint to generated hardware, equal in every stored bit.",
    no_args_is_help=True,
    add_completion=False,
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


def run(command: Callable[[], object] = app) -> None:
    """Runs the command line, or another; bad input ends with one line on stderr and exit status 2."""
    try:
        command()
    except FlowError as error:
        _refuse(str(error))
    except OSError as error:
        _refuse(f"{error.filename or 'input or output'}: {error.strerror or error}")


def _refuse(message: str) -> None:
    sys.stderr.write(f"error: {' '.join(message.split())}\n")
    sys.exit(BAD_INPUT)


if __name__ == "__main__":
    run()
