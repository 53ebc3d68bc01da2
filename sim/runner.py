"""Builds simulation models and runs cocotb test modules in them.

Models are kept in `.cache/hwflow-sim` (or $HWFLOW_CACHE) under a hash of everything that went into them.
Only the top's ports are visible to Python: making every signal public costs a factor of two in speed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cocotb_tools.config
import find_libpython

from hwflow import interruption
from hwflow.errors import FlowError
from sim.simulators import Simulator, find_simulator
from sim.stages import children_cpu

RUNTIME_OBJECTS = "verilated*.o"
"""Objects of Verilator's run-time library, the same for every model built with the same options."""

VERILATE = (
    "-cc --exe --vpi --timing -Mdir model --prefix Vtop -o simulation -O3 --x-assign fast --x-initial fast "
    # Without the last option Verilator 5.48 gets parities of masked words wrong (tests/sim/test_runner.py).
    "--timescale 1ns/1ns -Wno-fatal -Wno-DECLFILENAME -fno-const-bit-op-tree"
)
"""Verilator's options for every model."""

MAKE = "-s OPT_FAST=-O2"
"""Options of the models' C++ build."""

FST_HEADER = Path("/usr/include/lz4.h")
"""Verilator's FST writer compiles against it; without it waveforms are VCD."""

Sources = Mapping[str, str] | Sequence[Path]


@dataclass(frozen=True)
class BuiltModel:
    """A compiled model: `path` is its folder, `top` the name of the top module."""

    name: str
    top: str
    path: Path
    simulator: Simulator
    waves: bool

    @property
    def wave_suffix(self) -> str:
        """`.fst` or `.vcd`: the waveform format compiled in."""
        return ".fst" if (self.path / "fst").exists() or self.simulator.kind == "icarus" else ".vcd"


@dataclass(frozen=True)
class TestCase:
    """One cocotb test's outcome; `message` is empty when it passed. nanoseconds: simulated."""

    __test__ = False
    name: str
    passed: bool
    message: str
    nanoseconds: float = 0.0


@dataclass(frozen=True)
class RunResult:
    """What a run left behind: the JUnit file, the log and each test's outcome.

    cpu_seconds: of the simulation's process; where several run side by side, of those that ended meanwhile.
    """

    results: Path
    log: Path
    cases: tuple[TestCase, ...]
    seconds: float
    cpu_seconds: float

    @property
    def passed(self) -> bool:
        """True when there was at least one test and none failed."""
        return bool(self.cases) and all(case.passed for case in self.cases)

    def check(self) -> None:
        """Raises AssertionError with the first failing test, its message and the end of the log."""
        for case in self.cases:
            if not case.passed:
                raise AssertionError(f"{case.name}: {case.message}\n{_tail(self.log, 60)}")
        if not self.cases:
            raise AssertionError(f"no test ran\n{_tail(self.log, 60)}")


def cache_folder() -> Path:
    """Where built models are kept: $HWFLOW_CACHE, else `.cache/hwflow-sim` below the working folder."""
    given = os.environ.get("HWFLOW_CACHE")
    return Path(given).resolve() if given else Path.cwd() / ".cache" / "hwflow-sim"


