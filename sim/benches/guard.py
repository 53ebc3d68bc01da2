"""Bench of the memory guard: requests and beats pass unchanged, the first fault is reported with its address."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

from hwflow import isa
from rtl_gen.memory_guard import MemoryGuard
from sim.benches.unit import UnitBench, small_config

PATIENCE = 40


def silent_writes() -> UnitBench:
    """A write that nothing becomes of is reported with its layer and beat; one that moves on is not."""
    dut: Any = MemoryGuard(small_config(), patience=PATIENCE)

    async def bench(ctx: Any) -> None:
        state = {"waiting": 1, "moved": 0, "layer": 7, "address": 4321}
        for _ in range(5):
            ctx.set(dut.write, state)
            await ctx.tick().repeat(PATIENCE - 2)
            ctx.set(dut.write, {**state, "moved": 1})
            await ctx.tick()
        ctx.set(dut.write, {**state, "waiting": 0})
        await ctx.tick().repeat(3 * PATIENCE)
        assert not ctx.get(dut.failed)
        ctx.set(dut.write, state)
        await ctx.tick().repeat(PATIENCE + 2)
        assert ctx.get(dut.failed)
        record = ctx.get(dut.record)
        assert (record >> 8 & 0xFFFF, record >> 32) == (7, 4321)
        assert (record >> 24 & 15, record >> 28 & 15) == (isa.Fault.SILENCE, isa.Ring.LONG)

    return UnitBench(dut, [bench])


def memory_guard(fault: isa.Fault | None, seed: int = 1) -> UnitBench:
    """Random requests and beats; then a beat with an error, or a memory that stops; then the same again.

    A fault comes at a random beat of the second half. After it nothing new is requested, what the memory owes is
    delivered late, and `settled` says when that is over; `clear` makes the guard as new.
    """
    rng = random.Random(seed)
    config = small_config()
    dut: Any = MemoryGuard(config, patience=PATIENCE)
    owed: deque[tuple[int, dict[str, int]]] = deque()
    state = {"beat": 0, "fault_at": -1, "now": 0, "silent_until": 0}
    passed: list[int] = []
    sent: list[int] = []
    expected: list[dict[str, int]] = []

    async def requests(ctx: Any) -> None:
        while True:
            request = {"address": rng.getrandbits(31), "beats": rng.randint(1, 16)}
            purpose = {"kind": rng.choice([0, 1, 2, 3, 15]), "layer": rng.getrandbits(16)}
            while rng.random() < 0.5:
                await ctx.tick()
            ctx.set(dut.request.payload, request)
            ctx.set(dut.purpose, purpose)
            ctx.set(dut.request.valid, 1)
            while True:
                _, _, ready = await ctx.tick().sample(dut.request.ready)
                if ready:
                    break
            ctx.set(dut.request.valid, 0)
            owed.extend(
                (request["address"] + n, {**purpose, "address": request["address"] + n})
                for n in range(request["beats"])
            )

    async def memory(ctx: Any) -> None:
        offered = None
        while True:
            silent = state["now"] < state["silent_until"]
            ctx.set(dut.port.request.ready, rng.random() < 0.6 and len(owed) < 60 and not silent)
            answer = bool(owed) and rng.random() < 0.7
            if answer and fault is isa.Fault.SILENCE and state["beat"] == state["fault_at"]:
                state["silent_until"] = state["now"] + 3 * PATIENCE
                state["fault_at"] = -1
                expected.append({**owed[0][1], "fault": isa.Fault.SILENCE})
            answer = answer and state["now"] >= state["silent_until"]
            ctx.set(dut.port.data.valid, answer)
            if answer:
                address, owner = owed.popleft()
                error = fault is isa.Fault.RESPONSE and state["beat"] == state["fault_at"]
                if error:
                    expected.append({**owner, "fault": isa.Fault.RESPONSE})
                ctx.set(dut.port.data.payload, {"data": address * 3, "error": error})
                sent.append(address * 3)
                state["beat"] += 1
            _, _, valid, ready, payload, failed, data_ready = await ctx.tick().sample(
                dut.port.request.valid,
                dut.port.request.ready,
                dut.port.request.payload,
                dut.failed,
                dut.port.data.ready,
            )
            assert data_ready or not answer
            word = payload.as_bits()
            assert offered is None or (valid and word == offered), "an offered request changed"
            offered = word if valid and not ready else None
            if failed:
                assert not valid or offered is not None or ready
            state["now"] += 1

    async def loader(ctx: Any) -> None:
        ctx.set(dut.beat.ready, 1)
        async for _, _, valid, payload in ctx.tick().sample(dut.beat.valid, dut.beat.payload):
            if valid:
                passed.append(payload)

    async def bench(ctx: Any) -> None:
        for _ in range(3):
            await ctx.tick().repeat(400)
            assert not ctx.get(dut.failed)
            if fault is None:
                continue
            state["fault_at"] = state["beat"] + rng.randrange(30)
            await ctx.tick().until(dut.failed)
            record = ctx.get(dut.record)
            found = {
                "layer": record >> 8 & 0xFFFF,
                "fault": record >> 24 & 15,
                "kind": record >> 28 & 15,
                "address": record >> 32,
            }
            assert record & 0xFF == isa.Record.ERROR
            assert found == expected[-1]
            await ctx.tick().until(dut.settled)
            requested = len(owed)
            await ctx.tick().repeat(50)
            assert requested == len(owed) == 0, "a request went out after the fault"
            ctx.set(dut.clear, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)

    def check() -> None:
        assert len(passed) > 100
        assert passed == sent[: len(passed)]
        assert len(expected) == (3 if fault is not None else 0)

    return UnitBench(dut, [bench], [requests, memory, loader], check)
