"""The netlist of a whole accelerator, small enough to be simulated, under a random network."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hwflow.compiler.lower import lower
from hwflow.config import load_target
from models.integer.random import random_images, random_network, small_config
from rtl_gen.synthesis.yosys import Progress
from rtl_gen.verilog import TOP, generate
from sim.memory import MemoryTiming
from sim.netlist_benches import NetlistResult
from sim.netlists import netlist
from sim.network import simulate
from sim.simulators import netlist_simulator

NAME = "accelerator"
CONFIG = replace(
    load_target("sim-small"),
    name="t2x8x16",
    rows=2,
    cols=8,
    popcount_width=16,
    pixel_lanes=1,
    mac_depth=1,
    memory_bytes=8,
    weight_words=256,
    mac_words=256,
    constant_words=64,
    bit_rows=256,
    byte_rows=128,
    main_rows=512,
    side_rows=256,
    pool_rows=128,
    line_pixels=16,
    channel_limit=64,
)
"""As small as an accelerator can be; 18,000 LUT4."""
ARCHITECTURE = small_config(
    image=(8, 8, 1), init_out=8, stages=((1, 8, 1), (1, 16, 2)), classes=4, name="tiny"
)
"""Two blocks, one of stride 2: every kind of layer and of shortcut, in some 2,000 cycles."""


def run_accelerator(
    folder: Path,
    *,
    seed: int = 1,
    change: Callable[[str], str] | None = None,
    progress: Progress | None = None,
) -> NetlistResult:
    """Synthesise the accelerator and classify a random image on its netlist.

    Every stored value, record and cycle is compared.

    Args:
        folder: inputs, traces and logs are left there.
        seed: of network and image.
        change: alters the netlist's text, to plant a fault.
        progress: called a few times a second with what is going on.

    Raises:
        FlowError: a missing tool, what it complains about, or a run that hangs.
    """
    began = time.monotonic()
    made = netlist(generate(CONFIG).text, TOP, progress=progress)
    sources = made.sources
    if change is not None:
        first = next(iter(sources))
        sources[first] = change(sources[first])
    network = random_network(seed, ARCHITECTURE)
    if progress is not None:
        progress("compiling, simulating")
    result = simulate(
        lower(network, CONFIG),
        random_images(seed, 1, network.image_shape),
        folder=folder,
        network=network,
        trace=True,
        timing=MemoryTiming(latency=4),
        sources=sources,
        simulator=netlist_simulator(),
    )
    different = [result.difference.describe()] if result.difference else []
    return NetlistResult(
        NAME,
        made.resources,
        len(result.frames),
        result.cycles,
        (*different, *map(str, result.mismatches)),
        time.monotonic() - began,
    )
