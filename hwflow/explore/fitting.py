"""The least sizes with which a network fits a design's arrays: what FIT stands for in a space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hwflow.compiler.fit import least_rows
from hwflow.compiler.geometry import NetworkGeometry
from hwflow.compiler.spill import ROOMY
from hwflow.config import AcceleratorConfig
from hwflow.explore.space import FIT, Value, design
from hwflow.memories import Memory

WIDEST_LINE = 511
"""Most pixels of a row that is pooled."""


class Fitting:
    """Chooses the sizes of one network's memories, and remembers what depends on few parameters."""

    def __init__(self, network: NetworkGeometry) -> None:
        self._network = network
        shapes = [conv.in_shape for conv in network.init] + [
            conv.out_shape for conv in network.init
        ]
        shapes += [conv.out_shape for conv in network.convs]
        self._channels = max(shape[2] for shape in shapes)
        pooled = [c.in_shape[1] for c in network.convs if c.pool_local or c.pool_long]
        self._line = max(pooled, default=1)
        self._rows: dict[tuple[Value, ...], int] = {}

    def resolved(self, point: Mapping[str, Value]) -> dict[str, Value]:
        """The point with a number for every FIT.

        Raises:
            FlowError: the network cannot be placed, whatever the sizes, or the hardware cannot have them.
        """
        found = dict(point)
        if point["channel_limit"] == FIT:
            found["channel_limit"] = max(self._channels, int(point["cols"]))
        if point["line_pixels"] == FIT:
            found["line_pixels"] = self._line
        wanted = [memory for memory in Memory if point[f"{memory.value}_rows"] == FIT]
        if not wanted:
            return found
        largest = dict.fromkeys((f"{memory.value}_rows" for memory in Memory), ROOMY)
        roomy = replace(design({**found, **largest}), line_pixels=WIDEST_LINE)
        for memory in wanted:
            found[f"{memory.value}_rows"] = self._least(memory, roomy)
        return found

    def _least(self, memory: Memory, roomy: AcceleratorConfig) -> int:
        """Rows of a memory: they depend on the shape of its words and banks, not on the arrays behind them."""
        key = (
            memory.value, roomy.banks, roomy.cols, roomy.popcount_width, roomy.pixel_lanes, roomy.memory_bytes,
            roomy.channel_limit, roomy.long_words, roomy.head_rows,
        )  # fmt: skip
        if key not in self._rows:
            self._rows[key] = least_rows(self._network, roomy, memory)
        return self._rows[key]
