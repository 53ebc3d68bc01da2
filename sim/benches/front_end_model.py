"""Random CONV layers for the front end's bench: geometry, operands, packed weights, expected sums and slot counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hwflow import isa
from hwflow.config import AcceleratorConfig

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class PixelGroup:
    """One word of the group stream; `data[lane]` are the sums of the existing channels, None where masked."""

    slot: int
    mask: int
    cg: int
    last_of_group: int
    data: list[list[int] | None]


@dataclass
class Layer:
    """A CONV with its operands.

    source: [H, W, src_words * word channels], +-1 or s8, channels beyond the last one random.
    weights: [k, k, Cin, Cout] (grouped: Cin = 1), +-1 or s8.
    vectors: matrix-vector products to run meanwhile, (weights [steps, R*Km, C], operands [steps, R*Km]).
    """

    fields: dict[str, int]
    source: Ints
    weights: Ints
    by_store: bool = False
    vectors: list[tuple[Ints, Ints]] = field(default_factory=list)


def _geometry(rng: np.random.Generator, config: AcceleratorConfig, kernel: int) -> dict[str, int]:
    """Sizes, padding, tiles; half of the unit-stride layers that could be linear are."""
    stride = int(rng.choice([1, 1, 2]))
    size = [1, 1] if rng.random() < 0.1 else rng.integers(1, 10, 2).tolist()
    low = [int(rng.integers(0, min(kernel, 4))) for _ in range(2)]
    if rng.random() < 0.5 and kernel % 2:  # SAME, so that linear tiles are possible
        low = [(kernel - 1) // 2] * 2
        out = [(s - 1) // stride + 1 for s in size]
    else:
        out = [
            max(1, (s + p + int(rng.integers(0, kernel)) - kernel) // stride + 1)
            for s, p in zip(size, low, strict=True)
        ]
    linear = stride == 1 and size[1] == out[1] and rng.random() < 0.7
    rows = config.rows
    tiles = -(-out[0] * out[1] // rows) if linear else out[0] * -(-out[1] // rows)
    return {
        "in_h": size[0],
        "in_w": size[1],
        "out_h": out[0],
        "out_w": out[1],
        "kernel": kernel,
        "stride2": stride - 1,
        "pad_top": low[0],
        "pad_left": low[1],
        "row_aligned": int(not linear),
        "tiles": tiles,
        "row_div": rows // out[1] if linear else 0,
        "row_mod": rows % out[1] if linear else 0,
        "interval": config.row_groups if rng.random() < 0.7 else rows,
    }


def draw(rng: np.random.Generator, config: AcceleratorConfig, index: int, *, mac: bool) -> Layer:
    """A random layer that fits the rings and half of the feature memory; bases are left to the bench."""
    while True:
        kernel = int(rng.choice([1, 1, 2, 3, 3, 4] if mac else [1, 1, 3, 3, 2]))
        grouped = bool(mac and rng.random() < 0.5)
        shift = int(rng.integers(0, 4)) if grouped else 0
        unit = config.mac_depth if mac else config.popcount_width
        word = config.cols if mac else config.popcount_width
        cin = int(rng.integers(1, 2 * word + word // 2))
        cout = cin << shift if grouped else int(rng.integers(1, 3 * config.cols))
        words = 1 if grouped else -(-cin // unit)
        steps = kernel * kernel * words
        weight_words = -(-steps // config.rows) if mac else steps
        geometry = _geometry(rng, config, kernel)
        src_words = -(-cin // word)
        pixels = geometry["in_h"] * geometry["in_w"]
        rows = -(-pixels // config.banks) * src_words
        depth, ring = (
            (config.byte_rows, config.mac_words) if mac else (config.bit_rows, config.weight_words)
        )
        if weight_words <= ring and rows <= depth // 2 and cout <= 5 * config.cols:
            break
    fields = {f.name: 0 for f in isa.FIELDS[isa.Op.CONV]}
    fields |= geometry
    fields |= {
        "op": int(isa.Op.CONV),
        "layer": index,
        "mac": int(mac),
        "grouped": int(grouped),
        "group_shift": shift,
        "words": words,
        "src_words": src_words,
        "last_k": 1 if grouped else cin - (words - 1) * unit,
        "groups": -(-cout // config.cols),
        "last_cols": (cout - 1) % config.cols + 1,
        "weight_words": weight_words,
    }
    shape = (geometry["in_h"], geometry["in_w"], src_words * word)
    weight_shape = (kernel, kernel, 1 if grouped else cin, cout)
    if mac:
        source = rng.integers(-128, 128, shape)
        weights = rng.integers(-128, 128, weight_shape)
    else:
        source = rng.integers(0, 2, shape) * 2 - 1
        weights = rng.integers(0, 2, weight_shape) * 2 - 1
    return Layer(fields, source, weights)


def draw_vectors(rng: np.random.Generator, config: AcceleratorConfig) -> list[tuple[Ints, Ints]]:
    """Up to three matrix-vector products of 1..4 steps."""
    products: list[tuple[Ints, Ints]] = []
    for _ in range(int(rng.integers(1, 4))):
        steps = int(rng.integers(1, 5))
        weights = rng.integers(-8, 8, (steps, config.fc_inputs, config.cols))
        products.append((weights, rng.integers(-128, 128, (steps, config.fc_inputs))))
    return products


def binary_words(layer: Layer, config: AcceleratorConfig) -> Iterator[int]:
    """Weight words of C*K bits in the order of docs/architecture.md."""
    f, width = layer.fields, config.popcount_width
    kernel = f["kernel"]
    for cg in range(f["groups"]):
        for tap in range(kernel * kernel):
            for w in range(f["words"]):
                block = layer.weights[
                    tap // kernel, tap % kernel, w * width : (w + 1) * width, cg * config.cols :
                ]
                word = 0
                for k, j in np.argwhere(block[:, : config.cols] > 0):
                    word |= 1 << int(j * width + k)
                yield word


def mac_words(layer: Layer, config: AcceleratorConfig) -> Iterator[Ints]:
    """Ring words as R*C*Km values in byte order."""
    f, depth, cols, rows = layer.fields, config.mac_depth, config.cols, config.rows
    kernel = f["kernel"]
    for cg in range(f["groups"]):
        words = np.zeros((f["weight_words"] * rows, cols, depth), dtype=np.int64)
        for step in range(kernel * kernel * f["words"]):
            tap, w = divmod(step, f["words"])
            block = layer.weights[
                tap // kernel, tap % kernel, w * depth : (w + 1) * depth, cg * cols :
            ][:, :cols]
            words[step, : block.shape[1], : block.shape[0]] = block.T
        yield from words.reshape(f["weight_words"], -1)


def vector_words(weights: Ints, config: AcceleratorConfig) -> Iterator[Ints]:
    """Ring words of a matrix-vector product: byte (i*C + j)*Km + m is input i*Km + m, output j."""
    for step in weights:
        yield (
            step.reshape(config.rows, config.mac_depth, config.cols).transpose(0, 2, 1).reshape(-1)
        )


def _tile_pixels(f: dict[str, int], rows: int, tile: int) -> list[tuple[int, int] | None]:
    """Output pixel of each row of a tile; None beyond the map."""
    if f["row_aligned"]:
        across = -(-f["out_w"] // rows)
        y, first = tile // across, tile % across * rows
        return [(y, first + i) if first + i < f["out_w"] else None for i in range(rows)]
    slots = range(tile * rows, (tile + 1) * rows)
    return [divmod(s, f["out_w"]) if s < f["out_h"] * f["out_w"] else None for s in slots]


def _taps(f: dict[str, int], y: int, x: int) -> Iterator[tuple[int, int, int, int]]:
    """dy, dx, input y, input x of the unmasked taps."""
    stride = 1 + f["stride2"]
    for dy in range(f["kernel"]):
        for dx in range(f["kernel"]):
            in_y, in_x = y * stride + dy - f["pad_top"], x * stride + dx - f["pad_left"]
            if 0 <= in_y < f["in_h"] and 0 <= in_x < f["in_w"]:
                yield dy, dx, in_y, in_x


def _sums(layer: Layer, y: int, x: int) -> Ints:
    """Sums of all output channels of one pixel."""
    f = layer.fields
    cin, cout = layer.weights.shape[2:]
    total = np.zeros(cout, dtype=np.int64)
    for dy, dx, in_y, in_x in _taps(f, y, x):
        if f["grouped"]:
            total += (
                layer.weights[dy, dx, 0]
                * layer.source[in_y, in_x, np.arange(cout) >> f["group_shift"]]
            )
        else:
            total += layer.source[in_y, in_x, :cin] @ layer.weights[dy, dx]
    return total


def expected_groups(layer: Layer, config: AcceleratorConfig) -> list[PixelGroup]:
    """The group stream in order."""
    f, rows, lanes, cols = layer.fields, config.rows, config.pixel_lanes, config.cols
    sums = {(y, x): _sums(layer, y, x) for y in range(f["out_h"]) for x in range(f["out_w"])}
    stream: list[PixelGroup] = []
    for cg in range(f["groups"]):
        for tile in range(f["tiles"]):
            pixels = _tile_pixels(f, rows, tile)
            assert pixels[0] is not None
            slot = pixels[0][0] * f["out_w"] + pixels[0][1]
            for first in range(0, rows, lanes):
                chosen = pixels[first : first + lanes]
                last = _is_last(tile, first, f, rows, lanes)
                stream.append(
                    PixelGroup(
                        slot + first,
                        sum(1 << i for i, p in enumerate(chosen) if p is not None),
                        cg,
                        last,
                        [
                            None if p is None else sums[p][cg * cols : (cg + 1) * cols].tolist()
                            for p in chosen
                        ],
                    )
                )
    return stream


def _is_last(tile: int, first: int, f: dict[str, int], rows: int, lanes: int) -> int:
    """Whether this is the channel group's last pixel group."""
    return int(tile == f["tiles"] - 1 and first == rows - lanes)


def expected_counts(layer: Layer, config: AcceleratorConfig) -> dict[str, int]:
    """Slots by kind over the layer, and issue cycles."""
    f, rows, cols = layer.fields, config.rows, config.cols
    depth = config.mac_depth if f["mac"] else config.popcount_width
    kinds = ("issue", "useful", "masked", "k_padding", "channel_padding", "pixel_padding")
    counts = {str(kind): 0 for kind in kinds}
    taps = f["kernel"] ** 2
    for cg in range(f["groups"]):
        columns = f["last_cols"] if cg == f["groups"] - 1 else cols
        for tile in range(f["tiles"]):
            pixels = [p for p in _tile_pixels(f, rows, tile) if p is not None]
            unmasked = sum(len(list(_taps(f, *p))) for p in pixels)
            for w in range(f["words"]):
                k = f["last_k"] if w == f["words"] - 1 else depth
                existing = len(pixels) * taps
                counts["issue"] += taps
                counts["pixel_padding"] += (rows - len(pixels)) * taps * cols * depth
                counts["channel_padding"] += existing * (cols - columns) * depth
                counts["k_padding"] += existing * columns * (depth - k)
                counts["masked"] += (existing - unmasked) * columns * k
                counts["useful"] += unmasked * columns * k
    return counts
