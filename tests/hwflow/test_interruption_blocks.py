"""Blocks of code that a signal meets: what they remove, put back and finish, and the status that follows."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hwflow import interruption
from tests.hwflow.interrupted import SAID, left


def running(process: str) -> bool:
    """Whether a process is there and is no zombie, which waits for its new parent."""
    try:
        state = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def test_grandchildren_end_too(tmp_path: Path) -> None:
    """As in the commands: a program that starts another, here in a session of its own."""
    pid = tmp_path / "pid"
    script = f"setsid sh -c 'echo $$ > {pid}; sleep 60' & wait"
    with subprocess.Popen(["sh", "-c", script], start_new_session=True) as process:
        while not pid.is_file() or not pid.read_text():
            time.sleep(0.01)
        interruption.end_descendants()
        assert process.wait(10) == -signal.SIGKILL
    until = time.monotonic() + 10
    while (alive := running(pid.read_text().strip())) and time.monotonic() < until:
        time.sleep(0.01)
    assert not alive


CHILD = """
import os, pathlib, signal, sys, time
from hwflow import interruption
from hwflow.cli.output import staged
def work():
    with {block}:
        pathlib.Path("begun").touch()
        os.kill(os.getpid(), signal.SIGTERM)
        pathlib.Path("inside").touch()
    pathlib.Path("after").touch()
interruption.run(work)
"""


@pytest.mark.parametrize(
    ("block", "remains"),
    [
        ("interruption.put_off()", ["begun", "inside"]),
        ("staged(pathlib.Path('a/b'))", ["begun"]),
        ("interruption.replaces(pathlib.Path('a/b'))", ["begun"]),
    ],
)
def test_blocks(block: str, remains: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHILD.format(block=block)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (128 + signal.SIGTERM, SAID[signal.SIGTERM] + "\n")
    assert left(tmp_path) == remains


REPLACED = """
import os, pathlib, signal
from hwflow import interruption
folder = pathlib.Path("made/runs")
def work():
    with interruption.replaces(folder) as keep:
        folder.mkdir()
        (folder / "new").touch()
        {then}
interruption.run(work)
"""
TERMINATE = "os.kill(os.getpid(), signal.SIGTERM)"


@pytest.mark.parametrize(
    ("then", "status", "remains"),
    [
        ("pass", 0, ["new"]),
        (TERMINATE, 143, ["old", "old/good"]),
        (f"with interruption.put_off(): {TERMINATE}; keep()", 143, ["new"]),
        ("raise SystemExit(3)", 3, ["new"]),  # an error, whose logs stay
        ("(folder / 'new').unlink(); folder.rmdir(); exit(3)", 3, ["old", "old/good"]),
    ],
)
def test_what_was_there(then: str, status: int, remains: list[str], tmp_path: Path) -> None:
    runs = tmp_path / "made" / "runs"
    (runs / "old").mkdir(parents=True)
    (runs / "old" / "good").touch()
    command = [sys.executable, "-c", REPLACED.format(then=then)]
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == status
    assert (left(runs), left(tmp_path / "made")[0]) == (remains, "runs")


SLOW_CLEANUP = """
import os, pathlib, signal, time
from hwflow import interruption
def work():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        for _ in range(3):
            interruption.REPEAT_SECONDS = 0
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
        pathlib.Path("cleaned").touch()
signal.signal(signal.SIGINT, signal.default_int_handler)
interruption.run(work)
"""


def test_removal_is_not_cut_short(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SLOW_CLEANUP]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, SAID[signal.SIGINT] + "\n")
    assert (tmp_path / "cleaned").exists()


BOARD = """
import os, signal, time
import sim.board
from hwflow.cli.entry import run
def serve(model, port, folder):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(30)
sim.board.build_board = lambda *given, **more: None
sim.board.serve = serve
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    run()
finally:
    time.sleep(0.2)  # as long as an end may take
"""


def test_a_simulated_board_ends_well(tmp_path: Path) -> None:
    """Ctrl-C is how it is ended."""
    command = [sys.executable, "-c", BOARD, "sim-board", "--out", "board"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "interrupted" not in done.stderr and "Traceback" not in done.stderr


HUNG_UP = """
import fcntl, signal, termios, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # it may have come ignored, as from nohup
from hwflow import interruption, progress
def work():
    with progress.ProgressConsole().status("at work"):
        time.sleep(30)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
interruption.run(work)
"""


HUNG_UP_UNTOLD = """
import fcntl, os, signal, termios, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from hwflow import interruption
def work():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    while True:
        os.write(1, b"at work")
        time.sleep(0.01)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
interruption.run(work)
"""
"""The signal does not come before output fails."""


@pytest.mark.parametrize("code", [HUNG_UP, HUNG_UP_UNTOLD], ids=["told", "untold"])
def test_a_terminal_that_is_closed(code: str) -> None:
    terminal, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=its, stdout=its, stderr=its, start_new_session=True
    )
    os.close(its)
    shown = b""
    while b"at work" not in shown:
        shown += os.read(terminal, 1000)
    os.close(terminal)
    assert process.wait(timeout=60) == 128 + signal.SIGHUP


def test_a_signal_that_is_ignored_stays_so() -> None:
    code = (
        "import os, signal; from hwflow import interruption; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
        "interruption.run(lambda: os.kill(os.getpid(), signal.SIGHUP))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


DROPPED = """
import os, signal, time
from hwflow import interruption
class Kept:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            pass
def work():
    kept = Kept()
    del kept
    time.sleep(30)
signal.signal(signal.SIGINT, signal.default_int_handler)
interruption.run(work)
"""


def test_an_exception_that_is_dropped_is_raised_again() -> None:
    began = time.monotonic()
    command = [sys.executable, "-c", DROPPED]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, SAID[signal.SIGINT] + "\n")
    assert time.monotonic() - began < 20
