"""Random layers for the back end, and what it must do with them (numpy, hwflow.numerics)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hwflow import isa, numerics
from hwflow.config import AcceleratorConfig
from hwflow.heads import head_rows, reads_heads, repeat_channels
from hwflow.isa import Residual, Store

Ints = npt.NDArray[np.int64]
MAX_SIZE = 9
STORES = {
    Store.MAIN: Residual.MAIN,
    Store.SIDE: Residual.SIDE,
    Store.POOL: Residual.POOL,
    Store.MEANS: Residual.MAIN,
}
"""The memory of each destination of an output that is one of the three."""
ACC_BITS = 24


@dataclass
class Step:
    """One pixel group on the `group` port: `data` is (G, C); `gap` idle cycles come before it."""

    slot: int
    mask: int
    cg: int
    last: bool
    data: Ints
    gap: int


@dataclass
class Layer:
    """One CONV as the back end sees it: instruction fields, channel constants (Cout,) and steps."""

    fields: dict[str, int]
    constants: dict[str, Ints]
    steps: list[Step]


@dataclass
class Tensor:
    """Words of a tensor in a banked memory: row base + (slot // G)*groups + cg of bank slot % G."""

    base: int
    groups: int
    slots: int


@dataclass
class Expected:
    """Outcome of a layer: y is (slots, groups*C), means, stored_means and pooled likewise or None."""

    y: Ints
    means: Ints | None
    stored_means: Ints | None
    pooled: Ints | None
    signature: int
    saturated_t: int
    saturated_y: int


@dataclass
class Model:
    """The residual memories as (G, rows, C) and the arithmetic."""

    config: AcceleratorConfig
    memories: dict[Residual, Ints] = field(default_factory=dict)
    heads: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    recent: dict[Residual, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        config = self.config
        rows = (config.main_rows, config.side_rows, config.pool_rows)
        for which, depth in zip((Residual.MAIN, Residual.SIDE, Residual.POOL), rows, strict=True):
            shape = (config.pixel_lanes, depth, config.cols)
            self.memories[which] = np.zeros(shape, np.int64)
        self.heads = np.zeros((config.pixel_lanes, config.head_rows, config.cols), np.int64)

    def place(self, tensor: Tensor, cg: Ints | int) -> tuple[Ints, Ints]:
        """(bank, row) of every slot of channel group cg."""
        slots = np.arange(tensor.slots)
        lanes = self.config.pixel_lanes
        return slots % lanes, tensor.base + slots // lanes * tensor.groups + cg

    def rows_of(self, tensor: Tensor) -> range:
        """All rows a tensor may occupy."""
        high = -(-tensor.slots // self.config.pixel_lanes)
        return range(tensor.base, tensor.base + high * tensor.groups)

    def fits(self, which: Residual, tensor: Tensor) -> bool:
        """Whether the tensor lies inside the memory."""
        return self.rows_of(tensor).stop <= self.memories[which].shape[1]

    def read(self, which: Residual, tensor: Tensor, there: int, groups: int, *, tile: bool) -> Ints:
        """(slots, groups*C): groups beyond the `there` first ones are 0, or repeat when `tile`."""
        words: list[Ints] = []
        for cg in range(groups):
            found = self.memories[which][self.place(tensor, cg % there)]
            words.append(found if tile or cg < there else np.zeros_like(found))
        return np.concatenate(words, axis=1)

    def read_repeated(self, f: dict[str, int], tensor: Tensor) -> Ints:
        """(slots, groups*C) of the pool memory's r1: channel o is o mod the tensor's; those that begin again from heads.

        Channel 0 lies in column last_columns % C of the heads.
        """
        cols = self.config.cols
        channels = repeat_channels(f, self.config)
        words = self.read(Residual.POOL, tensor, tensor.groups, tensor.groups, tile=True)
        first = self.heads[self.place(Tensor(f["r1_head_base"], 1, tensor.slots), 0)]
        result: list[Ints] = []
        for cg in range(f["groups"]):
            wanted = cg * cols % channels + np.arange(cols)
            plain = words[:, np.minimum(wanted, channels - 1)]
            result.append(
                np.where(
                    wanted < channels, plain, first[:, (wanted - channels + f["r1_last"]) % cols]
                )
            )
        return np.concatenate(result, axis=1)

    def write(self, which: Residual, tensor: Tensor, values: Ints) -> None:
        """All groups of `values` (slots, n); the last may be partial."""
        cols = self.config.cols
        for cg in range(-(-values.shape[1] // cols)):
            part = values[:, cg * cols : (cg + 1) * cols]
            banks, rows = self.place(tensor, cg)
            self.memories[which][banks, rows, : part.shape[1]] = part
        self.recent[which] = tensor

    def run(self, layer: Layer) -> Expected:
        """Read the shortcuts, compute, write the results."""
        f, cols = layer.fields, self.config.cols
        slots, groups = f["out_h"] * f["out_w"], f["groups"]
        channels = (groups - 1) * cols + f["last_cols"]
        total = np.zeros((slots, groups * cols), np.int64)
        for step in layer.steps:
            for lane in range(self.config.pixel_lanes):
                if step.mask >> lane & 1:
                    at = slice(step.cg * cols, (step.cg + 1) * cols)
                    total[step.slot + lane, at] = step.data[lane]
        shortcuts: list[Ints] = []
        for name in ("r", "r1"):
            which = Residual(f[f"{name}_src"])
            if which:
                there = f[f"{name}_groups"]
                pitch = f["main_pitch"] if which is Residual.MAIN else there
                tensor = Tensor(f[f"{name}_base"], pitch, slots)
                found = self.read(which, tensor, there, groups, tile=name == "r1")
                if name == "r1" and reads_heads(f, self.config):
                    found = self.read_repeated(f, tensor)
            else:
                found = np.zeros_like(total)
            shortcuts.append(found[:, :channels])
        # The affine pair arrives ready made, so what it is made of does not matter.
        unused = np.zeros(channels, np.int32)
        names = ("alpha", "alpha_shift", "beta", "bias_x", "out_shift")
        constants = numerics.VectorParams(
            acc_shift=f["acc_shift"],
            out_bits=8 if f["store"] == Store.BYTES else 16,
            **{name: layer.constants[name].astype(np.int32) for name in names},
            **dict.fromkeys(("pos", "neg", "bias_y", "bias_y_shift", "offset"), unused),
        )
        v = numerics.vector_sum(
            total[:, :channels], constants, shortcuts[0], f["r_shift"], shortcuts[1], f["r1_shift"]
        )
        assert np.abs(v).max() < 1 << 23, "the drawn constants are wrong"
        pair = numerics.AffinePair(*(layer.constants[name] for name in "pnq"))
        out = numerics.vector_output(v, constants, pair)
        y = np.zeros_like(total)
        y[:, :channels] = out.y
        expected = Expected(
            y,
            None,
            None,
            None,
            numerics.signature(out.y.reshape(f["out_h"], f["out_w"], channels)),
            int(out.t_saturated.sum()),
            int(out.y_saturated.sum()),
        )
        if f["store"] in STORES:
            which = STORES[Store(f["store"])]
            stored = y
            if f["store"] == Store.MEANS:
                stored = numerics.channel_mean(y, y.shape[1] >> f["store_shift"])
                expected.stored_means = stored
            self.write(which, Tensor(f["store_base"], f["store_pitch"], slots), stored)
        if f["mean_en"]:
            means = numerics.channel_mean(y, y.shape[1] >> f["mean_shift"])
            tensor = Tensor(f["mean_base"], f["mean_groups"], slots)
            self.write(Residual.MAIN if f["mean_main"] else Residual.SIDE, tensor, means)
            expected.means = means
        if f["pool_en"]:
            pooled = numerics.average_pool(y.reshape(f["out_h"], f["out_w"], -1))
            pooled = pooled.reshape(f["pool_h"] * f["pool_w"], -1)
            tensor = Tensor(f["pool_base"], groups, len(pooled))
            self.write(Residual.POOL, tensor, pooled)
            expected.pooled = pooled
            if f["heads_en"]:
                place = self.place(Tensor(f["head_base"], 1, len(pooled)), 0)
                self.heads[place] = np.roll(pooled[:, :cols], f["last_cols"], axis=1)
        return expected


def draw(rng: np.random.Generator, model: Model, *, dense: bool) -> Layer:
    """A random layer that keeps the compiler's guarantees; `dense` leaves no gaps between tiles."""
    config = model.config
    cols = config.cols
    out_h, out_w = (int(rng.integers(1, MAX_SIZE + 1)) for _ in range(2))
    slots = out_h * out_w
    channels = int(rng.integers(1, 4 * cols + 1))
    groups = -(-channels // cols)
    f = {item.name: 0 for item in isa.FIELDS[isa.Op.CONV]}
    f |= {
        "op": isa.Op.CONV,
        "layer": int(rng.integers(0, 1 << 16)),
        "out_h": out_h,
        "out_w": out_w,
        "row_aligned": int(rng.integers(0, 2)),
        "groups": groups,
        "last_cols": channels - (groups - 1) * cols,
        "acc_shift": int(rng.integers(0, 9)),
        "store": int(rng.choice(list(Store))),
        "store_pitch": groups,
        "bits_en": int(rng.integers(0, 2)),
        "sums_en": int(rng.integers(0, 2)),
        "pool_en": int(rng.integers(0, 2)) if out_w <= config.line_pixels else 0,
    }
    if f["store"] == Store.POOL:
        f["pool_en"] = 0
    written: dict[Residual, list[Tensor]] = {which: [] for which in model.memories}

    def base(which: Residual, needed: Tensor) -> int:
        free = model.memories[which].shape[1] - len(model.rows_of(needed))
        return int(rng.integers(0, free + 1))

    if f["store"] in STORES:
        which = STORES[Store(f["store"])]
        if f["store"] == Store.MEANS:
            f["store_shift"] = int(rng.integers(1, 4))
            f["store_pitch"] = -(-groups // (1 << f["store_shift"]))
        store = Tensor(0, f["store_pitch"], slots)
        recent = model.recent.get(which)
        same = recent is not None and (recent.groups, recent.slots) == (store.groups, slots)
        store.base = recent.base if recent and same else base(which, store)
        written[which].append(store)
        f["store_base"] = store.base
    to_main = int(rng.integers(0, 2))
    taken = (Store.MAIN, Store.MEANS) if to_main else (Store.SIDE,)
    if f["store"] not in taken and rng.random() < 0.6:
        shift = int(rng.integers(1, 4))
        means = Tensor(0, -(-groups // (1 << shift)) + int(rng.integers(0, 2)), slots)
        which = Residual.MAIN if to_main else Residual.SIDE
        means.base = base(which, means)
        written[which].append(means)
        f |= {
            "mean_en": 1,
            "mean_main": to_main,
            "mean_shift": shift,
            "mean_base": means.base,
            "mean_groups": means.groups,
        }
    if f["pool_en"]:
        f["pool_h"], f["pool_top"], _ = numerics.same_padding(out_h, 3, 2)
        f["pool_w"], f["pool_left"], _ = numerics.same_padding(out_w, 3, 2)
        pooled = Tensor(0, groups, f["pool_h"] * f["pool_w"])
        pooled.base = base(Residual.POOL, pooled)
        written[Residual.POOL].append(pooled)
        f["pool_base"] = pooled.base
    sources = [int(which) for which in rng.permutation(4)[:2]]
    for name, source in zip(("r", "r1"), sources, strict=True):
        _draw_shortcut(rng, model, f, name, source, written, slots)
    _draw_heads(rng, config, f, slots)
    return Layer(f, _draw_constants(rng, channels), list(_steps(rng, config, f, dense=dense)))


def _draw_heads(
    rng: np.random.Generator, config: AcceleratorConfig, f: dict[str, int], slots: int
) -> None:
    """Where r1 begins again, and heads kept by a layer that does not read any."""
    if f["r1_src"]:
        f["r1_last"] = config.cols
    if not config.head_rows:
        return

    def base(pixels: int) -> int:
        return int(rng.integers(0, config.head_rows - head_rows(config, 1, pixels) + 1))

    if f["r1_src"] == Residual.POOL and f["r1_groups"] > 1:
        f["r1_last"] = int(rng.integers(1, config.cols + 1))
        f["r1_head_base"] = base(slots)
    if f["pool_en"] and not reads_heads(f, config):
        f |= {"heads_en": 1, "head_base": base(f["pool_h"] * f["pool_w"])}


def fill(rng: np.random.Generator, model: Model) -> Iterator[Layer]:
    """Layers that write every word of the memories, so that no shortcut reads an undefined one."""
    config = model.config
    for which, content in model.memories.items():
        lanes, rows, cols = content.shape
        f = {item.name: 0 for item in isa.FIELDS[isa.Op.CONV]}
        f |= {"op": isa.Op.CONV, "out_h": rows, "out_w": lanes, "groups": 1, "last_cols": cols}
        store = next(store for store, memory in STORES.items() if memory is which)
        f |= {"store": int(store), "store_pitch": 1}
        yield _filling(rng, config, f)
    if config.head_rows:
        rows = config.head_rows * config.pixel_lanes
        f = {item.name: 0 for item in isa.FIELDS[isa.Op.CONV]}
        f |= {"op": isa.Op.CONV, "out_h": 2 * rows, "out_w": 2, "groups": 1}
        f |= {"last_cols": config.cols, "pool_en": 1, "pool_h": rows, "pool_w": 1, "heads_en": 1}
        yield _filling(rng, config, f)


def _filling(rng: np.random.Generator, config: AcceleratorConfig, f: dict[str, int]) -> Layer:
    constants = _draw_constants(rng, f["groups"] * config.cols)
    return Layer(f, constants, list(_steps(rng, config, f, dense=True)))


def _draw_shortcut(
    rng: np.random.Generator,
    model: Model,
    f: dict[str, int],
    name: str,
    source: int,
    written: dict[Residual, list[Tensor]],
    slots: int,
) -> None:
    """Operand r or r1 in memory `source`: what was written there last, or any words."""
    which = Residual(source)
    f[f"{name}_groups"] = 1
    if not which:
        return
    recent = model.recent.get(which)
    tensor = Tensor(int(rng.integers(0, 4)), int(rng.integers(1, f["groups"] + 1)), slots)
    if recent is not None and rng.random() < 0.8:
        tensor = Tensor(recent.base, recent.groups, slots)
    for other in written[which]:
        store = Store(f["store"])
        in_place = other == tensor and store is not Store.MEANS and which == STORES.get(store)
        mine, theirs = model.rows_of(tensor), model.rows_of(other)
        if not in_place and mine.start < theirs.stop and theirs.start < mine.stop:
            return
    if not model.fits(which, tensor):
        return
    f[f"{name}_src"], f[f"{name}_base"] = which, tensor.base
    f[f"{name}_groups"] = tensor.groups
    if which is Residual.MAIN:
        f["main_pitch"] = tensor.groups
        f[f"{name}_groups"] = int(rng.integers(1, tensor.groups + 1))
    f[f"{name}_shift"] = int(rng.integers(0, 5))


def _draw_constants(rng: np.random.Generator, channels: int) -> dict[str, Ints]:
    def signed(bits: int) -> Ints:
        return rng.integers(*numerics.signed_range(bits), channels, dtype=np.int64, endpoint=True)

    return {
        "alpha": signed(16),
        "alpha_shift": rng.integers(10, 19, channels),
        "beta": signed(19),
        "bias_x": signed(19),
        "p": signed(14),
        "n": signed(14),
        "out_shift": rng.integers(8, 19, channels),
        "q": signed(15),
    }


def _steps(
    rng: np.random.Generator, config: AcceleratorConfig, f: dict[str, int], *, dense: bool
) -> Iterator[Step]:
    """The pixel groups in the arrays' order; pixels and channels that do not exist carry noise."""
    rows, lanes, width = config.rows, config.pixel_lanes, f["out_w"]
    slots = f["out_h"] * width
    if f["row_aligned"]:
        tiles = [
            (y * width + x, min(width - x, rows))
            for y in range(f["out_h"])
            for x in range(0, width, rows)
        ]
    else:
        tiles = [(slot, min(slots - slot, rows)) for slot in range(0, slots, rows)]
    bound = min(32767 << f["acc_shift"], (1 << (ACC_BITS - 1)) - 1)
    for cg in range(f["groups"]):
        for tile, (slot, count) in enumerate(tiles):
            extra = 0 if dense else int(rng.integers(0, 4))
            for part in range(config.row_groups):
                first = part * lanes
                yield Step(
                    slot + first,
                    sum(1 << lane for lane in range(lanes) if first + lane < count),
                    cg,
                    tile == len(tiles) - 1 and part == config.row_groups - 1,
                    rng.integers(-bound, bound + 1, (lanes, config.cols)),
                    extra if part == 0 else 0,
                )


def group_fields(step: Step) -> dict[str, Any]:
    """A step as fields of the `group` port."""
    return {
        "valid": 1,
        "slot": step.slot & 0xFFFF,
        "mask": step.mask,
        "cg": step.cg,
        "last_of_group": int(step.last),
        "data": step.data.reshape(-1).tolist(),
    }
