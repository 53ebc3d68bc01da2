"""Commands that are interrupted in mid-run: one line, status 128 + signal, no process and nothing half-written left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from hwflow.compiler.lower import lower
from hwflow.config import load_target
from models.integer.params import IntegerNetwork
from models.integer.random import random_images, random_network
from tests.hwflow.energy.small_library import liberty
from tests.hwflow.interrupted import SAID, left

LAUNCHER = (
    # A shell's background jobs ignore SIGINT, and their children inherit that.
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from hwflow.cli.entry import run; run()"
)
MARK = "HWFLOW_TEST_INTERRUPTION"
"""A variable by which every process that a command started is found again."""


def marked(value: str) -> list[int]:
    """Processes that are alive and have the mark in their environment."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={value}".encode() in (path / "environ").read_bytes().split(b"\0"):
                found.append(int(path.name))
        except OSError:  # ended, or another user's
            continue
    return found


def interrupted(
    arguments: list[str], cwd: Path, when: Callable[[list[int]], bool], number: signal.Signals
) -> str:
    """What a command says on standard error that gets a signal once `when` holds of its processes."""
    environment = os.environ | {MARK: str(cwd), "HWFLOW_CACHE": str(cwd / "cache")}
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, *arguments],
        cwd=cwd, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        began = time.monotonic()
        while not when(marked(str(cwd))):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() - began < 600, "the moment to interrupt never came"
            time.sleep(0.02)
        os.killpg(process.pid, number)  # as a terminal does
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 128 + number, said
    until = time.monotonic() + 5
    while marked(str(cwd)) and time.monotonic() < until:
        time.sleep(0.02)
    assert marked(str(cwd)) == []
    return said


def heeds(process: int) -> bool:
    """Whether a process has taken the signals over."""
    status = Path(f"/proc/{process}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def started(processes: list[int]) -> bool:
    """The command line is running."""
    return any(heeds(each) for each in processes)


def named(*names: str) -> Callable[[list[int]], bool]:
    """Whether a program of such a name, started by the command or by what it started, is at work."""

    def there(processes: list[int]) -> bool:
        for each in processes:
            with suppress(OSError):  # it has ended
                if Path(f"/proc/{each}/comm").read_text().strip() in names:
                    return True
        return False

    return there


def yosys(processes: list[int]) -> bool:
    """Synthesis is at work."""
    for each in processes:
        with suppress(OSError):
            if b"rtl_gen.synthesis.driver" in Path(f"/proc/{each}/cmdline").read_bytes():
                return True
    return False


def images(folder: Path) -> str:
    """An .npz file of a few images to train and test on."""
    pictures, labels = random_images(1, 8, (28, 28, 1)), np.arange(8, dtype=np.int32)
    path = folder / "set.npz"
    np.savez(
        path,
        train_images=pictures, train_labels=labels, test_images=pictures[:4], test_labels=labels[:4],
    )  # fmt: skip
    return str(path)


def soon(processes: list[int]) -> bool:
    """A second after the signals are taken over: the work has begun."""
    if not started(processes):
        return False
    time.sleep(1)
    return True


def check(
    arguments: list[str],
    cwd: Path,
    when: Callable[[list[int]], bool],
    numbers: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM),
) -> None:
    """Interrupts a command: what is left are whole entries of the cache of models, and what was given."""
    given = left(cwd)
    for number in numbers:
        said = interrupted(arguments, cwd, when, number)
        *before, last = said.splitlines()
        assert last == SAID[number], said
        assert all(re.search(r"\(\d+:\d\d\)$", line) for line in before), said  # progress
        others = [name for name in left(cwd) if name not in given]
        assert [name for name in others if "/." in name or not name.startswith("cache")] == []
        for folder in (cwd / "cache").glob("*/"):
            assert (folder / "complete").exists() or folder.name.startswith("runtime-"), folder


@pytest.mark.parametrize(
    ("command", "out", "number"),
    [("lower", "made", signal.SIGINT), ("random", "x.network", signal.SIGTERM)],
)
def test_commands_leave_nothing(
    command: str, out: str, number: signal.Signals, tmp_path: Path
) -> None:
    check([command, "--out", out], tmp_path, soon, [number])


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [2.0, 2.5, 3.0, 3.5, 4.5, 6.0])
def test_a_report_at_any_moment(seconds: float, tmp_path: Path) -> None:
    """JAX is at work then, which crashes where an exception goes through its callbacks."""

    def later(processes: list[int]) -> bool:
        if started(processes):
            time.sleep(seconds)
        return started(processes)

    check(["report", "--out", "made.html"], tmp_path, later, [signal.SIGINT])


