"""The scalar engine: random programs against the arithmetic of hwflow.numerics, with random gaps everywhere."""

from __future__ import annotations

import itertools
import math
import random
from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hwflow import isa, numerics, timing
from hwflow.config import AcceleratorConfig
from rtl_gen.scalar_engine import VECTOR_FIELDS, ScalarEngine
from tests.rtl_gen.control_bench import simulate, small_config

MATVEC_LATENCY = 7
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
    return int(
        numerics.scalar(np.int64(x), SimpleNamespace(acc_shift=acc_shift, lo=lo, hi=hi, **arrays))
    )


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
    ring_words: list[list[int]] = field(default_factory=list)
    taps: list[tuple[int, ...]] = field(default_factory=list)
    constants: list[dict[str, int]] = field(default_factory=list)
    words: list[Any] = field(default_factory=list)  # result words; None where a cycle number stands
    tokens: int = 0
    logits: list[int] = field(default_factory=list)

    def _add(self, op: isa.Op, **values: int) -> None:
        encoded = isa.encode({"op": op, **values})
        self.instructions.append(int.from_bytes(encoded, "little"))

    def mean(self, layer: int, count: int) -> None:
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
        sums = {n: self.rng.randint(-limit << acc_shift, limit << acc_shift) for n in range(count)}
        self._add(isa.Op.MEAN, layer=layer, count=count, **values)
        self.sums.append(sums)
        self.a = [scalar(x, **values) for x in sums.values()]
        self.taps += [(layer, TAP_KINDS["mean"], n, value) for n, value in enumerate(self.a)]

    def fc(self, layer: int, outputs: int, dest: isa.FcDest, *, hidden: bool) -> None:
        config, rng = self.config, self.rng
        inputs = self.b if hidden else self.a
        width, cols, depth = config.fc_inputs, config.cols, config.mac_depth
        steps = math.ceil(len(inputs) / width)
        groups = math.ceil(outputs / cols)
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
                self.ring_words.append(word)
        acc_shift = 6
        lo, hi = {0: (0, 15), 1: (0, 32768), 2: (-(2**23), 2**23 - 1)}[dest]
        self._add(
            isa.Op.FC, layer=layer, hidden=hidden, inputs=len(inputs), steps=steps, outputs=outputs,
            acc_shift=acc_shift, lo=lo, hi=hi, dest=dest, wide=layer & 1,
        )  # fmt: skip
        limit = (len(inputs) * 128 * 128 >> acc_shift) + 1
        results = []
        for o in range(outputs):
            record = random_record(rng, limit, dest)
            self.records.append(isa.pack(isa.CONSTANT_FIELDS, record))
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
        self.words.append((isa.Record.SCALAR | layer << 8 | (layer & 1) << 24, 0))
        self.words += [(value, int(n == 4)) for n, value in enumerate(counters)]

    def affine(self, layer: int, count: int) -> None:
        self._add(isa.Op.AFFINE, layer=layer, count=count)
        for o in range(count):
            record = random_record(self.rng, 1, None)
            self.records.append(isa.pack(isa.CONSTANT_FIELDS, record))
            self._constants(o, record, numerics.SE_ONE)
        self.tokens += math.ceil(count / self.config.cols)

    def end(self, byte_counts: list[int]) -> None:
        self._add(isa.Op.END, layer=0)
        signature = numerics.logits_signature(np.array(self.logits))
        self.words.append((isa.Record.END | signature << 32, 0))
        counters = [None, *byte_counts]
        self.words += [(value, int(n == 5)) for n, value in enumerate(counters)]

    def _constants(self, channel: int, record: dict[str, int], s: int) -> None:
        arrays = {name: np.int64(value) for name, value in record.items()}
        pair = numerics.affine_pair(SimpleNamespace(**arrays), np.int64(s))
        self.constants.append(
            {"channel": channel, **{name: record[name] for name in VECTOR_FIELDS}}
            | {"p": int(pair.p), "n": int(pair.n), "q": int(pair.q)}
        )


