"""The designs that are synthesised: those that the model is fitted to, and those that it is only held against.

Held-out points were chosen before the first fit, between and beyond the fitted ones; both boards' shipped targets are among
them.
"""

from __future__ import annotations

from typing import Any

from hwflow.config import AcceleratorConfig, load_target

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

_DEEP = {"main_rows": 4096, "side_rows": 1024, "pool_rows": 1280, "weight_words": 512}
_WIDE = {"channel_limit": 512, "line_pixels": 64}
_FIT: dict[str, dict[str, Any]] = {
    "least": {"rows": 2, "popcount_width": 16, "main_rows": 512, "side_rows": 128, "pool_rows": 256},
    "two-stages": {"popcount_width": 64, "popcount_stages": 2, "mac_words": 128, **_DEEP},
    "rows-8": {"rows": 8, "memory_bytes": 16, "bit_rows": 256, "byte_rows": 256},
    "lanes-2": {"popcount_width": 16, "pixel_lanes": 2, "popcount_stages": 2, "side_rows": 512},
    "cols-16": {"cols": 16, "main_rows": 1024, "constant_words": 128},
    "depth-4": {"rows": 2, "mac_depth": 4, "memory_bytes": 32, "weight_words": 256, **_WIDE},
    "wide": {"popcount_width": 128, "popcount_stages": 2, "mac_depth": 2, "memory_bytes": 16},
    "rows-12": {"rows": 12, "popcount_width": 16, "bit_rows": 64, "byte_rows": 96, **_WIDE},
    "lanes-4": {"rows": 8, "pixel_lanes": 4, "main_rows": 512, "side_rows": 256, "pool_rows": 256},
    "cols-16-lanes-2": {
        **{"rows": 2, "cols": 16, "popcount_width": 64, "pixel_lanes": 2, "memory_bytes": 16},
        **{"main_rows": 768, "weight_words": 256, "line_pixels": 16},
    },
    "rows-6-lanes-2": {"rows": 6, "popcount_width": 64, "pixel_lanes": 2, "popcount_stages": 2},
    "rows-16": {"rows": 16, "mac_words": 32, "bit_rows": 128, "byte_rows": 64, **_DEEP},
    "cols-16-rows-6": {"rows": 6, "cols": 16, "popcount_width": 16, **_WIDE},
    "rows-3": {"rows": 3, "popcount_width": 64, "mac_depth": 2, "popcount_stages": 2, "line_pixels": 128},
}
_HELD_OUT: dict[str, dict[str, Any]] = {
    "held-rows-6": {"rows": 6, "mac_depth": 2, "memory_bytes": 16, "mac_words": 96, **_WIDE},
    "held-cols-16": {"cols": 16, "popcount_width": 64, "popcount_stages": 2, "side_rows": 512},
    "held-lanes-2": {"pixel_lanes": 2, "popcount_width": 64, "main_rows": 1024, "bit_rows": 256},
    "held-rows-10": {"rows": 10, "popcount_width": 32, "popcount_stages": 2, "pool_rows": 1024},
    "held-wide": {
        **{"rows": 2, "popcount_width": 128, "memory_bytes": 16, "mac_depth": 2},
        **{"weight_words": 256, "line_pixels": 16},
    },
}
SHIPPED = ("ecp5-25f", "ulx3s-85f")


def _configs(points: dict[str, dict[str, Any]]) -> dict[str, AcceleratorConfig]:
    return {
        name: AcceleratorConfig.from_dict({"name": name, **BASE, **values}, source=name)
        for name, values in points.items()
    }


def fit_points() -> dict[str, AcceleratorConfig]:
    """Designs by name that coefficients are fitted to."""
    return _configs(_FIT)


def held_out_points() -> dict[str, AcceleratorConfig]:
    """Designs by name that no fit sees."""
    return {**{name: load_target(name) for name in SHIPPED}, **_configs(_HELD_OUT)}
