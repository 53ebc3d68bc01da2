"""A small network and a small space, whose points take milliseconds."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hwflow.ace import count
from hwflow.energy.characterisation import load
from hwflow.energy.memory_constants import memory_constants, technology_of
from hwflow.explore.evaluate import Setup
from hwflow.explore.space import Space, load_space
from models.integer.random import random_network, small_config

AXES = {
    "rows": [2, 3, 4, 6],
    "cols": [8, 16],
    "popcount_width": [16, 32, 64],
    "popcount_stages": [1, 2],
    "pixel_lanes": [1, 2],
    "mac_depth": [1, 2],
    "memory_bytes": [8, 16],
    "weight_words": [64, 256],
    "mac_words": 128,
    "constant_words": [32, 64],
    "bit_rows": ["fit", 256],
    "byte_rows": ["fit", 512],
    "residual_bits": 16,
    "main_rows": ["fit", 1024],
    "side_rows": "fit",
    "pool_rows": ["fit", 256],
    "line_pixels": "fit",
    "channel_limit": ["fit", 256],
    "long_words": 0,
    "store_words": 0,
    "head_rows": 0,
    "clock_mhz": [25, 40.5],
}
SPACE = {
    "name": "little",
    "part": {"name": "LFE5U-85F", "lut4": 83640, "block_rams": 208, "multipliers": 156, "share": {"lut4": 0.5}},
    "memory": "block-ram",
    "baseline": "sim-small",
    "least_binary_macs": 1024,
    "clock_evidence": "stated",
    "axes": AXES,
}  # fmt: skip
LIBRARY = Path("bench/energy/osu018.json")


@pytest.fixture(scope="session")
def space_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("space") / "little.yaml"
    path.write_text(yaml.safe_dump(SPACE, sort_keys=False))
    return path


@pytest.fixture(scope="session")
def space(space_file: Path) -> Space:
    return load_space(space_file)


@pytest.fixture(scope="session")
def setup(space: Space) -> Setup:
    library = load(LIBRARY)
    return Setup(
        networks={16: random_network(1)},
        part=space.part,
        block_ram=True,
        latency=8,
        accuracy={random_network(1).content_hash(): 0.5},
        ace=count(small_config()),
        characterisation=library,
        memories=memory_constants(technology_of(library.library.name)),
    )
