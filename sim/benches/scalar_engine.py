"""Bench of the scalar engine: random programs (scalar_engine_model.py), with random gaps everywhere."""

from __future__ import annotations

import itertools
import math
import random
from collections import deque
from typing import Any

from hwflow import bit_fields, isa, timing
from hwflow.config import AcceleratorConfig
from rtl_gen.scalar_engine import ScalarEngine
from sim.benches.scalar_engine_model import Model
from sim.benches.unit import UnitBench, small_config

MATVEC_LATENCY = 7


class Bench:
    """Surroundings of the engine."""

    def __init__(
        self, config: AcceleratorConfig, model: Model, pace: float, byte_counts: list[int]
    ) -> None:
        self.byte_counts = byte_counts
        self.config, self.model, self.pace, self.rng = config, model, pace, model.rng
        self.dut: Any = ScalarEngine(config)
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
            ctx.set(dut.record_there, level > 0)
            ctx.set(dut.record, {} if not level else _fields(waiting[0]))
            _, _, take = await ctx.tick().sample(dut.record_take)
            if take:
                assert level
                waiting.popleft()
                level -= 1

    async def matvec(self, ctx: Any) -> None:
        """The MAC array and its ring; a release shows after the longest allowed time."""
        dut, config = self.dut, self.config
        waiting, loaded, level = deque(self.model.ring_words), 0, 0
        releases: deque[int] = deque([0] * (timing.matvec_release_latency() - 1))
        results: deque[list[int] | None] = deque([None] * MATVEC_LATENCY)
        sums = [0] * config.cols
        seen_level = 0
        while True:
            more = waiting[loaded][1] if loaded < len(waiting) else math.inf
            if level + more <= 2 * config.mac_words and self.chance():
                level, loaded = level + int(more), loaded + 1
                seen_level += int(more)
            ctx.set(dut.matvec_level, seen_level)
            result = results.popleft()
            ctx.set(dut.matvec_result, {"valid": result is not None, "sums": result or []})
            _, _, step = await ctx.tick().sample(dut.matvec)
            released, finished = 0, None
            if step.valid:
                assert step.word < loaded, "a word that is not there"
                word, halves = waiting[step.word]
                assert halves == (1 if step.narrow else 2)
                for i in range(config.rows):
                    for j in range(config.cols):
                        for m in range(config.mac_depth):
                            operand = step.operands[i * config.mac_depth + m]
                            weight = word[(i * config.cols + j) * config.mac_depth + m]
                            sums[j] += operand * weight
                if step.last:
                    finished, sums = sums, [0] * config.cols
                if step.release:
                    for _ in range(step.word + 1):
                        released += waiting.popleft()[1]
                    loaded -= step.word + 1
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

    def unit_bench(self) -> UnitBench:
        """The engine with all of its surroundings."""
        background = [self.sums, self.records, self.matvec, self.watch, self.results]
        return UnitBench(self.dut, [self.frame], background, self.check)

    async def frame(self, ctx: Any) -> None:
        counts = dict(zip(isa.END_COUNTERS[1:], self.byte_counts, strict=True))
        ctx.set(self.dut.byte_counts, counts)
        ctx.set(self.dut.quiet, 1)
        ctx.set(self.dut.restart, 1)
        await ctx.tick()
        ctx.set(self.dut.restart, 0)
        await self.instructions(ctx)

    def check(self) -> None:
        assert self.taps == self.model.taps
        assert self.constants == self.model.constants
        assert self.tokens == self.model.tokens
        assert len(self.words) == len(self.model.words)
        for seen, expected in zip(self.words, self.model.words, strict=True):
            assert seen == expected or (expected[0] is None and seen[1] == expected[1])


def _fields(word: int) -> dict[str, int]:
    return bit_fields.unpack(isa.CONSTANT_FIELDS, word)


def random_program(pace: float, mac_depth: int) -> UnitBench:
    """A frame of AFFINE, MEAN and FC of every kind; everything around is there with probability `pace`."""
    config = small_config(mac_depth=mac_depth, memory_bytes=8)
    model = Model(config, random.Random(int(pace * 100) + mac_depth))
    model.affine(0, 11)
    model.mean(1, 5)
    model.affine(1, 8)
    for layer, (channels, hidden, outputs) in enumerate(
        [(19, 5, 17), (8, 8, 8), (1, 1, 3)], start=2
    ):
        model.mean(layer, channels, records=layer != 3)
        model.fc(layer, hidden, isa.FcDest.HIDDEN, hidden=False)
        model.fc(layer, outputs, isa.FcDest.SCALE, hidden=True)
    model.mean(9, 40)
    model.fc(9, 42, isa.FcDest.LOGITS, hidden=False)
    byte_counts = [1, 22, 333, 4444, 55555, 666666, 7777777]
    model.end(byte_counts)
    return Bench(config, model, pace, byte_counts).unit_bench()


def full_rate() -> UnitBench:
    """With everything there, an FC's outputs of consecutive groups leave without a gap."""
    config = small_config(cols=16, constant_words=64)
    model = Model(config, random.Random(1))
    model.mean(1, 6)
    model.fc(1, 48, isa.FcDest.LOGITS, hidden=False)
    model.end([0] * (len(isa.END_COUNTERS) - 1))
    bench = Bench(config, model, 1.0, [0] * (len(isa.END_COUNTERS) - 1))

    def check() -> None:
        bench.check()
        logits = bench.tap_cycles[6:]
        assert [b - a for a, b in itertools.pairwise(logits)] == [1] * 47

    surrounded = bench.unit_bench()
    return UnitBench(surrounded.dut, surrounded.processes, surrounded.background, check)
