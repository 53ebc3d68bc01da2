"""Benches of a layer's counters and of the order of records in the result stream."""

from __future__ import annotations

import random
from typing import Any

from hwflow import isa
from rtl_gen.records import LayerRecords, ResultArbiter
from sim.benches.unit import UnitBench, small_config

EVENTS = isa.LAYER_COUNTERS[2:14]


def layer_records(stall: float) -> UnitBench:
    """Layers back to back, even one cycle long; each waits for `ready` and none is lost."""
    rng = random.Random(4)
    dut: Any = LayerRecords(small_config())
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

    def check() -> None:
        assert [data for data, _ in words] == expected
        assert [last for _, last in words] == [0, *[0] * (len(isa.LAYER_COUNTERS) - 1), 1] * 12

    return UnitBench(dut, [bench], [sink], check)


def result_arbiter(seed: int = 9) -> UnitBench:
    """Two sources with gaps, a sink that stalls: no record is interrupted, no offered word changes.

    Now and then both are held back for an error record.
    """
    rng = random.Random(seed)
    dut: Any = ResultArbiter()
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

    async def errors(ctx: Any) -> None:
        for n in range(5):
            await ctx.tick().repeat(rng.randrange(20, 60))
            ctx.set(dut.hold, 1)
            await ctx.tick().repeat(rng.randrange(1, 4))
            ctx.set(dut.error.payload, 2 << 32 | n)
            ctx.set(dut.error.valid, 1)
            await ctx.tick().until(dut.error.ready)
            ctx.set(dut.error.valid, 0)
            before = len(seen)
            await ctx.tick().repeat(20)
            assert len(seen) - before <= 1, "a word passed while both were held back"
            ctx.set(dut.hold, 0)

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

    def check() -> None:
        for which, name in enumerate(sent):
            assert [word for word in seen if word >> 32 == which] == [
                data for data, _ in sent[name]
            ]
        assert [word for word in seen if word >> 32 == 2] == [2 << 32 | n for n in range(5)]
        inside = 0
        for word in seen:
            if word >> 32 == 0:
                inside = (inside + 1) % 16
            else:
                assert inside == 0, "a record was interrupted"

    return UnitBench(dut, [first, second, errors], [sink], check)