class Bench:
    """Surroundings of the engine."""

    def __init__(self, config: AcceleratorConfig, model: Model, pace: float) -> None:
        self.config, self.model, self.pace, self.rng = config, model, pace, model.rng
        self.dut = ScalarEngine(config)
        self.taps: list[tuple[int, ...]] = []
        self.constants: list[dict[str, int]] = []
        self.words: list[tuple[int, int]] = []
        self.tokens = 0
        self.tap_cycles: list[int] = []

    def chance(self) -> bool:
        return self.rng.random() < self.pace

    async def instructions(self, ctx: Any) -> None:
        port = self.dut.instruction
        mask = (1 << len(port.payload)) - 1
        for word in self.model.instructions:
            while not self.chance():
                await ctx.tick()
            ctx.set(port.payload, word & mask)
            ctx.set(port.valid, 1)
            await ctx.tick().until(port.ready)
            ctx.set(port.valid, 0)
        await ctx.tick().until(self.dut.frame_done)

    async def sums(self, ctx: Any) -> None:
        """A MEAN's sums appear group by group, a token with each; those of the next MEAN after it."""
        dut, cols = self.dut, self.config.cols
        await ctx.tick().repeat(2)  # a token during `restart` would be lost
        for number, sums in enumerate(self.model.sums):
            while sum(1 for tap in self.taps if tap[1] == 0) < sum(
                map(len, self.model.sums[:number])
            ):
                await self._sums_cycle(ctx, {})
            shown: dict[int, int] = {}
            for first in range(0, len(sums), cols):
                while not self.chance():
                    await self._sums_cycle(ctx, shown)
                shown |= {n: sums[n] for n in range(first, min(first + cols, len(sums)))}
                ctx.set(dut.sum_token, 1)
                await self._sums_cycle(ctx, shown)
                ctx.set(dut.sum_token, 0)
            done = sum(map(len, self.model.sums[: number + 1]))
            while sum(1 for tap in self.taps if tap[1] == 0) < done:
                await self._sums_cycle(ctx, shown)

    async def _sums_cycle(self, ctx: Any, shown: dict[int, int]) -> None:
        _, _, address = await ctx.tick().sample(self.dut.sums_address)
        ctx.set(self.dut.sums_data, shown.get(address, -123456))

    async def records(self, ctx: Any) -> None:
        dut, waiting, level = self.dut, deque(self.model.records), 0
        while True:
            if level < self.config.constant_words and level < len(waiting) and self.chance():
                level += 1
            ctx.set(dut.record_level, level)
            ctx.set(dut.record, {} if not level else _fields(waiting[0]))
            _, _, take = await ctx.tick().sample(dut.record_take)
            if take:
                assert level
                waiting.popleft()
                level -= 1

    async def matvec(self, ctx: Any) -> None:
        """The MAC array and its ring; a release shows after the longest allowed time."""
        dut, config = self.dut, self.config
        waiting, level = deque(self.model.ring_words), 0
        releases: deque[int] = deque([0] * (timing.matvec_release_latency() - 1))
        results: deque[list[int] | None] = deque([None] * MATVEC_LATENCY)
        sums = [0] * config.cols
        seen_level = 0
        while True:
            if level < config.mac_words and level < len(waiting) and self.chance():
                level += 1
                seen_level += 1
            ctx.set(dut.matvec_level, seen_level)
            result = results.popleft()
            ctx.set(dut.matvec_result, {"valid": result is not None, "sums": result or []})
            _, _, step = await ctx.tick().sample(dut.matvec)
            released, finished = 0, None
            if step.valid:
                assert step.word < level, "a word that is not there"
                word = waiting[step.word]
                sums = [0] * config.cols if step.first else sums
                for i in range(config.rows):
                    for j in range(config.cols):
                        for m in range(config.mac_depth):
                            operand = step.operands[i * config.mac_depth + m]
                            weight = word[(i * config.cols + j) * config.mac_depth + m]
                            sums[j] += operand * weight
                if step.last:
                    finished = list(sums)
                if step.release:
                    released = step.word + 1
                    for _ in range(released):
                        waiting.popleft()
                    level -= released
            results.append(finished)
            releases.append(released)
            seen_level -= releases.popleft()

    async def watch(self, ctx: Any) -> None:
        dut = self.dut
        now = 0
        while True:
            ctx.set(dut.cycle, now)
            available = ctx.get(dut.scale_available)
            take = available and self.chance()
            self.tokens += take
            ctx.set(dut.scale_take, take)
            _, _, tap, constants = await ctx.tick().sample(dut.tap_scalar, dut.constants_write)
            if tap.valid:
                self.taps.append((tap.layer, tap.kind, tap.index, tap.value))
                self.tap_cycles.append(now)
            if constants.valid:
                names = self.model.constants[0] if self.model.constants else {}
                self.constants.append({name: constants[name] for name in names})
            now += 1

    async def results(self, ctx: Any) -> None:
        port = self.dut.result
        while True:
            ctx.set(port.ready, self.chance())
            _, _, payload, valid, ready = await ctx.tick().sample(
                port.payload, port.valid, port.ready
            )
            if valid and ready:
                self.words.append((payload.data, payload.last))

    def run(self, byte_counts: list[int]) -> None:
        async def main(ctx: Any) -> None:
            ctx.set(self.dut.byte_counts, dict(zip(isa.END_COUNTERS[1:], byte_counts, strict=True)))
            ctx.set(self.dut.quiet, 1)
            ctx.set(self.dut.restart, 1)
            await ctx.tick()
            ctx.set(self.dut.restart, 0)
            await self.instructions(ctx)

        background = [self.sums, self.records, self.matvec, self.watch, self.results]
        simulate(self.dut, main, background=background)

    def check(self) -> None:
        assert self.taps == self.model.taps
        assert self.constants == self.model.constants
        assert self.tokens == self.model.tokens
        assert len(self.words) == len(self.model.words)
        for seen, expected in zip(self.words, self.model.words, strict=True):
            assert seen == expected or (expected[0] is None and seen[1] == expected[1])


