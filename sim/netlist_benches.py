"""The benches of the RTL on netlists: which there are, and how one is run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from amaranth.lib import wiring

from hwflow import interruption
from hwflow.config import AcceleratorConfig
from rtl_gen import instances
from rtl_gen.back_end import BackEnd
from rtl_gen.front_end import FrontEnd
from rtl_gen.synthesis.resources import Resources
from rtl_gen.synthesis.yosys import Progress
from sim import runner
from sim.bench_tools import PERIOD_NS
from sim.benches.unit import UnitBench, UnitTop, small_config
from sim.benches.unit_tables import TABLES
from sim.netlists import netlist
from sim.simulators import netlist_simulator

TIMEOUT = 1200.0
"""Seconds after which a bench is taken for hung."""


@dataclass(frozen=True)
class NetlistBench:
    """A unit and its bench: top module, how to make it, the bench's module and its environment."""

    name: str
    top: str
    make: Callable[[], wiring.Component]
    module: str
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class NetlistResult:
    """A bench's run on a netlist.

    resources: of the netlist. tests: cocotb tests run. cycles: simulated by them. failures: a line each, with
    the test's name. seconds: of synthesis (or of finding it in the cache), compilation and simulation.
    """

    name: str
    resources: Resources
    tests: int
    cycles: int
    failures: tuple[str, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """True when tests ran and none failed."""
        return self.tests > 0 and not self.failures


def benches() -> dict[str, NetlistBench]:
    """Every bench of a unit, by the unit's name; small configurations, fixed seeds, ports only."""
    found: dict[str, NetlistBench] = {}
    for table, units in TABLES.items():
        for name, makers in units.items():
            if (
                name == "popcount"
            ):  # without a clock it has no bench of its own; it is a part of binary_pe
                continue
            found[name] = NetlistBench(
                name,
                f"{name}_unit",
                partial(_unit, name, makers[0]),
                "sim.benches.units",
                {"HWFLOW_BENCH_UNITS": table, "HWFLOW_BENCH_UNIT": name},
            )
    rings = {"weight_words": 40, "mac_words": 40, "bit_rows": 160, "byte_rows": 160}
    front = small_config(
        name="netlist", rows=2, popcount_width=16, pixel_lanes=1, mac_depth=1, **rings
    )
    found["front_end"] = NetlistBench(
        "front_end",
        "front_end",
        partial(FrontEnd, front),
        "sim.benches.front_end",
        {**_described(front, 12), "HWFLOW_BENCH_EAGER": "0"},
    )
    memories = {"main_rows": 400, "side_rows": 400, "pool_rows": 200, "line_pixels": 9}
    back = small_config(name="netlist", rows=3, pixel_lanes=1, **memories)
    found["back_end"] = NetlistBench(
        "back_end", "back_end", partial(BackEnd, back), "sim.benches.back_end", _described(back, 8)
    )
    return found


def run_bench(
    bench: NetlistBench,
    folder: Path,
    *,
    change: Callable[[str], str] | None = None,
    progress: Progress | None = None,
) -> NetlistResult:
    """Synthesise a unit and run its bench on the netlist, with `folder` as working folder.

    Args:
        bench: one of `benches`.
        folder: results and log are left there.
        change: alters the netlist's text, to plant a fault.
        progress: called a few times a second with what is going on.

    Raises:
        FlowError: a missing tool, or what it complains about.
    """
    began = time.monotonic()
    made = netlist(instances.emit(bench.make(), bench.top), bench.top, progress=progress)
    sources = made.sources
    if change is not None:
        first = next(iter(sources))
        sources[first] = change(sources[first])
    if progress is not None:
        progress("compiling")
    model = runner.build(f"netlist-{bench.name}", sources, bench.top, simulator=netlist_simulator())
    with interruption.replaces(folder):
        result = runner.run(
            model,
            bench.module,
            folder=folder,
            environment=bench.environment,
            timeout=TIMEOUT,
            poll=None if progress is None else lambda: progress("simulating"),
        )
    return NetlistResult(
        bench.name,
        made.resources,
        len(result.cases),
        int(sum(case.nanoseconds for case in result.cases) / PERIOD_NS),
        tuple(f"{case.name}: {case.message}" for case in result.cases if not case.passed),
        time.monotonic() - began,
    )


def _unit(name: str, make: Callable[[], UnitBench]) -> wiring.Component:
    return UnitTop({name: make().dut})


def _described(config: AcceleratorConfig, layers: int) -> dict[str, str]:
    return {
        "HWFLOW_BENCH_CONFIG": json.dumps(config.to_dict()),
        "HWFLOW_BENCH_LAYERS": str(layers),
    }
