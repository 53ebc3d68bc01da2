"""The cycle model as machine code, for those who ask for thousands of frames: source/, made on first use.

It gives the same cycles as `simulate_cycles` some hundred times sooner and nothing else. Every latency and depth is
passed to it, so that `hwflow.timing` and `AcceleratorConfig` stay their only home.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.resources
import itertools
import os
import platform
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np

from hwflow import isa, timing
from hwflow.config import AcceleratorConfig
from hwflow.cycle_model.model import PATIENCE
from hwflow.errors import FlowError
from hwflow.files import write_atomically

SOURCE = "source"
MAIN = "frame.cpp"
OPTIONS = ("-std=c++17", "-O2", "-shared", "-fPIC")
SEAL = hashlib.sha256().digest_size
"""Bytes behind a library in the cache: their hash. A loader does not look there."""
FIELDS = (
    "op", "layer", "ring", "beats", "words", "after", "mac", "in_w", "out_w", "stride2", "pad_top", "pad_left",
    "kernel", "row_aligned", "tiles", "groups", "weight_words", "store", "bits_en", "pool_en", "sums_en", "interval",
    "count", "outputs", "steps", "wide", "dest", "records",
)  # fmt: skip
"""Fields of an instruction that cycles depend on, in the order of the source's `Instruction`; absent ones are 0."""


@dataclass(frozen=True)
class FrameCycles:
    """Cycles of one frame (evidence `cycle-model`): start to last logit, start to done, first and last of each CONV."""

    cycles: int
    total: int
    layers: tuple[tuple[int, int], ...]

    def windows(self) -> tuple[int, ...]:
        """Cycles of each CONV from the end of the one before to its own, then those of the dense layer."""
        ends = [0, *(end for _, end in self.layers), self.cycles]
        return tuple(b - a for a, b in itertools.pairwise(ends))


def frame_cycles(
    schedule: Sequence[Mapping[str, int]],
    config: AcceleratorConfig,
    *,
    latency: int = 8,
    bandwidth: Fraction = Fraction(1),
    steady: bool = False,
) -> FrameCycles:
    """Cycles of one frame of a decoded schedule; latency, bandwidth, steady: as for `simulate_cycles`.

    Raises:
        FlowError: activations in external memory, which it does not know, a schedule that does not come to its END, or no
            C++ compiler.
    """
    if config.long_words:
        raise FlowError(
            f"target {config.name}: long_words {config.long_words}: the compiled cycle model has no streams to external "
            "memory; give long_words and store_words 0"
        )
    rows = np.array([[each.get(name, 0) for name in FIELDS] for each in schedule], np.int32)
    values = np.array(_parameters(config, latency, bandwidth, steady), np.int32)
    convs = sum(each["op"] == isa.Op.CONV for each in schedule)
    found = np.zeros(2 + 2 * convs, np.int64)
    ended = _library()(values.ctypes.data, rows.ctypes.data, len(rows), found.ctypes.data)
    if not ended:
        raise FlowError(
            f"the schedule does not come to its END: nothing moves for {PATIENCE} cycles; check it with the verifier"
        )
    cycles, total, *spans = (int(value) for value in found)
    return FrameCycles(cycles, total, tuple(zip(spans[::2], spans[1::2], strict=True)))


def prepare() -> None:
    """Loads the compiled model, so that what keeps it from being there is seen before the first frame.

    Raises:
        FlowError: no C++ compiler, or no folder to keep it in.
    """
    _library()


def _parameters(
    config: AcceleratorConfig, latency: int, bandwidth: Fraction, steady: bool
) -> tuple[int, ...]:
    """The source's `Parameters`, in its order."""
    drains = (
        timing.conv_drain(config, pool=pool, features=features)
        for pool, features in ((False, False), (True, False), (False, True), (True, True))
    )
    return (
        config.rows, config.cols, config.row_groups, config.memory_bytes, config.weight_words, config.weight_beats,
        config.mac_words, config.mac_half_beats, config.record_beats, config.records_per_beat,
        config.constant_ring_beats, latency, bandwidth.numerator, bandwidth.denominator, int(steady),
        isa.INSTRUCTION_BYTES, len(isa.LAYER_COUNTERS), len(isa.SCALAR_COUNTERS), len(isa.END_COUNTERS),
        timing.WEIGHT_RELEASE, timing.EVENTS, timing.conv_setup_cycles(config), timing.mac_group_latency(),
        timing.binary_group_latency(config), timing.vector_latency(), timing.sum_token_latency(), timing.SETTLE,
        *drains, timing.BURST, timing.PREFETCHED, timing.CONV_QUEUE, timing.SCALAR_QUEUE, timing.REQUESTS_AHEAD,
        timing.ring_free_latency(), timing.BYTE_WRITER_BEATS, timing.matvec_latency(config),
        timing.matvec_release_latency(), timing.scalar_output_latency(), timing.affine_unit_latency(),
        timing.RESULT_WORDS, timing.LAYER_RECORDS, PATIENCE,
    )  # fmt: skip


