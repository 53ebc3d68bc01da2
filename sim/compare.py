"""Where the RTL first differs from the integer network: layer, tile, pixel, channel, values, cycle and unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from hwflow.config import AcceleratorConfig
from hwflow.host.results import FrameRecords
from sim.expected import ExpectedImage, ExpectedLayer, Instruction, Ints
from sim.taps import SCALAR_KINDS, ScalarTap, StoreTap, Taps

WINDOW_BEFORE = 400
"""Cycles of waveform before the difference: several tiles and the pipelines' latencies."""
WINDOW_AFTER = 40


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The first value that is wrong, missing or not expected.

    `cycle` counts from the frame's start; None when nothing was stored. `pixel` is (y, x). `expected` or
    `actual` is None when there is no such value. `tile` is the tile within the channel group.
    """

    image: int
    layer: int
    name: str
    unit: str
    cycle: int | None
    channel: int | None
    expected: int | None
    actual: int | None
    pixel: tuple[int, int] | None = None
    tile: int | None = None
    group: int | None = None
    row: int | None = None
    lane: int | None = None
    column: int | None = None

    @property
    def window(self) -> tuple[int, int] | None:
        """Frame cycles worth looking at in a waveform."""
        if self.cycle is None:
            return None
        return max(0, self.cycle - WINDOW_BEFORE), self.cycle + WINDOW_AFTER

    def describe(self) -> str:
        """One line for people."""
        where = [f"image {self.image}", f"layer {self.layer} ({self.name})"]
        if self.pixel is not None:
            where.append(f"tile {self.tile} of channel group {self.group}")
            where.append(f"pixel (y {self.pixel[0]}, x {self.pixel[1]})")
        if self.channel is not None:
            where.append(f"channel {self.channel}")
        if self.row is not None:
            where.append(f"array row {self.row}, column {self.column}, pixel lane {self.lane}")
        shown = ["none" if value is None else str(value) for value in (self.expected, self.actual)]
        when = "never stored" if self.cycle is None else f"cycle {self.cycle}"
        return f"{', '.join(where)}: expected {shown[0]}, got {shown[1]}, {when}, unit {self.unit}"


def first_difference(
    taps: Taps,
    expected: Mapping[int, ExpectedImage],
    convs: Mapping[int, Instruction],
    config: AcceleratorConfig,
) -> Difference | None:
    """The earliest difference of the first image that has one; `expected` by image number.

    Causes come before effects in time, so the earliest cycle names the unit to look at. Values that were
    never stored count as later than all others of their layer, and earlier than the next layer's.
    """
    for image, wanted in sorted(expected.items()):
        for layer in wanted.layers:
            found = _layer_difference(taps, image, layer, convs.get(layer.number), config)
            if found is not None:
                return found
    return None


def _layer_difference(
    taps: Taps,
    image: int,
    layer: ExpectedLayer,
    conv: Instruction | None,
    config: AcceleratorConfig,
) -> Difference | None:
    found: list[Difference] = []
    for kind, values in layer.scalars.items():
        found += _scalar_differences(taps.scalar, image, layer, kind, values)
    if conv is not None:
        store, mean, pool = (
            tap.of(image, layer.number) for tap in (taps.store, taps.mean, taps.pool)
        )
        # Lanes of the main memory's means lie in the upper half of a word of the tap.
        main = replace(mean, data=mean.data[:, config.cols // 2 :])
        tensors = [
            ("vector unit", store, layer.stored, config.cols),
            ("pool", pool, layer.pool, config.cols),
        ]
        if layer.stored_mean is not None:
            per_group = config.cols >> conv["store_shift"]
            tensors.append(("stored channel mean", main, layer.stored_mean, per_group))
        if layer.stored_mean is None or layer.mean is not None:
            per_group = config.cols >> conv["mean_shift"]
            tensors.append(("channel mean", mean, layer.mean, per_group))
        for unit, records, tensor, per_group in tensors:
            # A pooled pixel or mean made of wrong inputs is later than them, so it is never the first.
            one = _store_difference(records, image, layer, tensor, per_group, conv, config, unit)
            if one is not None:
                found.append(one)
    return min(found, key=lambda one: np.inf if one.cycle is None else one.cycle, default=None)


def _scalar_differences(
    tap: ScalarTap, image: int, layer: ExpectedLayer, kind: str, values: Ints
) -> list[Difference]:
    keep = (
        (tap.image == image) & (tap.layer == layer.number) & (tap.kind == SCALAR_KINDS.index(kind))
    )
    index, value, cycle = tap.index[keep], tap.value[keep], tap.cycle[keep]

    def make(at: int, wanted: int | None, got: int | None, when: int | None) -> Difference:
        return Difference(
            image=image,
            layer=layer.number,
            name=layer.name,
            unit=f"scalar engine, {kind}",
            cycle=when,
            channel=at,
            expected=wanted,
            actual=got,
        )

    table = np.asarray(values, np.int64)
    known = index < len(table)
    wrong = ~known
    wrong[known] = table[index[known]] != value[known]
    if wrong.any():
        first = int(np.argmax(wrong))
        at = int(index[first])
        wanted = int(table[at]) if known[first] else None
        return [make(at, wanted, int(value[first]), int(cycle[first]))]
    missing = np.setdiff1d(np.arange(len(table)), index)
    return [make(int(missing[0]), int(table[missing[0]]), None, None)] if len(missing) else []


def _store_difference(
    tap: StoreTap,
    image: int,
    layer: ExpectedLayer,
    tensor: np.ndarray[tuple[int, ...], np.dtype[np.int32]] | None,
    per_group: int,
    conv: Instruction,
    config: AcceleratorConfig,
    unit: str,
) -> Difference | None:
    """The first record of a tap that differs from `tensor` (H, W, C); a group holds `per_group` channels."""
    shape = (0, 1, 0) if tensor is None else tensor.shape
    height, width, channels = shape
    pixels = height * width
    groups = -(-channels // per_group)
    padding = groups * per_group - channels
    table = np.zeros((pixels, 0), np.int32) if tensor is None else tensor.reshape(pixels, channels)
    table = np.pad(table, ((0, 0), (0, padding))) if padding else table
    inside = (tap.slot < pixels) & (tap.cg < groups)
    slot, cg = np.where(inside, tap.slot, 0), np.where(inside, tap.cg, 0)
    words = table.reshape(pixels * groups, per_group)
    wanted = words[slot * groups + cg] if pixels else np.zeros((len(slot), per_group), np.int32)
    wrong = tap.data[:, :per_group] != wanted
    if padding:
        wrong &= cg[:, None] * per_group + np.arange(per_group) < channels
    wrong |= ~inside[:, None]

    def make(
        at: int, group: int, column: int, got: int | None, when: int | None, ok: bool
    ) -> Difference:
        y, x = divmod(at, width)
        tile, row = _tile(y, x, conv, config) if unit == "vector unit" else (None, None)
        channel = group * per_group + column
        return Difference(
            image=image,
            layer=layer.number,
            name=layer.name,
            unit=unit,
            cycle=when,
            channel=channel,
            expected=int(table[at, channel]) if ok else None,
            actual=got,
            pixel=(y, x),
            tile=tile,
            group=group,
            row=row,
            lane=None if row is None else row % config.pixel_lanes,
            column=column,
        )

    if wrong.any():
        order = np.lexsort((tap.lane, tap.cycle))
        first = int(order[np.argmax(wrong[order].any(axis=1))])
        column = int(np.argmax(wrong[first]))
        got, when = int(tap.data[first, column]), int(tap.cycle[first])
        return make(
            int(tap.slot[first]), int(tap.cg[first]), column, got, when, bool(inside[first])
        )
    count = np.bincount(cg * pixels + slot, minlength=groups * pixels).reshape(groups, pixels)
    if (count > 1).any():
        group, at = (int(i[0]) for i in np.nonzero(count > 1))
        again = np.flatnonzero((tap.slot == at) & (tap.cg == group))[1]
        return make(at, group, 0, int(tap.data[again, 0]), int(tap.cycle[again]), False)
    if (count == 0).any():
        group, at = (int(i[0]) for i in np.nonzero(count == 0))
        return make(at, group, 0, None, None, True)
    return None


def _tile(y: int, x: int, conv: Instruction, config: AcceleratorConfig) -> tuple[int, int]:
    """Tile within the channel group, and array row, of an output pixel (docs/architecture.md, CONV)."""
    if conv["row_aligned"]:
        per_row = -(-conv["out_w"] // config.rows)
        return y * per_row + x // config.rows, x % config.rows
    return divmod(y * conv["out_w"] + x, config.rows)


def record_differences(image: int, frame: FrameRecords, wanted: ExpectedImage) -> list[str]:
    """Records of one image that differ: signatures, saturation counts (where they were kept), logits; a line each."""
    lines: list[str] = []
    records = {record.layer: record for record in frame.layers}
    for layer in wanted.layers:
        if layer.signature is None or layer.saturated is None:
            continue
        record = records.get(layer.number)
        where = f"image {image}, layer {layer.number} ({layer.name})"
        if record is None:
            lines.append(f"{where}: no record")
            continue
        if record.signature != layer.signature:
            lines.append(
                f"{where}: signature {record.signature:#010x}, expected {layer.signature:#010x}"
            )
        if not record.counters:
            continue
        counted = record.counters["saturated_t"], record.counters["saturated_y"]
        if counted != layer.saturated:
            lines.append(f"{where}: {counted} saturated t and y, expected {layer.saturated}")
    if not np.array_equal(frame.logits, wanted.logits):
        lines.append(
            f"image {image}: logits {frame.logits.tolist()}, expected {wanted.logits.tolist()}"
        )
    elif frame.signature != wanted.signature:
        lines.append(
            f"image {image}: logit signature {frame.signature:#010x}, expected {wanted.signature:#010x}"
        )
    return lines
