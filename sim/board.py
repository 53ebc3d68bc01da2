"""A board's core in simulation, its serial lines at a pseudo-terminal: any host program drives it."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hwflow.config import AcceleratorConfig
from hwflow.errors import FlowError
from hwflow.files import write_atomically
from sim import runner
from sim.link_faults import FaultPlan
from sim.sdram import CHIP, SdramModel, connections

BENCH = "sim.benches.board_line"
HARNESS = Path(__file__).parent / "verilog" / "board.sv"
DIVISOR = 4
"""Clock cycles of a bit: as few as the UART can have."""
CLOCK_HZ = 40_000
"""What the simulated board says its clock is: about what the simulation of a small accelerator reaches."""
REPORT = "board.json"


def board_sources(
    config: AcceleratorConfig, memory: int | SdramModel, *, divisor: int, buffer_words: int
) -> dict[str, str]:
    """The Verilog of a board (file name -> text), kept beside the models.

    memory: beats of block RAM, or the SDRAM.
    """
    from rtl_gen.board_core import BoardCore, source_digest

    kind = memory if isinstance(memory, int) else asdict(memory.timing)
    described = config.to_dict() | {"memory": kind, "divisor": divisor, "buffer": buffer_words}
    text = json.dumps(described, sort_keys=True).encode()
    digest = hashlib.sha256(source_digest() + text).hexdigest()
    kept = runner.cache_folder() / f"board-{config.name}-{digest[:20]}.sv"
    if not kept.is_file():
        from rtl_gen.bindings.block_ram import BlockRam
        from rtl_gen.bindings.sdram import Sdram
        from rtl_gen.instances import emit

        core = BoardCore(
            config,
            BlockRam(config, memory) if isinstance(memory, int) else Sdram(config, memory.timing),
            divisor=divisor,
            clock_hz=CLOCK_HZ,
            buffer_words=buffer_words,
            # Not of the sources: the model need not be compiled again for every change of one.
            gateware=hashlib.sha256(text).digest(),
        )
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, emit(core, "board_core").encode())
    return {"board_core.sv": kept.read_text()}


def build_board(
    config: AcceleratorConfig,
    memory: int | SdramModel,
    *,
    divisor: int = DIVISOR,
    buffer_words: int = 1024,
    sources: Mapping[str, str] | None = None,
) -> runner.BuiltModel:
    """The compiled simulation of a board.

    Args:
        config: the accelerator.
        memory: beats of block RAM, or the SDRAM behind it.
        divisor: clock cycles of a bit on the serial lines.
        buffer_words: of the link.
        sources: Verilog instead of the generated one.
    """
    text = dict(
        sources or board_sources(config, memory, divisor=divisor, buffer_words=buffer_words)
    )
    defines: list[str] = []
    if not isinstance(memory, int):
        defines.append(f"-DSDRAM={connections(memory.board_parameters())}")
        text |= {path.name: path.read_text() for path in CHIP}
    return runner.build(
        f"board-{config.name}",
        {**text, HARNESS.name: HARNESS.read_text()},
        "board_harness",
        parameters={"DIVISOR": divisor},
        arguments=defines,
    )


def serve(
    model: runner.BuiltModel,
    port: Path,
    folder: Path,
    *,
    faults: FaultPlan | None = None,
    poll: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Simulates a board at `port`, a symbolic link that is made, until `folder` has a file `stop`.

    Returns: cycles, bytes in both directions, and the faults that happened.

    Raises:
        FlowError: the simulation died.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stop").unlink(missing_ok=True)
    try:
        result = runner.run(
            model,
            BENCH,
            folder=folder,
            environment={
                "HWFLOW_BOARD_PORT": str(port.absolute()),
                "HWFLOW_BOARD_FAULTS": json.dumps(asdict(faults or FaultPlan())),
            },
            poll=poll,
        )
    finally:
        port.unlink(missing_ok=True)
    if not result.passed:
        raise FlowError(f"the simulation of the board failed; see {result.log}")
    return json.loads((folder / REPORT).read_text())


@contextmanager
def simulated_board(
    model: runner.BuiltModel, folder: Path, *, faults: FaultPlan | None = None
) -> Generator[tuple[Path, dict[str, Any]]]:
    """A board beside this process: yields its port, and the report of `serve`, filled when the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    port, report = folder / "port", dict[str, Any]()
    problems: list[BaseException] = []

    def work() -> None:
        try:
            report.update(serve(model, port, folder / "run", faults=faults))
        except BaseException as error:
            problems.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        while not port.is_symlink() and thread.is_alive():
            time.sleep(0.02)
        if thread.is_alive():
            yield port, report
    finally:
        (folder / "run").mkdir(parents=True, exist_ok=True)
        (folder / "run" / "stop").touch()
        thread.join()
    if problems:
        raise problems[0]
