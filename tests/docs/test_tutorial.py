"""The tutorial, done: its commands in page order in a copy of the repository, what it shows held against their output.

A block's title says how long it takes. Blocks without one run always; those of minutes are slow; what needs a board or a
quarter of an hour of place and route is only parsed (test_pages.py).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "tutorial.md"
COPIED = ("hwflow", "models", "rtl_gen", "sim")
NETWORK = "hwflow random --preset fmnist-tiny --out build/tiny.network"
"""Instead of the quantised network where that would take too long: the same shapes, other values."""
OF_THE_VALUES = re.compile(r"sha256|top-1|signature")
"""Lines that depend on the network's values."""
PORT_SECONDS = 900


@dataclass(frozen=True)
class Step:
    """A command of the page, what the page shows of its output, and its block's title."""

    command: str
    shown: tuple[str, ...]
    title: str

    @property
    def slow(self) -> bool:
        return "minute" in self.title

    @property
    def run(self) -> bool:
        return "not run" not in self.title


def steps(text: str) -> Iterator[Step]:
    """The steps of every `console` block, in order."""
    for block in re.finditer(r'^```console(?: title="([^"]*)")?\n(.*?)^```$', text, re.M | re.S):
        for part in re.split(r"^\$ ", block[2], flags=re.M)[1:]:
            command, *shown = part.rstrip("\n").split("\n")
            yield Step(command, tuple(shown), block[1] or "")


def plain(line: str) -> str:
    """A line without the frame of a table, its words one space apart."""
    return " ".join(re.sub(r"[│┃]", " ", line).split())


def check(step: Step, output: str) -> None:
    """Each line that the page shows is in the output, in the page's order; `..` stands for any text."""
    rest = iter([plain(line) for line in output.splitlines()])
    for shown in step.shown:
        if shown.strip() == "...":
            continue
        pattern = re.escape(plain(shown)).replace(r"\.\.", ".*")
        assert any(re.fullmatch(pattern, line) for line in rest), (
            f"{step.command}: the page shows {shown!r}, which is not in\n{output}"
        )


class Reader:
    """Someone who types the page's lines in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        programs = folder / "programs"
        programs.mkdir()
        for name, arguments in (("hwflow", "-m hwflow.cli.entry "), ("python", "")):
            (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {arguments}"$@"\n')
            (programs / name).chmod(0o755)
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "COLUMNS": "160", "PYTHONPATH": str(folder)}
        self.behind: list[subprocess.Popen[bytes]] = []

    def type(self, step: Step) -> None:
        if step.command.endswith("&"):
            self._start(step.command.rstrip("& "))
            return
        done = subprocess.run(
            ["bash", "-c", step.command], cwd=self.folder, env=self.environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        expected = 1 if any("NOT EQUAL" in line for line in step.shown) else 0
        assert done.returncode == expected, f"{step.command}\n{done.stdout}\n{done.stderr}"
        check(step, done.stdout)

    def _start(self, command: str) -> None:
        started = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=self.folder, env=self.environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.behind.append(started)
        end = time.monotonic() + PORT_SECONDS
        while not (self.folder / "build" / "board" / "port").exists():
            assert started.poll() is None, f"{command} ended"
            assert time.monotonic() < end, f"{command}: no port"
            time.sleep(0.2)

    def leave(self) -> None:
        for started in self.behind:
            try:
                started.wait(60)
            except subprocess.TimeoutExpired:
                started.terminate()
                started.wait(60)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    ignored = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    made = Reader(tmp_path)
    yield made
    made.leave()


def test_what_is_quick(reader: Reader) -> None:
    done = subprocess.run(
        ["bash", "-c", f"mkdir build && {NETWORK}"], cwd=reader.folder, env=reader.environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    chosen = [step for step in steps(PAGE.read_text()) if step.run and not step.slow]
    assert len(chosen) >= 5
    for step in chosen:
        shown = tuple(line for line in step.shown if not OF_THE_VALUES.search(line))
        reader.type(Step(step.command, shown, step.title))


@pytest.mark.slow
def test_the_whole_page(reader: Reader) -> None:
    for command in ("git init -q", "git add -A hwflow models rtl_gen sim"):
        reader.type(Step(command, (), ""))
    for step in steps(PAGE.read_text()):
        if step.run:
            reader.type(step)


def test_every_block_says_how_it_is_run() -> None:
    """A command that is neither quick nor slow must say that no test runs it."""
    titles = {step.title for step in steps(PAGE.read_text())}
    assert all(not t or "minute" in t or "not run by the tests" in t for t in titles), titles


def test_wrong_output_is_seen() -> None:
    step = Step("x", ("a  b", "...", "total .. cycles"), "")
    check(step, "│ a │ b │\nmore\ntotal 7 cycles\n")
    for wrong in ("a c\ntotal 7 cycles\n", "a b\ntotal 7\n", "total 7 cycles\na b\n"):
        with pytest.raises(AssertionError, match="which is not in"):
            check(step, wrong)
