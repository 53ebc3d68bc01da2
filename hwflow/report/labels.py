"""Labels of points that do not lie on one another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

NAMED = 3
"""Layers that one label names; how many more there are is a number behind it."""
CHARACTER = 0.13
HEIGHT = 0.5
"""A label's size on the roofline in a wide window, in octaves of its axes: of each character, and of a line."""


def point_labels(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each group of points that lie on one another the first, with `text`, the names of the group's layers.

    rows: with `layer`, `intensity` (x) and `rate` (y), both above 0. Where labels would lie on one another the one of the
    slower layer stays: those near the roof are many, and the plot's tooltip and table name all.
    """
    together: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for row in rows:
        x, y = math.log2(row["intensity"]), math.log2(row["rate"])
        together.setdefault((round(8 * x), round(8 * y)), []).append(row)
    kept: list[dict[str, Any]] = []
    boxes: list[tuple[float, float, float]] = []
    for (x, y), near in sorted(together.items(), key=lambda item: (item[0][1], item[0][0])):
        text = ", ".join(row["layer"] for row in near[:NAMED])
        if len(near) > NAMED:
            text += f" +{len(near) - NAMED}"
        box = x / 8, x / 8 + CHARACTER * len(text), y / 8
        if not any(
            box[0] < right and left < box[1] and abs(box[2] - at) < HEIGHT
            for left, right, at in boxes
        ):
            boxes.append(box)
            kept.append({**near[0], "text": text})
    return kept
