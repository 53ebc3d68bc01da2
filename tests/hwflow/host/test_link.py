"""What the host says of ports and boards that are not what it expects."""

from __future__ import annotations

import contextlib
import os
import pty
import threading
import tty
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hwflow import isa
from hwflow.host.accelerator import Accelerator
from hwflow.host.link import Link, LinkError
from hwflow.host.protocol import (
    ANSWER,
    HELLO_BYTES,
    HELLO_FIELDS,
    REQUESTS,
    STATE,
    VERSION,
    Frame,
    FrameReader,
    Kind,
    pack,
    unpack,
)


@contextmanager
def answering(protocol: int, version: int) -> Generator[str]:
    """A port at which any request is answered as a HELLO by a board of these versions."""
    master, slave = pty.openpty()
    tty.setraw(slave)

    def answer() -> None:
        reader = FrameReader()
        while data := os.read(master, 4096):
            if data == b"\0":
                return
            for frame in reader.feed(data):
                if frame is None:
                    continue
                nonce = unpack(REQUESTS[Kind.HELLO], frame.payload)["nonce"]
                greeting = {"nonce": nonce, "protocol": protocol, "isa": version}
                payload = pack(STATE, dict.fromkeys(("status", "flags", "words", "run"), 0))
                payload += pack(HELLO_FIELDS, greeting).ljust(HELLO_BYTES, b"\0")
                os.write(master, Frame(frame.kind | ANSWER, frame.sequence, payload).encode())

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        os.write(slave, b"\0")
        thread.join()
        os.close(master)
        os.close(slave)


def test_other_versions() -> None:
    with (
        answering(VERSION + 1, isa.VERSION) as port,
        pytest.raises(LinkError, match="of the link protocol"),
    ):
        Accelerator.open(port)
    with (
        answering(VERSION, isa.VERSION + 1) as port,
        pytest.raises(LinkError, match="of the instruction set"),
    ):
        Accelerator.open(port)
    with answering(VERSION, isa.VERSION) as port, Accelerator.open(port) as board:
        assert board.capabilities.isa == isa.VERSION


def test_nobody_answers() -> None:
    master, slave = pty.openpty()
    try:
        port = os.ttyname(slave)
        with pytest.raises(LinkError, match="no answer to HELLO in 2 attempts"):
            Accelerator.open(port, margin=0.05, attempts=2)
        with (
            contextlib.closing(Link(port)),
            pytest.raises(LinkError, match="another program uses the port"),
        ):
            Link(port)
    finally:
        os.close(master)
        os.close(slave)


def test_no_port(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="no such port"):
        Link(str(tmp_path / "none"))
    file = tmp_path / "file"
    file.write_text("no port")
    with pytest.raises(LinkError, match="cannot be opened as a serial port"):
        Link(str(file))