def _fields(word: int) -> dict[str, int]:
    return isa.unpack(isa.CONSTANT_FIELDS, word)


@pytest.mark.parametrize("pace", [1.0, 0.6, 0.15])
@pytest.mark.parametrize("mac_depth", [1, 2])
def test_random_programs(pace: float, mac_depth: int) -> None:
    config = small_config(mac_depth=mac_depth, memory_bytes=8)
    model = Model(config, random.Random(int(pace * 100) + mac_depth))
    model.affine(0, 11)
    model.mean(1, 5)
    model.affine(1, 8)
    for layer, (channels, hidden, outputs) in enumerate(
        [(19, 5, 17), (8, 8, 8), (1, 1, 3)], start=2
    ):
        model.mean(layer, channels)
        model.fc(layer, hidden, isa.FcDest.HIDDEN, hidden=False)
        model.fc(layer, outputs, isa.FcDest.SCALE, hidden=True)
    model.mean(9, 40)
    model.fc(9, 42, isa.FcDest.LOGITS, hidden=False)
    byte_counts = [1, 22, 333, 4444, 55555]
    model.end(byte_counts)
    bench = Bench(config, model, pace)
    bench.run(byte_counts)
    bench.check()


def test_rate_is_one_output_a_cycle() -> None:
    """With everything there, an FC's outputs of consecutive groups leave without a gap."""
    config = small_config(cols=16, constant_words=64)
    model = Model(config, random.Random(1))
    model.mean(1, 6)
    model.fc(1, 48, isa.FcDest.LOGITS, hidden=False)
    model.end([0] * 5)
    bench = Bench(config, model, 1.0)
    bench.run([0] * 5)
    bench.check()
    logits = bench.tap_cycles[6:]
    assert [b - a for a, b in itertools.pairwise(logits)] == [1] * 47
