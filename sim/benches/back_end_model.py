"""What the back end must do with a layer (numpy, hwflow.numerics)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hwflow import numerics
from hwflow.config import AcceleratorConfig
from hwflow.heads import reads_heads, repeat_channels
from hwflow.isa import Residual, Store

Ints = npt.NDArray[np.int64]
STORES = {
    Store.MAIN: Residual.MAIN,
    Store.SIDE: Residual.SIDE,
    Store.POOL: Residual.POOL,
    Store.MEANS: Residual.MAIN,
}
"""The memory of each destination of an output that is one of the three."""


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
            out_bits=8 if f["store"] == Store.BYTES else self.config.residual_bits,
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
            y_map = y.reshape(f["out_h"], f["out_w"], -1)
            pooled = numerics.average_pool(y_map, self.config.residual_bits)
            pooled = pooled.reshape(f["pool_h"] * f["pool_w"], -1)
            tensor = Tensor(f["pool_base"], groups, len(pooled))
            self.write(Residual.POOL, tensor, pooled)
            expected.pooled = pooled
            if f["heads_en"]:
                place = self.place(Tensor(f["head_base"], 1, len(pooled)), 0)
                self.heads[place] = np.roll(pooled[:, :cols], f["last_cols"], axis=1)
        return expected


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