def build(
    name: str,
    sources: Sources,
    top: str,
    *,
    waves: bool = False,
    parameters: Mapping[str, int] | None = None,
    public_vlt: str | None = None,
    arguments: Sequence[str] = (),
    simulator: Simulator | None = None,
) -> BuiltModel:
    """Compile `sources` (file name -> Verilog text, or paths) with top module `top`, or reuse the model.

    Args:
        name: a readable prefix of the model's folder.
        sources: the Verilog; a path's last component is the file's name.
        top: the top module.
        waves: compile waveform tracing in (2 to 3 times slower).
        parameters: values of the top module's parameters.
        public_vlt: text of a Verilator control file naming the visible signals; default: the top's ports.
        arguments: further arguments of the simulator's compiler.
        simulator: default the one that `find_simulator` finds.

    Raises:
        FlowError: no simulator, or the tool's first error lines.
    """
    simulator = simulator or find_simulator()
    files = _texts(sources)
    control = public_vlt or f'`verilator_config\npublic_flat_rw -module "{top}" -port "*"\n'
    options = [f"-G{key}={value}" for key, value in sorted((parameters or {}).items())] + list(
        arguments
    )
    recipe = [VERILATE, MAKE, simulator.kind, simulator.version]
    described = [*recipe, top, waves, control, options, sorted(files.items())]
    digest = hashlib.sha256(json.dumps(described).encode()).hexdigest()[:20]
    final = cache_folder() / f"{name}-{digest}"
    model = BuiltModel(name, top, final, simulator, waves)
    if (final / "complete").exists():
        return model
    final.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=final.parent))
    try:
        for file, text in files.items():
            (work / file).write_text(text)
        if simulator.kind == "verilator":
            (work / "public.vlt").write_text(control)
            _build_verilator(model, work, list(files), options)
        else:
            _build_icarus(model, work, list(files), options)
        (work / "complete").touch()
        try:
            work.rename(final)
        except OSError:
            if not (final / "complete").exists():
                raise
    finally:
        if work.exists():
            shutil.rmtree(work)
    return model


def _texts(sources: Sources) -> dict[str, str]:
    if isinstance(sources, Mapping):
        return dict(sources)
    texts: dict[str, str] = {}
    for path in sources:
        if not path.is_file():
            raise FlowError(f"Verilog source {path} does not exist")
        texts[path.name] = path.read_text()
    return texts


def _build_verilator(model: BuiltModel, work: Path, files: list[str], options: list[str]) -> None:
    simulator = model.simulator
    environment = {**os.environ, **dict(simulator.environment)}
    environment.pop("MAKEFLAGS", None)
    fst = model.waves and FST_HEADER.exists()
    traced = ["--trace-fst" if fst else "--trace-vcd", "--trace-structs"] if model.waves else []
    if fst:
        (work / "fst").touch()
    libraries = cocotb_tools.config.libs_dir
    driver = cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp"
    verilate = [
        *simulator.command,
        *VERILATE.split(),
        *("--top-module", model.top),
        *("-LDFLAGS", f"-Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator"),
        *traced,
        *options,
        str(driver),
        "public.vlt",
        *files,
    ]
    _call(verilate, work, environment, model.name)
    (work / "model").mkdir(exist_ok=True)
    described = json.dumps([simulator.version, model.waves, fst])
    runtime = cache_folder() / f"runtime-{hashlib.sha256(described.encode()).hexdigest()[:20]}"
    if runtime.is_dir():
        for found in runtime.glob(RUNTIME_OBJECTS):
            shutil.copy(found, work / "model")
    jobs = min(os.cpu_count() or 1, 8)
    make = [
        "make",
        f"-j{jobs}",
        "-C",
        "model",
        "-f",
        "Vtop.mk",
        # The wheel's makefile names the interpreter of its own build, or plain `python`, which may not exist.
        f"PYTHON3={sys.executable}",
        *simulator.make_flags,
        *MAKE.split(),
    ]
    _call(make, work, environment, model.name)
    if not runtime.is_dir():
        fresh = Path(tempfile.mkdtemp(prefix=".runtime-", dir=runtime.parent))
        try:
            for found in (work / "model").glob(RUNTIME_OBJECTS):
                shutil.copy(found, fresh)
            with contextlib.suppress(OSError):  # another process was first
                fresh.rename(runtime)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    for found in (work / "model").iterdir():
        if found.name != "simulation":
            found.unlink()


def _build_icarus(model: BuiltModel, work: Path, files: list[str], options: list[str]) -> None:
    parameters = [
        f"-P{model.top}.{option[2:]}" if option.startswith("-G") else option for option in options
    ]
    (work / "timescale.v").write_text("`timescale 1ns/1ns\n")
    command = [
        *model.simulator.command,
        *("-g2012", "-o", "simulation.vvp", "-s", model.top),
        *parameters,
        "timescale.v",
        *files,
    ]
    _call(command, work, dict(os.environ), model.name)


