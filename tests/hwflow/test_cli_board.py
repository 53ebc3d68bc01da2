"""What a board decides for bitstream, run and sim-board, and how each refuses what is wrong."""

from __future__ import annotations

import os
import pty
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hwflow.cli.board import board_target, trained_network
from hwflow.cli.main import app
from hwflow.compiler.lower import lower
from hwflow.config import load_target
from hwflow.errors import FlowError
from hwflow.host.extents import check_fits
from hwflow.host.link import Capabilities
from hwflow.paths import MODELS
from models.integer.params import IntegerNetwork
from rtl_gen.boards.board import BOARDS, DEFAULT, Board
from tests.hwflow.command_line import hwflow
from tests.hwflow.command_line import refused as message_of

PORT = ("--port", "/dev/no-such-port")


def refused(*arguments: str) -> str:
    """The message of a refused command."""
    done = CliRunner().invoke(app, list(arguments))
    assert isinstance(done.exception, FlowError), done.output
    assert done.stdout == "" and "\n" not in str(done.exception)
    return str(done.exception)


@pytest.mark.parametrize("each", BOARDS.values(), ids=BOARDS)
def test_a_board_decides(each: Board) -> None:
    """Its target is there, and takes its network."""
    target = board_target(each.name, None)
    assert target == load_target(each.target)
    assert trained_network(each.network) == MODELS / "trained" / each.network
    assert board_target(each.name, "sim-small").name == "sim-small"


def test_there_is_a_default_board() -> None:
    assert DEFAULT in BOARDS
    with pytest.raises(FlowError, match="no trained network 'fmnist-giant' is here"):
        trained_network("fmnist-giant")


@pytest.mark.parametrize(
    "command", [("bitstream",), ("run", *PORT), ("sim-board",)], ids=lambda c: c[0]
)
def test_unknown_board_and_target(command: tuple[str, ...]) -> None:
    assert "unknown board 'basys'; known: ulx3s-85f" in refused(*command, "--board", "basys")
    assert "zu8" in refused(*command, "--target", "zu8")


def test_a_program_decides_the_target(tmp_path: Path) -> None:
    message = refused("run", *PORT, "--program", str(tmp_path), "--target", "sim-small")
    assert "--program and --target exclude each other" in message


def test_wrong_port(tmp_path: Path) -> None:
    message = message_of(hwflow("run", *PORT, cwd=tmp_path))
    assert "/dev/no-such-port: no such port; `python -m serial.tools.list_ports`" in message


def test_a_port_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no port")
    message = refused("run", "--port", str(tmp_path / "file"))
    assert "cannot be opened as a serial port" in message


def test_busy_port(tmp_path: Path) -> None:
    from hwflow.host.link import Link

    master, slave = pty.openpty()
    try:
        link = Link(os.ttyname(slave))
        try:
            message = refused("run", "--port", os.ttyname(slave))
        finally:
            link.close()
    finally:
        os.close(master)
        os.close(slave)
    assert "another program uses the port; end it first" in message


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("ecp5-25f", r"lower the network with --target ecp5-25f, or put a bitstream of sim-small"),
        ("sim-small", r"the target was changed in between: make the program and the bitstream"),
    ],
)
def test_a_bitstream_for_another_model(network: Path, name: str, named: str) -> None:
    program = lower(IntegerNetwork.load(network), load_target("sim-small"))
    board = Capabilities(
        protocol=2,
        isa=1,
        clock_hz=40_000_000,
        memory_bytes=1 << 20,
        buffer_words=1024,
        data_bytes=2048,
        beat_bytes=16,
        target=name,
        target_hash="0" * 64,
        gateware_hash="0" * 64,
    )
    with pytest.raises(FlowError, match=named):
        check_fits(program, board, "port")
