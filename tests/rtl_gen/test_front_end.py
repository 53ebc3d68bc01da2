"""The front end as Verilog, over random layers (sim/benches/front_end.py)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwflow.config import AcceleratorConfig
from rtl_gen import instances
from rtl_gen.front_end import FrontEnd
from sim import runner
from tests.rtl_gen.control_bench import small_config

LAYERS = 60


def configs() -> list[AcceleratorConfig]:
    """One and two pixels a cycle, a tile that is one group; odd rows; words of one chunk and of several."""
    sizes = {"weight_words": 40, "mac_words": 40, "bit_rows": 160, "byte_rows": 160}
    return [
        small_config(name="one", rows=3, popcount_width=16, pixel_lanes=1, mac_depth=2, **sizes),
        small_config(name="two", rows=4, pixel_lanes=2, **sizes),
        small_config(
            name="all", rows=4, cols=16, popcount_width=16, pixel_lanes=4, mac_depth=1, **sizes
        ),
    ]


@pytest.mark.parametrize("eager", [False, True], ids=["waits", "eager"])
@pytest.mark.parametrize("config", configs(), ids=lambda config: config.name)
def test_random_layers(config: AcceleratorConfig, eager: bool, tmp_path: Path) -> None:
    text = instances.emit(FrontEnd(config), "front_end")
    model = runner.build(f"front_end_{config.name}", {"front_end.sv": text}, "front_end")
    environment = {
        "HWFLOW_BENCH_CONFIG": json.dumps(config.to_dict()),
        "HWFLOW_BENCH_LAYERS": str(LAYERS),
        "HWFLOW_BENCH_EAGER": str(int(eager)),
    }
    runner.run(
        model,
        "sim.benches.front_end",
        folder=tmp_path,
        environment=environment,
        seed=2 + eager,
        timeout=300,
    ).check()
