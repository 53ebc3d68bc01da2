"""The simulation model of a whole accelerator: its Verilog inside sim/verilog/harness.sv."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from hwflow.errors import FlowError
from sim import runner
from sim.sdram import SdramModel
from sim.simulators import Simulator

HARNESS = Path(__file__).parent / "verilog" / "harness.sv"
TAPS = ("tap_store", "tap_mean", "tap_pool", "tap_scalar")
DEPTHS = (1 << 12, 1 << 16, 1 << 21)
"""Beats of the simulated memory: few sizes, so that programs of all widths share a compiled model."""


def tap_bits(verilog: str) -> dict[str, int]:
    """Width of each tap port of the accelerator in `verilog`.

    Raises:
        FlowError: the module or a tap is not there.
    """
    top = re.search(r"^\s*module\s+accelerator\b.*?^\s*endmodule", verilog, re.M | re.S)
    if top is None:
        raise FlowError("no module `accelerator` in the Verilog; generate it again")
    widths: dict[str, int] = {}
    for tap in TAPS:
        found = re.search(
            rf"\boutput\s+(?:reg\s+|wire\s+|logic\s+)?(?:\[(\d+):0\]\s*)?{tap}\b", top[0]
        )
        if found is None:
            raise FlowError(f"the accelerator's Verilog has no output {tap}; generate it again")
        widths[tap] = int(found[1] or 0) + 1
    return widths


def build_model(
    name: str,
    sources: Mapping[str, str],
    *,
    memory_bytes: int,
    memory_beats: int,
    waves: bool = False,
    sdram: SdramModel | None = None,
    simulator: Simulator | None = None,
) -> runner.BuiltModel:
    """Compile the harness around the module `accelerator` of `sources` (file name -> text).

    Args:
        name: prefix of the model's folder.
        sources: the accelerator's Verilog.
        memory_bytes: B, bytes of a beat.
        memory_beats: beats the memory must hold; rounded up to one of DEPTHS, beyond them to a power of two.
        waves: compile waveform tracing in.
        sdram: instead of the memory of fixed latency.
        simulator: default the one that `find_simulator` finds.

    Raises:
        FlowError: a tap is missing, or the simulator's compiler complains.
    """
    enough = (depth for depth in DEPTHS if depth >= memory_beats)
    depth = next(enough, 1 << (memory_beats - 1).bit_length())
    text = "\n".join(sources.values())
    bits = tap_bits(text)
    defines = ["-DWAVES"] if waves else []
    parts = {**sources, HARNESS.name: HARNESS.read_text()}
    begin: dict[str, int] = {}
    if sdram is not None:
        defines.append(f"-DSDRAM={sdram.connections()}")
        parts |= sdram.sources()
        begin = {"BEGIN": sdram.ready}
    if re.search(r"\boutput\s.*\bwrite__valid\b", text):
        defines.append("-DWRITES")
    parameters = {
        "BYTES": memory_bytes,
        "DEPTH": depth,
        **begin,
        **{f"{tap.removeprefix('tap_').upper()}_BITS": width for tap, width in bits.items()},
    }
    return runner.build(
        name,
        parts,
        "harness",
        waves=waves,
        parameters=parameters,
        arguments=defines,
        simulator=simulator,
    )
