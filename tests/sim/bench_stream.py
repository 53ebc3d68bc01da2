"""Bench of sim.bench_tools on a two-entry stream buffer with a struct payload."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from amaranth.hdl import signed
from amaranth.lib import data

from sim import bench_tools

LAYOUT = data.StructLayout({"valid": 1, "lanes": data.ArrayLayout(signed(5), 3), "tag": 4})


@cocotb.test()
async def passes_in_order(dut: Any) -> None:
    rng = random.Random(5)
    sent = [
        {
            "valid": rng.randrange(2),
            "lanes": [rng.randrange(-16, 16) for _ in range(3)],
            "tag": rng.randrange(16),
        }
        for _ in range(200)
    ]
    monitor = bench_tools.Monitor(dut, "tap", LAYOUT)
    dut.o__ready.value = 0
    dut.i__valid.value = 0
    await bench_tools.start(dut)
    packed = [bench_tools.pack(LAYOUT, item) for item in sent]
    cocotb.start_soon(bench_tools.send(dut, "i", packed, gap=0.4, rng=random.Random(1)))
    got = await bench_tools.receive(dut, "o", len(sent), stall=0.4, rng=random.Random(2))
    assert [bench_tools.unpack(LAYOUT, word) for word in got] == sent
    assert monitor.values == [item for item in sent if item["valid"]]
    cycle = await bench_tools.wait_for(
        dut, lambda: not bench_tools.number(dut.o__valid), what="empty"
    )
    assert cycle == 0
