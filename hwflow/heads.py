"""Long shortcuts that repeat after a number of channels that is not a multiple of C (docs/architecture.md, Heads)."""

from __future__ import annotations

from collections.abc import Mapping

from hwflow.config import AcceleratorConfig
from hwflow.memories import ceil_div


def repeat_channels(conv: Mapping[str, int], config: AcceleratorConfig) -> int:
    """Channels of a CONV's long shortcut: output channel o reads o mod this."""
    return config.cols * (conv["r1_groups"] - 1) + conv["r1_last"]


def reads_heads(conv: Mapping[str, int], config: AcceleratorConfig) -> bool:
    """Whether a CONV's long shortcut begins again inside an output group."""
    outputs = config.cols * (conv["groups"] - 1) + conv["last_cols"]
    repeats = conv["r1_src"] and outputs > repeat_channels(conv, config)
    return bool(repeats) and conv["r1_last"] != config.cols


def head_rows(config: AcceleratorConfig, height: int, width: int) -> int:
    """Rows of the head memory's banks that a pooled tensor's heads take: one word a pixel."""
    return ceil_div(height * width, config.pixel_lanes)
