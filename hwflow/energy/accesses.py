"""Accesses of the on-chip memories for one image, counted from a schedule: words, widths and the size of a bank.

Reads are counted where the RTL enables them: all banks of a feature memory at each step, both halves of the 8-bit ring.
Four small memories are enabled in every cycle (lane constants, constant ring, sums, vectors); of those only the reads
that are used count. Control's few registers and FIFOs of instructions are none of it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hwflow.config import AcceleratorConfig
from hwflow.isa import CONSTANT_BITS, FcDest, Op, Residual, Ring, Store
from hwflow.memories import ceil_div

Instruction = Mapping[str, int]

SUM_BITS = 32
LANE_CONSTANT_BITS = 16 + 5 + 25 + 14 + 14 + 5 + 24
"""Bits of a channel's constants in a lane: alpha and its shift, bias, both slopes and their shift, q."""
SIX_BITS = 3
"""Bits that a sum of six elements, as the pool's line memory keeps it, has more than one."""
KERNEL_LIMIT = 7
"""Largest kernel of an instruction, for which a popcount's width is made."""


@dataclass(frozen=True)
class MemoryUse:
    """Bits that one layer reads from and writes to one memory; bank_bytes: of each of its banks."""

    memory: str
    bank_bytes: float
    read_bits: int
    written_bits: int

    @property
    def bits(self) -> int:
        """Both ways."""
        return self.read_bits + self.written_bits


def popcount_bits(config: AcceleratorConfig) -> int:
    """Bits of a sum of the binary array."""
    return (KERNEL_LIMIT**2 * (config.channel_limit + config.popcount_width)).bit_length()


def bank_bytes(config: AcceleratorConfig) -> dict[str, float]:
    """Memory -> bytes of a bank."""
    word = config.residual_word_bits // 8
    groups = max(config.channel_groups_limit, 2)
    line = 1 << (max(ceil_div(config.line_pixels, max(config.pixel_lanes, 2)), 2) - 1).bit_length()
    vectors = max(2, math.ceil(config.channel_limit / config.fc_inputs))
    bit = config.bit_rows * config.popcount_width / 8
    byte = config.byte_rows * config.cols
    return {
        "bit": bit + byte if config.shared_features else bit,
        "byte": bit + byte if config.shared_features else byte,
        "main": config.main_rows * word,
        "side": config.side_rows * word,
        "pool": config.pool_rows * word,
        "heads": config.head_rows * word,
        "line": line * config.cols * (config.residual_bits + SIX_BITS) / 8,
        "binary weights": config.weight_words * config.popcount_width / 8,
        "deskew": 2 * config.cols * config.pixel_lanes * popcount_bits(config) / 8,
        "8-bit weights": config.mac_words * config.memory_bytes,
        "constant ring": 32 * config.constant_words,
        "lane constants": groups * LANE_CONSTANT_BITS / 8,
        "sums": groups * config.cols * SUM_BITS / 8,
        "vectors": vectors * config.fc_inputs,
        "streams": max(config.long_words, config.store_words) * config.stream_word_bytes,
    }


class _Bits:
    """Read and written bits by memory of one layer."""

    def __init__(self) -> None:
        self.read: Counter[str] = Counter()
        self.written: Counter[str] = Counter()


def memory_uses(
    instructions: Sequence[Instruction], config: AcceleratorConfig
) -> dict[int, tuple[MemoryUse, ...]]:
    """Layer number -> what it does to each memory that it uses."""
    layers: dict[int, _Bits] = {}
    for each in instructions:
        bits = layers.setdefault(each["layer"], _Bits())
        op = Op(each["op"])
        if op is Op.LOAD:
            _load(each, config, bits)
        elif op is Op.CONV:
            _conv(each, config, bits)
        elif op is Op.FC:
            _fc(each, config, bits)
        elif op is Op.MEAN:
            bits.read["sums"] += each["count"] * config.cols * SUM_BITS
            bits.written["vectors"] += 8 * each["count"]
            bits.read["constant ring"] += CONSTANT_BITS * each["count"] * each["records"]
        elif op is Op.AFFINE:
            _records(each["count"], config, bits, scales=True)
    sizes = bank_bytes(config)
    return {
        layer: tuple(
            MemoryUse(name, sizes[name], bits.read[name], bits.written[name])
            for name in sizes
            if bits.read[name] or bits.written[name]
        )
        for layer, bits in layers.items()
    }


