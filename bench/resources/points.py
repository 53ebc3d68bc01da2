"""The designs that are synthesised: those that the model is fitted to, and those that it is only held against.

Fitted are units alone, which take seconds, and whole boards, for what is around the units.
Held out are whole boards between the fitted designs and beyond, which no fit sees; the targets for boards are among them.
Not all were chosen before the first fit (docs/explore.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hwflow.config import AcceleratorConfig, load_target
from hwflow.explore.records import Part

BASE: dict[str, Any] = {
    "rows": 4,
    "cols": 8,
    "popcount_width": 32,
    "popcount_stages": 1,
    "pixel_lanes": 1,
    "mac_depth": 1,
    "memory_bytes": 8,
    "weight_words": 128,
    "mac_words": 64,
    "constant_words": 64,
    "bit_rows": 112,
    "byte_rows": 192,
    "main_rows": 1536,
    "side_rows": 384,
    "pool_rows": 608,
    "line_pixels": 32,
    "channel_limit": 256,
    "long_words": 0,
    "store_words": 0,
    "head_rows": 0,
}
"""What a point does not name."""

_SMALL = {"main_rows": 512, "side_rows": 128, "pool_rows": 256}
_WIDE = {"channel_limit": 512, "line_pixels": 64}
_UNITS: dict[Part, dict[str, dict[str, Any]]] = {
    "front_end.mac_array": {
        "rows-2-depth-4": {"rows": 2, "mac_depth": 4, "memory_bytes": 32},
        "rows-8": {"rows": 8},
        "cols-16": {"cols": 16},
        "rows-6-depth-2": {"rows": 6, "mac_depth": 2},
        "least": {"rows": 2},
        "lanes-2": {"pixel_lanes": 2, "mac_depth": 2},
    },
    "front_end.features": {
        "rows-8": {"rows": 8},
        "shared": {"popcount_width": 64},
        "lanes-2": {"popcount_width": 16, "pixel_lanes": 2},
        "cols-16": {"rows": 2, "cols": 16, "popcount_width": 64},
        "rows-12": {"rows": 12, "popcount_width": 16},
        "lanes-4": {"rows": 8, "popcount_width": 64, "pixel_lanes": 4},
        "cols-16-lanes-2": {"cols": 16, "pixel_lanes": 2},
        "least": {"rows": 2, "popcount_width": 128, "mac_depth": 2, "memory_bytes": 16},
    },
    "back_end": {
        "least": _SMALL,
        "cols-16": {"cols": 16},
        "lanes-2": {"pixel_lanes": 2, "side_rows": 1024},
        "lanes-4": {**_SMALL, "pixel_lanes": 4, "line_pixels": 64},
    },
    "front_end": {
        "least": {"rows": 2, "popcount_width": 16},
        "lanes-2": {"popcount_width": 64, "popcount_stages": 2, "pixel_lanes": 2},
        "rows-8": {"rows": 8, "memory_bytes": 16, "bit_rows": 256, "byte_rows": 1024},
        "cols-16": {"cols": 16, "popcount_width": 16},
        "depth-4": {
            **_WIDE,
            "rows": 2,
            "popcount_width": 128,
            "popcount_stages": 2,
            "mac_depth": 4,
            "memory_bytes": 32,
        },
    },
}
_BOARD: dict[str, dict[str, Any]] = {
    "least": {**_SMALL, "rows": 2, "popcount_width": 16},
    "beats": {**_WIDE, "rows": 2, "mac_depth": 4, "memory_bytes": 32},
}
_HELD_OUT: dict[str, dict[str, Any]] = {
    "rows-8-lanes-2": {
        "rows": 8,
        "pixel_lanes": 2,
        "popcount_stages": 2,
        "memory_bytes": 16,
        "main_rows": 768,
        "bit_rows": 256,
    },
    "held-lanes-2": {"pixel_lanes": 2, "popcount_width": 64, "main_rows": 1024, "bit_rows": 256},
    "held-rows-6": {
        "rows": 6,
        "mac_depth": 2,
        "memory_bytes": 16,
        "mac_words": 96,
        "channel_limit": 512,
        "line_pixels": 64,
    },
    "held-cols-16": {"rows": 2, "cols": 16, "popcount_width": 16, "side_rows": 512},
    "held-rows-10": {"rows": 10, "popcount_width": 16, "pool_rows": 1024},
}
SHIPPED = ("ecp5-25f", "ecp5-4k", "ulx3s-85f")


@dataclass(frozen=True)
class Point:
    """A design, what of it is synthesised, and whether fits leave it out."""

    config: AcceleratorConfig
    part: Part
    held_out: bool = False


def points() -> dict[str, Point]:
    """All points by name, in the order in which they are synthesised: quick ones that tell much first."""
    found = {
        f"{part}.{name}": Point(_config(f"{part}.{name}", values), part)
        for part, designs in _UNITS.items()
        for name, values in designs.items()
    }
    found |= {name: Point(_config(name, values), "board") for name, values in _BOARD.items()}
    shipped = {name: load_target(name) for name in SHIPPED}
    held_out = {name: _config(name, values) for name, values in _HELD_OUT.items()} | shipped
    return found | {name: Point(config, "board", True) for name, config in held_out.items()}


def _config(name: str, values: dict[str, Any]) -> AcceleratorConfig:
    return AcceleratorConfig.from_dict({"name": name, **BASE, **values}, source=name)
