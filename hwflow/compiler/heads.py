"""Gives the heads of unaligned long shortcuts their places (docs/architecture.md, Heads)."""

from __future__ import annotations

from dataclasses import replace

from hwflow.compiler.plan import LayerPlan
from hwflow.config import AcceleratorConfig
from hwflow.errors import UnsuitableError
from hwflow.heads import head_rows
from hwflow.memories import Tensor


def needs_heads(r1: Tensor, channels: int, config: AcceleratorConfig) -> bool:
    """Whether a layer of `channels` outputs repeats r1 from inside a channel group on."""
    return channels > r1.channels and r1.channels % config.cols != 0


def place_heads(layers: tuple[LayerPlan, ...], config: AcceleratorConfig) -> tuple[LayerPlan, ...]:
    """The layers with `head_base` and `r1_head_base`.

    Heads live from the layer that pools to the one that reads them, so at most two sets are there at a time: the
    reader of one may write the next. They are placed at the memory's two ends in turn.

    Raises:
        FlowError: the head memory is too small; names the need and the field to raise.
    """
    result = list(layers)
    before = -1
    low = False
    for number, layer in enumerate(layers):
        if layer.r1 is None or not needs_heads(layer.r1, layer.output.channels, config):
            continue
        writer = next(n for n, each in enumerate(layers) if each.pool is layer.r1)
        rows = head_rows(config, layer.r1.height, layer.r1.width)
        shared = before >= writer
        needed = rows + (_rows_at(result[before], config) if shared else 0)
        if needed > config.head_rows:
            raise UnsuitableError(
                f"{layer.r1.name}: its heads need {needed} rows with everything alive then, target {config.name} has "
                f"head_rows {config.head_rows}; raise head_rows"
            )
        low = not low if shared else True
        base = 0 if low else config.head_rows - rows
        result[writer] = replace(result[writer], head_base=base)
        result[number] = replace(result[number], r1_head_base=base)
        before = number
    return tuple(result)


def _rows_at(layer: LayerPlan, config: AcceleratorConfig) -> int:
    assert layer.r1 is not None
    return head_rows(config, layer.r1.height, layer.r1.width)