@cache
def _library() -> Callable[[int, int, int, int], int]:
    """The compiled model, from the cache where it is there and whole.

    It is known there by source, options, machine and compiler; without a compiler that of any other is taken.
    """
    texts = _texts()
    folder = Path(os.environ.get("HWFLOW_CACHE") or ".cache/hwflow-sim").resolve()
    name = f"cycles-{_digest(*itertools.chain(*texts.items()), platform.machine(), *OPTIONS)}"
    try:
        compiler, version = _compiler()
    except FlowError:
        for path in sorted(folder.glob(f"{name}-*.so")):
            if (found := _loaded(path)) is not None:
                return found
        raise
    path = folder / f"{name}-{_digest(version, *compiler)}.so"
    found = _loaded(path)
    if found is None:
        _compile(compiler, texts, path)
        found = _loaded(path)
    if found is None:
        raise FlowError(
            f"{path}: {shlex.join(compiler)} made what cannot be loaded; name another compiler in CXX"
        )
    return found


def _texts() -> dict[str, bytes]:
    """The source files by name, in the order of their names."""
    files = (importlib.resources.files("hwflow.cycle_model") / SOURCE).iterdir()
    return {file.name: file.read_bytes() for file in sorted(files, key=lambda file: file.name)}


def _digest(*parts: bytes | str) -> str:
    joined = b"\0".join(part if isinstance(part, bytes) else part.encode() for part in parts)
    return hashlib.sha256(joined).hexdigest()[:16]


def _compiler() -> tuple[tuple[str, ...], str]:
    """The compiler's command and what it says of its version.

    Raises:
        FlowError: there is none.
    """
    asked = os.environ.get("CXX") or "c++"
    missing = FlowError(
        f"C++ compiler {asked!r} not found; install one (Debian: apt install g++) or name it in CXX"
    )
    try:
        command = tuple(shlex.split(asked))
        told = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    except (OSError, ValueError) as error:
        raise missing from error
    return command, told.stdout


def _loaded(path: Path) -> Callable[[int, int, int, int], int] | None:
    """The function of a library that `_compile` made; None where it is not there, damaged, or of another machine."""
    try:
        made = path.read_bytes()
        if hashlib.sha256(made[:-SEAL]).digest() != made[-SEAL:]:
            return None
        function = ctypes.CDLL(str(path)).hwflow_cycles
    except (OSError, AttributeError):
        return None
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p]
    function.restype = ctypes.c_int
    return function


def _compile(compiler: Sequence[str], texts: Mapping[str, bytes], path: Path) -> None:
    """Compiles into `path`, whole or not at all, and seals it: a damaged library would end the process that loads it.

    Raises:
        FlowError: the folder cannot be written, or the compiler fails.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".cycles-", dir=path.parent) as scratch:
            made = Path(scratch) / path.name
            for name, text in texts.items():
                (Path(scratch) / name).write_bytes(text)
            command = [*compiler, *OPTIONS, "-o", str(made), str(Path(scratch) / MAIN)]
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            if run.returncode or not made.is_file():
                first = (run.stderr.splitlines() or ["no message"])[0]
                raise FlowError(
                    f"{shlex.join(compiler)} does not compile the cycle model ({first}); name another compiler in CXX"
                )
            library = made.read_bytes()
    except OSError as error:
        raise FlowError(
            f"{path.parent}: cannot be written ({error.strerror}); name another folder in HWFLOW_CACHE"
        ) from error
    write_atomically(path, library + hashlib.sha256(library).digest())
