"""A circuit with the ports of rtl_gen.logit_signature against zlib, one logit after the other."""

from __future__ import annotations

import random
import struct
import zlib
from typing import Any

import cocotb

from sim import bench_tools


@cocotb.test()
async def logit_signature(dut: Any) -> None:
    dut.restart.value = 0
    dut.valid.value = 0
    await bench_tools.start(dut)
    rng = random.Random(1)
    total = 0
    for _ in range(300):
        index, logit = rng.randrange(1000), rng.randrange(-(1 << 23), 1 << 23)
        dut.index.value = index
        dut.logit.value = logit & 0xFFFFFFFF
        dut.valid.value = 1
        await bench_tools.cycles(dut, 1)
        dut.valid.value = 0
        await bench_tools.cycles(dut, 2)
        total += zlib.crc32(struct.pack("<IiB", index, logit, 0))
        assert int(dut.total.value) == total & 0xFFFFFFFF, f"class {index}, logit {logit}"
