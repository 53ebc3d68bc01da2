"""The back end as Verilog, over random layers (sim/benches/back_end.py)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hwflow.config import AcceleratorConfig
from rtl_gen import instances
from rtl_gen.back_end import BackEnd
from sim import runner
from tests.rtl_gen.control_bench import small_config

LAYERS = 40


def configs() -> list[AcceleratorConfig]:
    """One, two and four pixels a cycle; rows that are no power of two; a tile that is one group; heads."""
    memories = {"main_rows": 400, "side_rows": 400, "pool_rows": 200, "line_pixels": 9}
    return [
        small_config(name="one", rows=3, pixel_lanes=1, **memories),
        small_config(name="two", rows=4, pixel_lanes=2, **memories),
        small_config(name="two_heads", rows=4, pixel_lanes=2, head_rows=100, **memories),
        small_config(name="four", rows=4, pixel_lanes=4, cols=16, **memories),
    ]


NARROW = replace(configs()[2], name="narrow_heads", residual_bits=11)
"""Every memory and unit with elements of a width that is no power of two."""


@pytest.mark.parametrize(
    "config",
    [*configs(), pytest.param(NARROW, marks=pytest.mark.slow)],
    ids=lambda config: config.name,
)
def test_random_layers(config: AcceleratorConfig, tmp_path: Path) -> None:
    text = instances.emit(BackEnd(config), "back_end")
    model = runner.build(f"back_end_{config.name}", {"back_end.sv": text}, "back_end")
    environment = {
        "HWFLOW_BENCH_CONFIG": json.dumps(config.to_dict()),
        "HWFLOW_BENCH_LAYERS": str(LAYERS),
    }
    runner.run(
        model, "sim.benches.back_end", folder=tmp_path, environment=environment, timeout=300
    ).check()
