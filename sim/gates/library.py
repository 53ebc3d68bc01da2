"""The simulator's C++, compiled once and kept under a hash of its text and compiler."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from hwflow.errors import FlowError
from sim.runner import cache_folder

SOURCE = Path(__file__).with_name("gates.cpp")
FLAGS = ("-std=c++17", "-O2", "-shared", "-fPIC")


class Netlist(ctypes.Structure):
    """As in gates.cpp."""

    _fields_ = (
        ("nets", ctypes.c_int64),
        ("instance_count", ctypes.c_int64),
        ("instances", ctypes.c_void_p),
        ("pin_nets", ctypes.c_void_p),
        ("output_nets", ctypes.c_void_p),
        ("truths", ctypes.c_void_p),
        ("delays", ctypes.c_void_p),
        ("sink_base", ctypes.c_void_p),
        ("sinks", ctypes.c_void_p),
        ("clock", ctypes.c_int64),
        ("inputs", ctypes.c_int64),
        ("input_nets", ctypes.c_void_p),
        ("outputs", ctypes.c_int64),
        ("sampled_nets", ctypes.c_void_p),
    )


class Counts(ctypes.Structure):
    """As in gates.cpp."""

    _fields_ = (
        ("toggles", ctypes.c_void_p),
        ("settled", ctypes.c_void_p),
        ("input_counts", ctypes.c_void_p),
        ("output_counts", ctypes.c_void_p),
        ("state_times", ctypes.c_void_p),
        ("sizes", ctypes.c_int64 * 3),
        ("filtered", ctypes.c_int64),
        ("events", ctypes.c_int64),
    )


@functools.cache
def simulator() -> ctypes.CDLL:
    """The compiled simulator.

    Raises:
        FlowError: there is no C++ compiler, or it does not compile.
    """
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
    if not compiler or not shutil.which(compiler.split()[0]):
        raise FlowError(
            "no C++ compiler for the gate-level simulator; install one (Debian: apt install g++)"
        )
    recipe = " ".join([compiler, *FLAGS, SOURCE.read_text()])
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:20]
    kept = cache_folder() / f"gates-{digest}.so"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            made = Path(folder) / "gates.so"
            command = [*compiler.split(), *FLAGS, str(SOURCE), "-o", str(made)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                first = next(iter(done.stderr.splitlines()), "no message")
                raise FlowError(f"{compiler} does not compile the gate-level simulator: {first}")
            made.replace(kept)
    library = ctypes.CDLL(str(kept))
    library.simulate.restype = None
    library.simulate.argtypes = (
        [ctypes.POINTER(Netlist), ctypes.POINTER(Counts), ctypes.c_void_p]
        + [ctypes.c_int64] * 4
        + [ctypes.c_void_p]
    )
    return library
