"""Rule on tensors: every operand is a live tensor of the right shape at the right place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hwflow.compiler.counts import out_channels
from hwflow.config import AcceleratorConfig
from hwflow.isa import Op, Residual, Ring, Store
from hwflow.memories import Memory, capacity, ceil_div, pixel_words, tensor_rows
from hwflow.verifier.context import Context, Instruction

_RESIDUAL = {
    Residual.MAIN: Memory.MAIN,
    Residual.SIDE: Memory.SIDE,
    Residual.POOL: Memory.POOL,
}
INPUT, LOCAL, LONG = "input", "local shortcut", "long shortcut"
MEAN, STORED_MEAN = "mean", "stored mean"
_STORE = {Store.MAIN: Memory.MAIN, Store.SIDE: Memory.SIDE, Store.BYTES: Memory.BYTE}


@dataclass(frozen=True)
class Region:
    """A tensor's place: `words` a pixel from row `base` of every bank."""

    role: str
    memory: Memory
    base: int
    height: int
    width: int
    words: int

    def rows(self, config: AcceleratorConfig) -> int:
        """Rows it takes in every bank."""
        return tensor_rows(config, self.memory, self.height * self.width, self.words)

    def same_place(self, other: Region) -> bool:
        """Whether both address every element alike."""
        return (self.memory, self.base, self.height, self.width, self.words) == (
            other.memory, other.base, other.height, other.width, other.words,
        )  # fmt: skip

    def overlaps(self, other: Region, config: AcceleratorConfig) -> bool:
        """Whether they share rows."""
        if self.memory is not other.memory:
            return False
        low, high = self.base, self.base + self.rows(config)
        return low < other.base + other.rows(config) and other.base < high

    def __str__(self) -> str:
        return (
            f"{self.role} ({self.height}x{self.width}, {self.words} words a pixel, "
            f"{self.memory.value} memory from row {self.base})"
        )


def _reads(conv: Instruction, config: AcceleratorConfig) -> list[tuple[Region, int]]:
    """(region, channels read) of every operand."""
    mac = bool(conv["mac"])
    depth = config.mac_depth if mac else config.popcount_width
    cout = out_channels(conv, config)
    cin = (conv["words"] - 1) * depth + conv["last_k"]
    if conv["grouped"]:
        cin = ceil_div(cout, 1 << conv["group_shift"])
    memory = Memory.BYTE if mac else Memory.BIT
    size = (conv["in_h"], conv["in_w"])
    regions = [(Region(INPUT, memory, conv["src_base"], *size, conv["src_words"]), cin)]
    out = (conv["out_h"], conv["out_w"])
    for operand, name in (("r", LOCAL), ("r1", LONG)):
        source = Residual(conv[f"{operand}_src"])
        if source is not Residual.NONE:
            words = conv[f"{operand}_groups"]
            region = Region(name, _RESIDUAL[source], conv[f"{operand}_base"], *out, words)
            regions.append((region, cout))
    return regions


def _writes(conv: Instruction, config: AcceleratorConfig) -> list[tuple[Region, int]]:
    """(region, channels written) of every result, the output first."""
    cout = out_channels(conv, config)
    size = (conv["out_h"], conv["out_w"])
    memory = _STORE[Store(conv["store"])]
    role = STORED_MEAN if conv["store_shift"] else "output"
    stored = Region(role, memory, conv["store_base"], *size, conv["store_groups"])
    regions = [(stored, ceil_div(cout, 1 << conv["store_shift"]))]
    if conv["bits_en"]:
        region = Region("sign bits", Memory.BIT, conv["bits_base"], *size, conv["bits_words"])
        regions.append((region, cout))
    if conv["mean_en"]:
        region = Region(MEAN, Memory.SIDE, conv["mean_base"], *size, conv["mean_groups"])
        regions.append((region, ceil_div(cout, 1 << conv["mean_shift"])))
    if conv["pool_en"]:
        pooled = (conv["pool_h"], conv["pool_w"])
        region = Region("pooled", Memory.POOL, conv["pool_base"], *pooled, conv["groups"])
        regions.append((region, cout))
    return regions


