"""Random layers for the back end, as the compiler could have made them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hwflow import isa, numerics
from hwflow.config import AcceleratorConfig
from hwflow.heads import head_rows, reads_heads
from hwflow.isa import Residual, Store
from sim.benches.back_end_model import STORES, Ints, Layer, Model, Step, Tensor

MAX_SIZE = 9
"""Most rows and columns of a drawn layer."""
ACC_BITS = 24
"""Width of an array's sums."""


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
