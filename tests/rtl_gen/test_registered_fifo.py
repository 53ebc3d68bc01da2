"""Queues with registered flags behave, cycle by cycle, as Amaranth's of the same depth."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib.fifo import SyncFIFO, SyncFIFOBuffered
from amaranth.sim import Simulator

from rtl_gen.registered_fifo import BufferedRegisteredFIFO, RegisteredFIFO

PAIRS = {RegisteredFIFO: SyncFIFO, BufferedRegisteredFIFO: SyncFIFOBuffered}


@pytest.mark.parametrize(
    ("kind", "depth"),
    [(RegisteredFIFO, 2), *((kind, depth) for kind in PAIRS for depth in (3, 4, 16))],
)
def test_equal_to_the_library(
    kind: type[RegisteredFIFO] | type[BufferedRegisteredFIFO], depth: int
) -> None:
    m = Module()
    ours: Any = kind(width=8, depth=depth)
    model = PAIRS[kind](width=8, depth=depth)
    m.submodules += ours, model
    rng = random.Random(depth)
    seen = {"full": 0, "empty": 0}

    async def bench(ctx: Any) -> None:
        writes = reads = 0.5
        for cycle in range(1000):
            if cycle % 50 == 0:
                writes, reads = rng.choice([(0.2, 1.0), (1.0, 0.2), (1.0, 1.0), (0.6, 0.6)])
            word, write, read = rng.getrandbits(8), rng.random() < writes, rng.random() < reads
            for queue in (ours, model):
                ctx.set(queue.w_data, word)
                ctx.set(queue.w_en, write)
                ctx.set(queue.r_en, read)
            _, _, w_rdy, r_rdy, r_data, *expected = await ctx.tick().sample(
                ours.w_rdy, ours.r_rdy, ours.r_data, model.w_rdy, model.r_rdy, model.r_data
            )
            assert [w_rdy, r_rdy] == expected[:2], f"flags differ in cycle {cycle}"
            assert not r_rdy or r_data == expected[2], f"data differ in cycle {cycle}"
            seen["full"] += not w_rdy
            seen["empty"] += not r_rdy

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert min(seen.values()) > 10