def _load(load: Instruction, config: AcceleratorConfig, bits: _Bits) -> None:
    memory = {
        Ring.WEIGHTS: "binary weights",
        Ring.MACS: "8-bit weights",
        Ring.CONSTANTS: "constant ring",
        Ring.BYTES: "byte",
        Ring.LONG: "streams",
    }[Ring(load["ring"])]
    bits.written[memory] += load["beats"] * config.beat_bits
    if memory == "streams":
        bits.read[memory] += load["beats"] * config.beat_bits


def _conv(conv: Instruction, config: AcceleratorConfig, bits: _Bits) -> None:
    steps = conv["groups"] * conv["tiles"] * conv["kernel"] ** 2 * conv["words"]
    pixel_groups = conv["groups"] * conv["tiles"] * config.row_groups
    if conv["mac"]:
        bits.read["byte"] += steps * config.banks * config.cols * 8
        bits.read["8-bit weights"] += steps * 8 * config.mac_word_bytes
    else:
        bits.read["bit"] += steps * config.banks * config.popcount_width
        bits.read["binary weights"] += steps * config.cols * config.popcount_width
        sums = pixel_groups * config.vector_lanes * popcount_bits(config)
        bits.read["deskew"] += sums
        bits.written["deskew"] += sums
    word = config.residual_word_bits
    names = {Residual.MAIN: "main", Residual.SIDE: "side", Residual.POOL: "pool"}
    for source in {conv["r_src"], conv["r1_src"]} - {Residual.NONE}:
        paired = 2 if source == Residual.POOL and config.head_rows else 1
        bits.read[names[Residual(source)]] += paired * pixel_groups * config.pixel_lanes * word
    if config.head_rows:
        bits.read["heads"] += pixel_groups * config.pixel_lanes * word
    bits.read["lane constants"] += pixel_groups * config.cols * LANE_CONSTANT_BITS
    _stores(conv, config, bits)
    if conv["sums_en"]:
        bits.written["sums"] += conv["groups"] * config.cols * SUM_BITS


def _stores(conv: Instruction, config: AcceleratorConfig, bits: _Bits) -> None:
    slots, groups, cols = conv["out_h"] * conv["out_w"], conv["groups"], config.cols
    word = config.residual_word_bits
    store = Store(conv["store"])
    if store is Store.MAIN:
        inside = min(groups, conv["store_pitch"])
        bits.written["main"] += slots * inside * word
        spilled = (
            conv["tiles"] * config.row_groups * (groups - inside) * 8 * config.stream_word_bytes
        )
        bits.written["streams"] += spilled
        bits.read["streams"] += spilled
    elif store in (Store.SIDE, Store.POOL):
        bits.written[store.name.lower()] += slots * groups * word
    elif store is Store.BYTES:
        bits.written["byte"] += slots * groups * cols * 8
    elif store is Store.MEANS:
        bits.written["main"] += slots * groups * (word >> conv["store_shift"])
    if conv["bits_en"]:
        bits.written["bit"] += slots * groups * cols
    if conv["mean_en"]:
        memory = "main" if conv["mean_main"] else "side"
        bits.written[memory] += slots * groups * (word >> conv["mean_shift"])
    if conv["pool_en"]:
        pooled = conv["pool_h"] * conv["pool_w"]
        kept = config.residual_bits + SIX_BITS
        line = groups * conv["tiles"] * config.row_groups * config.pixel_lanes * cols * kept
        bits.read["line"] += line
        bits.written["line"] += line
        bits.written["pool"] += pooled * groups * word
        if conv["heads_en"]:
            bits.written["heads"] += pooled * word


def _fc(fc: Instruction, config: AcceleratorConfig, bits: _Bits) -> None:
    steps = ceil_div(fc["outputs"], config.cols) * fc["steps"]
    bits.read["vectors"] += steps * 8 * config.fc_inputs
    bits.read["8-bit weights"] += steps * 8 * config.mac_word_bytes
    dest = FcDest(fc["dest"])
    _records(fc["outputs"], config, bits, scales=dest is FcDest.SCALE)
    if dest is FcDest.HIDDEN:
        bits.written["vectors"] += 8 * fc["outputs"]


def _records(outputs: int, config: AcceleratorConfig, bits: _Bits, *, scales: bool) -> None:
    """Constant records taken, a word of the ring each; the lanes' constants that they become."""
    bits.read["constant ring"] += outputs * CONSTANT_BITS * config.records_per_beat
    if scales:
        bits.written["lane constants"] += outputs * LANE_CONSTANT_BITS