def _call(command: Sequence[str], folder: Path, environment: Mapping[str, str], name: str) -> None:
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        errors = [line for line in lines if "rror" in line] or lines
        raise FlowError(f"building the simulation of {name} failed: {' | '.join(errors[:4])}")


def run(
    model: BuiltModel,
    test_module: str,
    *,
    folder: Path,
    plusargs: Mapping[str, str | int] | None = None,
    environment: Mapping[str, str] | None = None,
    testcase: str | None = None,
    seed: int = 1,
    timeout: float | None = None,
    poll: Callable[[], None] | None = None,
) -> RunResult:
    """Run the cocotb tests of `test_module` (a dotted module name) with `folder` as working folder.

    Args:
        model: what `build` returned.
        test_module: the bench, importable from sys.path.
        folder: working folder of the simulation; results and log are left there.
        plusargs: name -> value, given to the model as `+name=value`.
        environment: further variables; how a bench gets its parameters.
        testcase: regular expression of test names to run; default all.
        seed: seed of Python's random module in the simulation.
        timeout: wall seconds after which the simulation is ended.
        poll: called a few times a second while the simulation runs.

    Raises:
        FlowError: the simulation ended without a result, or by the timeout.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    results, log = folder / "results.xml", folder / "simulation.log"
    results.unlink(missing_ok=True)
    variables = {
        **os.environ,
        **dict(model.simulator.environment),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYGPI_PYTHON_BIN": sys.executable,
        "GPI_USERS": f"{find_libpython.find_libpython()};{cocotb_tools.config.pygpi_entry_point()}",
        "COCOTB_TOPLEVEL": model.top,
        "COCOTB_TEST_MODULES": test_module,
        "COCOTB_RESULTS_FILE": str(results),
        "COCOTB_RANDOM_SEED": str(seed),
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
        "TOPLEVEL_LANG": "verilog",
        **(environment or {}),
    }
    if testcase is not None:
        variables["COCOTB_TEST_FILTER"] = testcase
    if model.simulator.kind == "verilator":
        command = [str(model.path / "model" / "simulation")]
    else:
        library = cocotb_tools.config.lib_entry("vpi", "icarus")
        command = ["vvp", "-m", library, str(model.path / "simulation.vvp"), "-none"]
    command += [f"+{key}={value}" for key, value in (plusargs or {}).items()]
    began, used = time.monotonic(), children_cpu()
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=variables, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _wait(process, model.name, began, timeout, poll)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if not results.is_file():
        raise FlowError(
            f"the simulation of {model.name} ended with status {process.returncode} "
            f"and no result: {_tail(log, 4)}"
        )
    spent = children_cpu() - used
    return RunResult(results, log, _cases(results), time.monotonic() - began, spent)


def _wait(
    process: subprocess.Popen[bytes],
    name: str,
    began: float,
    timeout: float | None,
    poll: Callable[[], None] | None,
) -> None:
    while True:
        try:
            process.wait(0.2)
            return
        except subprocess.TimeoutExpired:
            if poll is not None:
                poll()
            if interruption.begun():  # in a thread, which no signal reaches
                raise FlowError(f"the simulation of {name} was interrupted") from None
            if timeout is not None and time.monotonic() - began > timeout:
                raise FlowError(
                    f"the simulation of {name} did not end within {timeout:.0f} s"
                ) from None


def _cases(results: Path) -> tuple[TestCase, ...]:
    cases: list[TestCase] = []
    for case in ET.parse(results).getroot().iter("testcase"):
        if case.find("skipped") is not None:
            continue
        bad = next(
            (found for tag in ("failure", "error") if (found := case.find(tag)) is not None), None
        )
        message = (
            ""
            if bad is None
            else bad.get("message") or bad.get("error_msg") or bad.text or "failed"
        )
        recorded = {each.get("name"): each.get("value") for each in case.iter("property")}
        nanoseconds = float(recorded.get("sim_time_duration") or 0)
        cases.append(TestCase(case.get("name", "?"), bad is None, message, nanoseconds))
    return tuple(cases)


def _tail(log: Path, lines: int) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.is_file() else ""
