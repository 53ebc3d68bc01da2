"""Rule on tensors: every operand is a live tensor of the right shape at the right place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hwflow.compiler.counts import out_channels
from hwflow.config import AcceleratorConfig
from hwflow.heads import repeat_channels
from hwflow.isa import Op, Residual, Ring, Store
from hwflow.memories import Memory, capacity, ceil_div, pixel_words, tensor_rows
from hwflow.verifier.context import Context, Instruction

_RESIDUAL = {
    Residual.MAIN: Memory.MAIN,
    Residual.SIDE: Memory.SIDE,
    Residual.POOL: Memory.POOL,
}
INPUT, LOCAL, LONG, OUTPUT, MEAN = "input", "local shortcut", "long shortcut", "output", "mean"
STORED_MEAN = "mean in place of the output"
_STORE = {
    Store.MAIN: Memory.MAIN,
    Store.SIDE: Memory.SIDE,
    Store.BYTES: Memory.BYTE,
    Store.POOL: Memory.POOL,
    Store.MEANS: Memory.MAIN,
}


@dataclass(frozen=True)
class Region:
    """A tensor's place: `words` a pixel from row `base` of every bank.

    groups: words a pixel has in all; those beyond `words` are in external memory.
    """

    role: str
    memory: Memory
    base: int
    height: int
    width: int
    words: int
    groups: int

    def rows(self, config: AcceleratorConfig) -> int:
        """Rows it takes in every bank."""
        return tensor_rows(config, self.memory, self.height * self.width, self.words)

    def same_place(self, other: Region) -> bool:
        """Whether both address every element alike."""
        return (self.memory, self.base, self.height, self.width, self.words) == (
            other.memory, other.base, other.height, other.width, other.words,
        )  # fmt: skip

    def same_tensor(self, other: Region) -> bool:
        """Whether both are the same place and have as many groups in all."""
        return self.same_place(other) and self.groups == other.groups

    def overlaps(self, other: Region, config: AcceleratorConfig) -> bool:
        """Whether they share rows."""
        if self.memory is not other.memory or not self.words or not other.words:
            return False
        low, high = self.base, self.base + self.rows(config)
        return low < other.base + other.rows(config) and other.base < high

    def __str__(self) -> str:
        return (
            f"{self.role} ({self.height}x{self.width}, {self.words} words a pixel, "
            f"{self.memory.value} memory from row {self.base})"
        )


def reads(conv: Instruction, config: AcceleratorConfig) -> list[tuple[Region, int]]:
    """(region, channels read) of every operand."""
    mac = bool(conv["mac"])
    depth = config.mac_depth if mac else config.popcount_width
    cout = out_channels(conv, config)
    cin = (conv["words"] - 1) * depth + conv["last_k"]
    if conv["grouped"]:
        cin = ceil_div(cout, 1 << conv["group_shift"])
    memory = Memory.BYTE if mac else Memory.BIT
    size = (conv["in_h"], conv["in_w"])
    words = conv["src_words"]
    regions = [(Region(INPUT, memory, conv["src_base"], *size, words, words), cin)]
    out = (conv["out_h"], conv["out_w"])
    for operand, name in (("r", LOCAL), ("r1", LONG)):
        source = Residual(conv[f"{operand}_src"])
        if source is not Residual.NONE:
            groups = conv[f"{operand}_groups"]
            pitch = conv["main_pitch"] if source is Residual.MAIN else groups
            base = conv[f"{operand}_base"]
            region = Region(name, _RESIDUAL[source], base, *out, pitch, groups)
            regions.append((region, cout if name == LOCAL else repeat_channels(conv, config)))
    return regions


def writes(conv: Instruction, config: AcceleratorConfig) -> list[tuple[Region, int]]:
    """(region, channels written) of every result."""
    cout = out_channels(conv, config)
    size = (conv["out_h"], conv["out_w"])
    regions: list[tuple[Region, int]] = []
    if conv["store"] != Store.NONE:
        memory, pitch = _STORE[Store(conv["store"])], conv["store_pitch"]
        channels = ceil_div(cout, 1 << conv["store_shift"])
        role = STORED_MEAN if conv["store"] == Store.MEANS else OUTPUT
        groups = ceil_div(channels, config.cols)
        place = Region(role, memory, conv["store_base"], *size, pitch, groups)
        regions.append((place, channels))
    if conv["bits_en"]:
        words = conv["bits_words"]
        region = Region("sign bits", Memory.BIT, conv["bits_base"], *size, words, words)
        regions.append((region, cout))
    if conv["mean_en"]:
        memory = Memory.MAIN if conv["mean_main"] else Memory.SIDE
        channels = ceil_div(cout, 1 << conv["mean_shift"])
        groups = ceil_div(channels, config.cols)
        region = Region(MEAN, memory, conv["mean_base"], *size, conv["mean_groups"], groups)
        regions.append((region, channels))
    if conv["pool_en"]:
        pooled = (conv["pool_h"], conv["pool_w"])
        groups = conv["groups"]
        region = Region("pooled", Memory.POOL, conv["pool_base"], *pooled, groups, groups)
        regions.append((region, cout))
    return regions


def _too_few(read: Region, found: _Live, channels: int, config: AcceleratorConfig) -> str:
    """Why a tensor cannot be read with other channels than it has, or nothing.

    A local shortcut is extended with zeros: lanes beyond the last channel of an output or pooled
    tensor hold 0, but those of a mean tensor may never have been written. A long shortcut
    repeats exactly its channels.
    """
    there = found.channels
    if there >= channels and read.role != LONG:
        return ""
    if read.role == LONG and there == channels:
        return ""
    if read.role == LOCAL:
        averaged = found.region.role in (MEAN, STORED_MEAN)
        return f"has {there} channels, fewer than {channels}" if averaged else ""
    return f"has {there} channels, {channels} are read"


def clashes(
    operands: list[tuple[Region, int]],
    results: list[tuple[Region, int]],
    groups: int,
    config: AcceleratorConfig,
) -> Iterator[str]:
    """Results over operands, except in place, and results over each other.

    In place: the output element by element; means word by word, as a pixel's word of a shortcut is read no later than
    means are written there. Neither over a long shortcut that repeats: later groups read its words again.
    """
    for index, (write, _) in enumerate(results):
        for read, _ in operands:
            repeats = read.role == LONG and read.groups < groups
            allowed = read.role != INPUT and read.same_place(write) and not repeats
            allowed = allowed and write.role in (OUTPUT, MEAN)
            if write.overlaps(read, config) and not allowed:
                yield f"its {write} overwrites its {read}"
        for other, _ in results[:index]:
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
        operands, results = reads(conv, config), writes(conv, config)
        for region, channels in operands:
            for problem in _operand(region, channels, live, conv["layer"], config):
                yield f"{where}: {problem}"
        yield from (
            f"{where}: {message}" for message in clashes(operands, results, conv["groups"], config)
        )
        for region, channels in results:
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
    found = next((t for t in reversed(live) if t.region.same_tensor(region)), None)
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
    words = load["words"]
    region = Region("image", Memory.BYTE, load["base"], shape[0], shape[1], words, words)
    live.append(_Live(region, shape[2], -1))
    whole = Region("image", Memory.BYTE, load["base"], 1, slots, words, words)
    for written, _ in writes(first, config):
        if written.overlaps(whole, config):
            yield f"{where}: the image's last beat reaches into layer 0's {written}"
