"""Counters of a layer, the order of records, and the constant ring."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import pytest

from hwflow import isa, timing
from rtl_gen.constant_ring import ConstantRing
from rtl_gen.records import LayerRecords, ResultArbiter
from tests.rtl_gen.control_bench import simulate, small_config

EVENTS = isa.LAYER_COUNTERS[2:13]


@pytest.mark.parametrize("stall", [0.0, 0.9])
def test_layer_records(stall: float) -> None:
    """Layers back to back, even one cycle long; each waits for `ready` and none is lost."""
    rng = random.Random(4)
    dut = LayerRecords(small_config())
    expected: list[int] = []
    words: list[tuple[int, int]] = []

    async def bench(ctx: Any) -> None:
        now = 100
        for layer in range(12):
            while not ctx.get(dut.ready):
                await ctx.tick()
                now += 1
            length = rng.choice([1, 2, 30])
            totals = dict.fromkeys(EVENTS, 0)
            final = {"saturated_t": rng.getrandbits(32), "saturated_y": rng.getrandbits(32)}
            signature = rng.getrandbits(32)
            ctx.set(dut.layer, layer)
            for n in range(length):
                events = {name: rng.getrandbits(len(dut.events[name])) for name in EVENTS}
                ctx.set(dut.events, events)
                ctx.set(dut.cycle, now + n)
                ctx.set(dut.layer_start, n == 0)
                ctx.set(dut.layer_done, n == length - 1)
                if n == length - 1:
                    ctx.set(dut.layer_signature, signature)
                    for name, value in final.items():
                        ctx.set(getattr(dut, name), value)
                totals = {name: totals[name] + events[name] for name in EVENTS}
                await ctx.tick()
            ctx.set(dut.layer_start, 0)
            ctx.set(dut.layer_done, 0)
            values = {"start": now, "end": now + length - 1, **totals, **final}
            expected.append(isa.Record.LAYER | layer << 8 | signature << 32)
            expected.extend(values[name] for name in isa.LAYER_COUNTERS)
            now += length
        await ctx.tick().until(dut.idle)

    async def sink(ctx: Any) -> None:
        while True:
            ctx.set(dut.words.ready, rng.random() >= stall)
            _, _, word, valid, ready = await ctx.tick().sample(
                dut.words.payload, dut.words.valid, dut.words.ready
            )
            if valid and ready:
                words.append((word.data, word.last))

    simulate(dut, bench, background=[sink])
    assert [data for data, _ in words] == expected
    assert [last for _, last in words] == [0, *[0] * 14, 1] * 12


def test_arbiter_never_interrupts_a_record() -> None:
    rng = random.Random(9)
    dut = ResultArbiter()
    sent = {
        name: [(which << 32 | n << 8, n % length == length - 1) for n in range(20 * length)]
        for which, (name, length) in enumerate((("first", 16), ("second", 1)))
    }
    seen: list[int] = []

    async def source(ctx: Any, name: str) -> None:
        port = getattr(dut, name)
        for data, last in sent[name]:
            while rng.random() < 0.4:
                await ctx.tick()
            ctx.set(port.payload, {"data": data, "last": last})
            ctx.set(port.valid, 1)
            await ctx.tick().until(port.ready)
            ctx.set(port.valid, 0)

    async def first(ctx: Any) -> None:
        await source(ctx, "first")

    async def second(ctx: Any) -> None:
        await source(ctx, "second")

    async def sink(ctx: Any) -> None:
        offered = None
        while True:
            ctx.set(dut.result.ready, rng.random() < 0.5)
            _, _, word, valid, ready = await ctx.tick().sample(
                dut.result.payload, dut.result.valid, dut.result.ready
            )
            assert offered is None or (valid and word == offered), "an offered word changed"
            offered = word if valid and not ready else None
            if valid and ready:
                seen.append(word)

    simulate(dut, first, second, background=[sink])
    for which, name in enumerate(sent):
        assert [word for word in seen if word >> 32 == which] == [data for data, _ in sent[name]]
    inside = 0
    for word in seen:
        if word >> 32 == 0:
            inside = (inside + 1) % 16
        else:
            assert inside == 0, "a record was interrupted"


@pytest.mark.parametrize("memory_bytes", [8, 16, 32])
def test_constant_ring(memory_bytes: int) -> None:
    config = small_config(memory_bytes=memory_bytes, constant_words=17)
    rng = random.Random(memory_bytes)
    dut = ConstantRing(config)
    records = [rng.getrandbits(256) for _ in range(120)]
    mask = (1 << 216) - 1
    waiting: deque[int] = deque()
    taken: list[int] = []

    async def writer(ctx: Any) -> None:
        for record in records:
            waiting.extend(
                record >> n * config.beat_bits & (1 << config.beat_bits) - 1
                for n in range(config.constant_beats)
            )
        while waiting:
            write = ctx.get(dut.free) > 0 and rng.random() < 0.8
            ctx.set(dut.write.valid, write)
            if write:
                ctx.set(dut.write.data, waiting.popleft())
            await ctx.tick()
        ctx.set(dut.write.valid, 0)

    async def reader(ctx: Any) -> None:
        while len(taken) < len(records):
            take = ctx.get(dut.level) > 0 and rng.random() < (0.2 if len(taken) < 60 else 0.9)
            ctx.set(dut.take, take)
            if take:
                taken.append(ctx.get(dut.record).as_bits())
            await ctx.tick()
        ctx.set(dut.take, 0)
        await ctx.tick()
        assert ctx.get(dut.free) == 17 * config.constant_beats

    simulate(dut, writer, reader)
    assert taken == [record & mask for record in records]


def test_constant_ring_latency() -> None:
    config = small_config(memory_bytes=32)
    dut = ConstantRing(config)

    async def bench(ctx: Any) -> None:
        ctx.set(dut.write, {"valid": 1, "data": 77})
        await ctx.tick()
        ctx.set(dut.write.valid, 0)
        for cycle in range(1, timing.constant_ring_latency() + 1):
            assert ctx.get(dut.level) == (cycle == timing.constant_ring_latency())
            if ctx.get(dut.level):
                assert ctx.get(dut.record).as_bits() == 77
            await ctx.tick()

    simulate(dut, bench)
