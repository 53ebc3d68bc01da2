"""What the scalar engine must do for random programs, with the arithmetic of hwflow.numerics."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from hwflow import bit_fields, isa, numerics
from hwflow.config import AcceleratorConfig
from rtl_gen.scalar_engine import VECTOR_FIELDS

TAP_KINDS = {"mean": 0, isa.FcDest.HIDDEN: 1, isa.FcDest.SCALE: 2, isa.FcDest.LOGITS: 3}


def random_record(rng: random.Random, limit: int, dest: isa.FcDest | None) -> dict[str, int]:
    """A constant record; sums are at most `limit` in magnitude after acc_shift."""
    record = {f.name: rng.randint(f.low, f.high) for f in isa.CONSTANT_FIELDS}
    alpha = rng.randint(-3000, 3000)
    room = min(2**31 - 1 - abs(alpha) * limit, 2**24)
    record |= {
        "scalar_alpha": alpha,
        "scalar_beta": rng.randint(-room, room),
        "scalar_shift": 6 if dest is isa.FcDest.HIDDEN else 3,
        "alpha_shift": rng.randint(0, 30),
        "out_shift": rng.randint(0, 30),
        "bias_y_shift": rng.randint(12, 30),
        "pos": rng.randint(-32764, 32764),
        "neg": rng.randint(-32764, 32764),
        "offset": rng.randint(-(2**22), 2**22),
    }
    return record


def scalar(x: int, acc_shift: int, alpha: int, beta: int, shift: int, lo: int, hi: int) -> int:
    constants = {"alpha": alpha, "beta": beta, "shift": shift}
    arrays = {name: np.int64(value) for name, value in constants.items()}
    params: Any = SimpleNamespace(acc_shift=acc_shift, lo=lo, hi=hi, **arrays)
    value: Any = np.int64(x)
    return int(numerics.scalar(value, params))


@dataclass
class Model:
    """Executes instructions as docs/architecture.md says and keeps all that the engine must do."""

    config: AcceleratorConfig
    rng: random.Random
    a: list[int] = field(default_factory=list)
    b: list[int] = field(default_factory=list)
    instructions: list[int] = field(default_factory=list)
    sums: list[dict[int, int]] = field(default_factory=list)  # of each MEAN
    records: list[int] = field(default_factory=list)
    ring_words: list[tuple[list[int], int]] = field(default_factory=list)
    """Weights of a step, and how many half words of the ring they take."""
    taps: list[tuple[int, ...]] = field(default_factory=list)
    constants: list[dict[str, int]] = field(default_factory=list)
    words: list[Any] = field(default_factory=list)  # result words; None where a cycle number stands
    tokens: int = 0
    logits: list[int] = field(default_factory=list)

    def _add(self, op: isa.Op, **values: int) -> None:
        encoded = isa.encode({"op": op, **values})
        self.instructions.append(int.from_bytes(encoded, "little"))

    def mean(self, layer: int, count: int, *, records: bool = False) -> None:
        acc_shift = self.rng.randint(0, 8)
        limit = 2000
        values = {
            "acc_shift": acc_shift,
            "alpha": self.rng.randint(-900, 900),
            "beta": 1 << 9,
            "shift": 10,
            "lo": -127,
            "hi": 127,
        }
        constants = [values] * count
        if records:
            constants = [self._mean_record(values) for _ in range(count)]
            values = values | dict.fromkeys(("alpha", "beta", "shift"), 0)
        sums = {n: self.rng.randint(-limit << acc_shift, limit << acc_shift) for n in range(count)}
        self._add(isa.Op.MEAN, layer=layer, count=count, records=records, **values)
        self.sums.append(sums)
        self.a = [scalar(x, **each) for x, each in zip(sums.values(), constants, strict=True)]
        self.taps += [(layer, TAP_KINDS["mean"], n, value) for n, value in enumerate(self.a)]

    def _mean_record(self, values: dict[str, int]) -> dict[str, int]:
        """A channel's own constants, kept as a record."""
        own = {
            "alpha": self.rng.randint(-900, 900),
            "beta": self.rng.randint(0, 1 << 12),
            "shift": 11,
        }
        record = random_record(self.rng, 1, None) | {f"scalar_{k}": v for k, v in own.items()}
        self.records.append(bit_fields.pack(isa.CONSTANT_FIELDS, record))
        return values | own

    def fc(self, layer: int, outputs: int, dest: isa.FcDest, *, hidden: bool) -> None:
        config, rng = self.config, self.rng
        inputs = self.b if hidden else self.a
        width, cols, depth = config.fc_inputs, config.cols, config.mac_depth
        steps = math.ceil(len(inputs) / width)
        groups = math.ceil(outputs / cols)
        wide = layer & 1
        weights = [[rng.randint(-128, 127) for _ in range(groups * cols)] for _ in inputs]
        for group in range(groups):
            for step in range(steps):
                word = [0] * config.mac_word_bytes
                for row in range(config.rows):
                    for m in range(depth):
                        k = (step * config.rows + row) * depth + m
                        for j in range(cols):
                            if k < len(inputs):
                                word[(row * cols + j) * depth + m] = weights[k][group * cols + j]
                self.ring_words.append((word, 1 + wide))
        acc_shift = 6
        lo, hi = {0: (0, 15), 1: (0, 32768), 2: (-(2**23), 2**23 - 1)}[dest]
        self._add(
            isa.Op.FC, layer=layer, hidden=hidden, inputs=len(inputs), steps=steps, outputs=outputs,
            acc_shift=acc_shift, lo=lo, hi=hi, dest=dest, wide=wide,
        )  # fmt: skip
        limit = (len(inputs) * 128 * 128 >> acc_shift) + 1
        results = []
        for o in range(outputs):
            record = random_record(rng, limit, dest)
            self.records.append(bit_fields.pack(isa.CONSTANT_FIELDS, record))
            total = sum(x * weights[k][o] for k, x in enumerate(inputs))
            value = scalar(
                total,
                acc_shift,
                record["scalar_alpha"],
                record["scalar_beta"],
                record["scalar_shift"],
                lo,
                hi,
            )
            results.append(value)
            self.taps.append((layer, TAP_KINDS[dest], o, value))
            if dest is isa.FcDest.SCALE:
                self._constants(o, record, value)
            if dest is isa.FcDest.LOGITS:
                self.words.append((isa.Record.LOGIT | o << 8 | (value & 0xFFFFFFFF) << 32, 1))
        if dest is isa.FcDest.HIDDEN:
            self.b = results
        if dest is isa.FcDest.SCALE:
            self.tokens += groups
        if dest is isa.FcDest.LOGITS:
            self.logits += results
        useful = outputs * len(inputs)
        counters = [None, None, steps * groups, useful, steps * groups * config.mac_lanes - useful]
        self.words.append((isa.Record.SCALAR | layer << 8 | wide << 24, 0))
        self.words += [(value, int(n == 4)) for n, value in enumerate(counters)]

    def affine(self, layer: int, count: int) -> None:
        self._add(isa.Op.AFFINE, layer=layer, count=count)
        for o in range(count):
            record = random_record(self.rng, 1, None)
            self.records.append(bit_fields.pack(isa.CONSTANT_FIELDS, record))
            self._constants(o, record, numerics.SE_ONE)
        self.tokens += math.ceil(count / self.config.cols)

    def end(self, byte_counts: list[int]) -> None:
        self._add(isa.Op.END, layer=0)
        signature = numerics.logits_signature(np.array(self.logits))
        self.words.append((isa.Record.END | signature << 32, 0))
        counters = [None, *byte_counts]
        self.words += [(value, int(n == len(byte_counts))) for n, value in enumerate(counters)]

    def _constants(self, channel: int, record: dict[str, int], s: int) -> None:
        arrays = {name: np.int64(value) for name, value in record.items()}
        constants: Any = SimpleNamespace(**arrays)
        scale: Any = np.int64(s)
        pair = numerics.affine_pair(constants, scale)
        self.constants.append(
            {"channel": channel, **{name: record[name] for name in VECTOR_FIELDS}}
            | {"p": int(pair.p), "n": int(pair.n), "q": int(pair.q)}
        )