def _too_few(read: Region, found: _Live, channels: int, config: AcceleratorConfig) -> str:
    """Why a tensor cannot be read with more channels than it has, or nothing.

    A local shortcut is extended with zeros: lanes beyond the last channel of an output or pooled
    tensor hold 0, but those of a mean tensor may never have been written. A long shortcut repeats
    its words, so they must be full.
    """
    there = found.channels
    if there >= channels:
        return ""
    if read.role == LOCAL:
        averaged = found.region.role in (MEAN, STORED_MEAN)
        return f"has {there} channels, fewer than {channels}" if averaged else ""
    if read.role == LONG and there % config.cols == 0:
        return ""
    return f"has {there} channels, {channels} are read"


def _clashes(
    reads: list[tuple[Region, int]], writes: list[tuple[Region, int]], config: AcceleratorConfig
) -> Iterator[str]:
    """Results over operands, except element by element in place, and results over each other.

    A stored mean is not: the first channel groups overwrite what later ones may read.
    """
    in_place = [read for read, _ in reads if read.role != INPUT]
    for index, (write, _) in enumerate(writes):
        for read, _ in reads:
            element_wise = index == 0 and write.role != STORED_MEAN
            allowed = element_wise and read in in_place and read.same_place(write)
            if write.overlaps(read, config) and not allowed:
                yield f"its {write} overwrites its {read}"
        for other, _ in writes[:index]:
            if write.overlaps(other, config):
                yield f"its {write} overlaps its {other}"


@dataclass(frozen=True)
class _Live:
    """A tensor that has not been overwritten, its channels and the layer that wrote it."""

    region: Region
    channels: int
    writer: int


def tensors(context: Context) -> Iterator[str]:
    """Walks the layers in order and keeps the list of live tensors."""
    config = context.config
    live: list[_Live] = []
    first = context.convs.get(0)
    for where, load in context.of(Op.LOAD):
        if load["ring"] == Ring.BYTES and first is not None:
            yield from _load_image(context, where, load, first, live)
    for where, conv in context.of(Op.CONV):
        reads, writes = _reads(conv, config), _writes(conv, config)
        for region, channels in reads:
            for problem in _operand(region, channels, live, conv["layer"], config):
                yield f"{where}: {problem}"
        yield from (f"{where}: {message}" for message in _clashes(reads, writes, config))
        for region, channels in writes:
            end = region.base + region.rows(config)
            if end > capacity(config, region.memory):
                limit = capacity(config, region.memory)
                yield f"{where}: its {region} ends at row {end} of {limit}"
            live = [t for t in live if not t.region.overlaps(region, config)]
            live.append(_Live(region, channels, conv["layer"]))


def _operand(
    region: Region, channels: int, live: list[_Live], layer: int, config: AcceleratorConfig
) -> Iterator[str]:
    """Input and local shortcut are forms of the output of the layer before."""
    found = next((t for t in live if t.region.same_place(region)), None)
    if found is None:
        yield f"no live tensor is where it reads its {region}"
        return
    if region.role != LONG and found.writer != layer - 1:
        yield f"its {region} was written by layer {found.writer}, not by the one before"
    problem = _too_few(region, found, channels, config)
    if problem:
        yield f"its {region} {problem}"


def _load_image(
    context: Context, where: str, load: Instruction, first: Instruction, live: list[_Live],
) -> Iterator[str]:  # fmt: skip
    config, shape = context.config, context.manifest.image.stored_shape
    if load["words"] != pixel_words(config, Memory.BYTE, shape[2]):
        yield f"{where}: {load['words']} words a pixel for {shape[2]} channels"
        return
    size = shape[0] * shape[1] * load["words"] * config.cols
    if load["beats"] != ceil_div(size, config.memory_bytes):
        yield f"{where}: {load['beats']} beats for an image of {size} bytes"
    slots = ceil_div(load["beats"] * config.memory_bytes, load["words"] * config.cols)
    end = load["base"] + tensor_rows(config, Memory.BYTE, slots, load["words"])
    if end > capacity(config, Memory.BYTE):
        yield f"{where}: the image ends at row {end} of {capacity(config, Memory.BYTE)}"
    region = Region("image", Memory.BYTE, load["base"], shape[0], shape[1], load["words"])
    live.append(_Live(region, shape[2], -1))
    whole = Region("image", Memory.BYTE, load["base"], 1, slots, load["words"])
    for written, _ in _writes(first, config):
        if written.overlaps(whole, config):
            yield f"{where}: the image's last beat reaches into layer 0's {written}"
