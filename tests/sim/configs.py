"""The hardware of the whole-network tests: sim-small and three accelerators smaller still or wider."""

from __future__ import annotations

from dataclasses import replace

from hwflow.config import AcceleratorConfig, load_target

SMALL = load_target("sim-small")

CONFIGS: dict[str, AcceleratorConfig] = {
    config.name: config
    for config in (
        SMALL,
        replace(
            SMALL, name="t3x8x16", rows=3, cols=8, popcount_width=16, mac_depth=2, memory_bytes=8
        ),
        replace(
            SMALL, name="t4x8x32", rows=4, cols=8, popcount_width=32, pixel_lanes=2, mac_depth=2
        ),
        replace(
            SMALL,
            name="t8x16x16",
            rows=8,
            cols=16,
            popcount_width=16,
            pixel_lanes=8,
            memory_bytes=32,
        ),
    )
}
"""By name: the shipped target; three rows, so that tiles end inside a word of the 8-bit ring, and narrow beats;
two lanes and two products; as many lanes as rows and wide beats."""