def test_training_leaves_nothing_before_its_first_epoch(tmp_path: Path) -> None:
    data = ["--data", images(tmp_path), "--width", "0.125", "--batch-size", "4", "--epochs", "1"]
    check(["train", *data, "--out", "run"], tmp_path, soon, [signal.SIGINT])


@pytest.mark.slow
def test_a_simulation_that_is_being_compiled(network: Path, tmp_path: Path) -> None:
    check(simulation(network, tmp_path), tmp_path, named("cc1plus", "clang"), [signal.SIGTERM])


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_simulation_that_runs(jobs: str, network: Path, tmp_path: Path) -> None:
    arguments = simulation(network, tmp_path)
    check([*arguments, "--jobs", jobs], tmp_path, named("simulation"))


@pytest.mark.slow
def test_a_characterisation(network: Path, tmp_path: Path) -> None:
    (tmp_path / "small.lib").write_text(liberty())
    given = [*simulation(network, tmp_path)[1:-2], "--liberty", "small.lib", "--unit", "binary_pe"]
    arguments = ["energy", "characterise", "--target", "sim-small", *given, "--out", "made.json"]
    for moment in (named("simulation"), yosys):
        check(arguments, tmp_path, moment, [signal.SIGTERM])


@pytest.mark.slow
def test_a_bitstream_in_synthesis(tmp_path: Path) -> None:
    pytest.importorskip("pyosys", reason="no pyosys (extra board)")
    check(["bitstream", "--target", "sim-small", "--out", "made"], tmp_path, yosys)


@pytest.mark.slow
def test_a_netlist_in_synthesis(tmp_path: Path) -> None:
    pytest.importorskip("pyosys", reason="no pyosys (extra board)")
    arguments = ["netlist", "lane", "--out", "made"]
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / ".lock").touch()
    check(arguments, tmp_path, yosys, [signal.SIGTERM])


def simulation(network: Path, folder: Path) -> list[str]:
    """Arguments of `hwflow sim` for a network, with images for it that take a while."""
    shape, count = IntegerNetwork.load(network).image_shape, 64
    np.savez(
        folder / "data.npz", images=random_images(1, count, shape), labels=np.zeros(count, np.int32)
    )
    given = ["--checkpoint", str(network), "--data", "data.npz", "--images", str(count)]
    return ["sim", *given, "--out", "made"]


IN_MID_WRITE = """
import os, signal
from hwflow.compiler import schedule
signal.signal(signal.SIGINT, signal.default_int_handler)
real = schedule.to_json
def to_json(instructions):
    os.kill(0, signal.SIGINT)
    return real(instructions)
schedule.to_json = to_json
from hwflow.cli.entry import run
run()
"""
"""Between the second of four files and the third."""


def test_an_earlier_build_is_kept(network: Path, tmp_path: Path) -> None:
    build = tmp_path / "made"
    lower(random_network(6), load_target("sim-small")).save(build)  # of another network
    earlier = {path.name: path.read_bytes() for path in build.iterdir()}
    arguments = ["lower", "--checkpoint", str(network), "--target", "sim-small", "--out", "made"]
    done = subprocess.run(
        [sys.executable, "-c", IN_MID_WRITE, *arguments],
        cwd=tmp_path, capture_output=True, text=True, check=False, start_new_session=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr.splitlines()[-1]) == (130, SAID[signal.SIGINT])
    assert left(tmp_path) == ["made", *(f"made/{name}" for name in sorted(earlier))]
    assert {path.name: path.read_bytes() for path in build.iterdir()} == earlier


def test_an_earlier_simulation_is_kept(network: Path, tmp_path: Path) -> None:
    """Interrupted in mid-run, into a folder with results: every byte is what it was."""
    earlier = {"summary.json": "{}", "runs/images0-63/run.json": "earlier", "runs/images0-3/a": ""}
    for name, text in earlier.items():
        path = tmp_path / "made" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    given = left(tmp_path / "made")
    new = tmp_path / "made" / "runs" / "images0-63" / "images.fread"
    arguments = simulation(network, tmp_path)
    interrupted(arguments, tmp_path, lambda processes: new.exists(), signal.SIGINT)
    assert left(tmp_path / "made") == given
    assert {name: (tmp_path / "made" / name).read_text() for name in earlier} == earlier
