"""Benches of the AXI master's reader and writer against a memory of Python, in both simulators."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

from rtl_gen.axi.reader import Reader
from rtl_gen.axi.writer import Client, Writer
from sim.benches.unit import UnitBench, small_config

PAGE = 4096
MASK = (1 << 64) - 1


async def nothing_owed(ctx: Any, dut: Any) -> None:
    """Wait for the first cycle in which the memory owes nothing."""
    owed = 1
    while owed:
        _, _, owed = await ctx.tick().sample(dut.owed)


def reader(memory_bytes: int, base: int, seed: int = 1) -> UnitBench:
    """Random requests: their beats come in order, in bursts that stay within pages, with the errors they had.

    Half way `drop` is set until nothing is owed: none of that is handed on.
    """
    rng = random.Random(seed)
    dut: Any = Reader(small_config(memory_bytes=memory_bytes))
    due: deque[int] = deque()  # addresses of beats to answer
    expected: list[tuple[int, bool]] = []
    got: list[tuple[int, bool]] = []
    bursts: list[tuple[int, int]] = []
    asked: list[int] = []

    def bad(address: int) -> bool:
        return address // memory_bytes % 13 == 5

    async def memory(ctx: Any) -> None:
        while True:
            ctx.set(dut.ar.ready, rng.random() < 0.5)
            answering = bool(due) and rng.random() < 0.6
            ctx.set(dut.r.valid, answering)
            if answering:
                address = due[0]
                response = 2 if bad(address) else 0
                ctx.set(dut.r.payload, {"data": address & 0xFFFF_FFFF, "response": response})
            _, _, valid, ready, burst, r_ready = await ctx.tick().sample(
                dut.ar.valid, dut.ar.ready, dut.ar.payload, dut.r.ready
            )
            if answering:
                assert r_ready
                due.popleft()
            if valid and ready:
                beats = burst.length + 1
                bursts.append((burst.address, beats))
                due.extend((burst.address + n * memory_bytes) & MASK for n in range(beats))

    async def taker(ctx: Any) -> None:
        async for _, _, valid, payload in ctx.tick().sample(
            dut.read.data.valid, dut.read.data.payload
        ):
            if valid:
                got.append((payload.data, bool(payload.error)))

    async def ask(ctx: Any, count: int) -> None:
        for _ in range(count):
            address, beats = rng.randrange(1 << 20), rng.randint(1, 16)
            if rng.random() < 0.5:
                page = address * memory_bytes // PAGE * PAGE + (-base) % PAGE
                address = max(0, page // memory_bytes - rng.randint(0, 16))
            ctx.set(dut.read.request.payload, {"address": address, "beats": beats})
            ctx.set(dut.read.request.valid, 1)
            await ctx.tick().until(dut.read.request.ready)
            ctx.set(dut.read.request.valid, 0)
            places = [(base + (address + n) * memory_bytes) & MASK for n in range(beats)]
            asked.extend(places)
            expected.extend((place & 0xFFFF_FFFF, bad(place)) for place in places)
            while rng.random() < 0.3:
                await ctx.tick()

    async def settle(ctx: Any) -> None:
        await ctx.tick()
        await nothing_owed(ctx, dut)
        await ctx.tick().repeat(3)

    async def bench(ctx: Any) -> None:
        ctx.set(dut.base, base)
        await ask(ctx, 60)
        await settle(ctx)
        kept = len(expected)
        ctx.set(dut.drop, 1)
        await ask(ctx, 6)
        await settle(ctx)
        ctx.set(dut.drop, 0)
        del expected[kept:]
        await ask(ctx, 10)
        await settle(ctx)

    def check() -> None:
        assert got == expected
        assert any(error for _, error in got)
        sent = [(at + n * memory_bytes) & MASK for at, beats in bursts for n in range(beats)]
        assert sent == asked
        for address, beats in bursts:
            assert address % PAGE + beats * memory_bytes <= PAGE
        assert any(address % PAGE == 0 for address, _ in bursts)

    return UnitBench(dut, [bench], [memory, taker], check)


def writer(memory_bytes: int, seed: int = 1, *, errors: bool = False) -> UnitBench:
    """Runs of beats of both clients: all arrive, in bursts within pages, and are acknowledged when answered.

    With `errors` some bursts are answered with one: activations among them are acknowledged only once `lenient` is
    set.
    """
    rng = random.Random(seed)
    dut: Any = Writer(small_config(memory_bytes=memory_bytes))
    sent: list[tuple[int, int, int]] = []
    written: list[tuple[int, int, int]] = []
    bursts: deque[tuple[int, int]] = deque()
    unanswered: deque[int] = deque()
    lengths: list[int] = []
    count = {"failed": 0, "withheld": 0, "w": 0, Client.ACTIVATIONS: 0, Client.RESULTS: 0}
    owners: deque[int] = deque()
    everything = (1 << memory_bytes) - 1

    async def memory(ctx: Any) -> None:
        words: deque[Any] = deque()
        while True:
            ctx.set(dut.aw.ready, rng.random() < 0.5)
            ctx.set(dut.w.ready, rng.random() < 0.7)
            answering = bool(unanswered) and rng.random() < 0.3
            bad = answering and errors and rng.random() < 0.2
            ctx.set(dut.b.valid, answering)
            ctx.set(dut.b.payload, 2 if bad else 0)
            _, _, aw, aw_ready, burst, w, w_ready, word, b_ready = await ctx.tick().sample(
                dut.aw.valid,
                dut.aw.ready,
                dut.aw.payload,
                dut.w.valid,
                dut.w.ready,
                dut.w.payload,
                dut.b.ready,
            )
            if answering:
                assert b_ready
                beats = unanswered.popleft()
                owner = {owners.popleft() for _ in range(beats)}
                assert len(owner) == 1, "a burst of two clients"
                if bad:
                    count["failed"] += 1
                    count["withheld"] += beats if owner == {Client.ACTIVATIONS} else 0
            if aw and aw_ready:
                beats = burst.length + 1
                assert beats <= 16 and burst.address % PAGE + beats * memory_bytes <= PAGE
                bursts.append((burst.address, beats))
                lengths.append(beats)
            if w and w_ready:
                words.append(word)
            while bursts and len(words) >= bursts[0][1]:
                address, beats = bursts.popleft()
                for n in range(beats):
                    item = words.popleft()
                    assert item.last == (n == beats - 1)
                    written.append((address + n * memory_bytes, item.data, item.strobe))
                unanswered.append(beats)

    async def acknowledged(ctx: Any) -> None:
        async for _, _, pulses in ctx.tick().sample(dut.written):
            for client in Client:
                count[client] += pulses >> client & 1

    async def bench(ctx: Any) -> None:
        for _ in range(25):
            client = rng.choice(list(Client))
            address = (rng.randrange(1 << 30) * memory_bytes) | rng.choice((0, 1 << 40))
            if rng.random() < 0.5:
                address = (address // PAGE + 1) * PAGE - rng.randint(1, 6) * memory_bytes
            for n in range(rng.choice((1, 2, 16, 17, 40))):
                strobe = everything if client is Client.ACTIVATIONS else rng.randint(1, everything)
                item = (address + n * memory_bytes, rng.getrandbits(32), strobe)
                sent.append(item)
                owners.append(client)
                names = ("address", "data", "strobe")
                payload = {**dict(zip(names, item, strict=True)), "client": client}
                ctx.set(dut.beats.payload, payload)
                ctx.set(dut.beats.valid, 1)
                await ctx.tick().until(dut.beats.ready)
                ctx.set(dut.beats.valid, 0)
                while rng.random() < 0.1:
                    await ctx.tick()
        await ctx.tick()
        await nothing_owed(ctx, dut)
        await ctx.tick().repeat(200)
        total = count[Client.ACTIVATIONS] + count[Client.RESULTS]
        assert total == len(sent) - count["withheld"]
        ctx.set(dut.lenient, 1)
        await ctx.tick().repeat(200)

    def check() -> None:
        assert written == sent
        assert count[Client.ACTIVATIONS] + count[Client.RESULTS] == len(sent)
        assert (count["withheld"] > 0) == errors
        assert max(lengths) == 16
        assert len(lengths) < len(sent) / 3

    return UnitBench(dut, [bench], [memory, acknowledged], check)
