"""Random requests and writes at the SDRAM binding, against a dictionary (top: sdram_memory.sv).

Environment: HWFLOW_BYTES, bytes of a beat; HWFLOW_OPEN, HWFLOW_CLOSED, latencies that the timing promises; HWFLOW_STREAM,
least share of the bus that a long read gets; HWFLOW_INTERVAL, cycles between refreshes; HWFLOW_SEED.
"""

from __future__ import annotations

import os
import random
from collections import deque
from collections.abc import Coroutine
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly
from cocotb.utils import get_sim_time

from sim.bench_tools import PERIOD_NS, cycles, number, start

BYTES = int(os.environ["HWFLOW_BYTES"])
SEED = int(os.environ.get("HWFLOW_SEED", "1"))
BEATS = (32 << 20) // BYTES
"""Beats of the chip."""
ROW = 1024 // BYTES
"""Beats of a row."""
PATIENCE = 40_000


def cycle_now() -> int:
    """Number of the clock cycle."""
    return int(get_sim_time("ns")) // PERIOD_NS


class Port:
    """Drives the ports of the binding and keeps what must come.

    content: address -> beat, as of the last write acknowledged; due: what the outstanding reads may bring, in order,
    nothing known being None: a write may overtake a read, but no read a write that was acknowledged before.
    """

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.content: dict[int, int] = {}
        self.unacknowledged: deque[tuple[int, int]] = deque()
        self.due: deque[tuple[int, set[int] | None]] = deque()
        self.offered: list[tuple[int, set[int] | None]] = []
        self.arrivals: list[int] = []
        self.accepted: list[int] = []

    async def watch(self) -> None:
        """Check every beat that is read, and take acknowledgements."""
        dut = self.dut
        while True:
            await FallingEdge(dut.clk)
            await ReadOnly()
            assert not int(dut.violated.value), "the chip complains; see the log"
            if number(dut.beat_valid):
                assert self.due, "a beat that nobody asked for"
                address, wanted = self.due.popleft()
                beat = number(dut.beat)
                error = beat >> 8 * BYTES
                assert error == (address >= BEATS), f"error {error} at beat {address}"
                if wanted is not None:
                    got = beat & (1 << 8 * BYTES) - 1
                    assert got in wanted, f"beat {address}: {got:#x}, expected one of {wanted}"
                self.arrivals.append(cycle_now())
            if number(dut.written):
                assert self.unacknowledged, "an acknowledgement of nothing"
                address, value = self.unacknowledged.popleft()
                self.content[address] = value

    async def request(self, address: int, beats: int) -> None:
        """One read. It brings what is acknowledged when it is offered, or what was written since."""
        dut = self.dut
        dut.request.value = address | beats << 32
        dut.request_valid.value = 1
        wanted = [(n, self._now(n)) for n in range(address, address + beats)]
        self.offered = wanted
        while True:
            await ReadOnly()
            ready = number(dut.request_ready)
            if ready:
                self.due.extend(wanted)
                self.offered = []
                self.accepted.append(cycle_now())
            await FallingEdge(dut.clk)
            if ready:
                break
        dut.request_valid.value = 0

    def _now(self, address: int) -> set[int] | None:
        """What a read of a beat may bring, as things stand."""
        if address not in self.content:
            return None
        pending = {value for each, value in self.unacknowledged if each == address}
        return {self.content[address], *pending}

    async def store(self, address: int, value: int) -> None:
        """One beat to write."""
        dut = self.dut
        dut.write.value = address | value << 32
        dut.write_valid.value = 1
        while True:
            await ReadOnly()
            ready = number(dut.write_ready)
            if ready and address < BEATS:
                self.unacknowledged.append((address, value))
                for each, values in (*self.due, *self.offered):
                    if each == address and values is not None:
                        values.add(value)
            await FallingEdge(dut.clk)
            if ready:
                break
        dut.write_valid.value = 0

    async def quiet(self) -> None:
        """Until nothing is outstanding."""
        for _ in range(PATIENCE):
            if not self.due and not self.unacknowledged:
                return
            await FallingEdge(self.dut.clk)
        raise TimeoutError("reads or writes without an answer")


async def begin(dut: Any) -> Port:
    """Reset; returns at a falling edge, while the chip starts up."""
    for name in ("request_valid", "write_valid"):
        getattr(dut, name).value = 0
    await start(dut)
    port = Port(dut)
    cocotb.start_soon(port.watch())
    return port


def value(rng: random.Random) -> int:
    """A beat."""
    return rng.getrandbits(8 * BYTES)


async def both(*parts: Coroutine[Any, Any, None]) -> None:
    """Run together, and wait for all."""
    tasks = [cocotb.start_soon(part) for part in parts]
    for task in tasks:
        await task


@cocotb.test()
async def random_traffic(dut: Any) -> None:
    """Reads and writes at once with random gaps, in few rows of every bank, so that rows change and are hit again."""
    rng = random.Random(SEED)
    port = await begin(dut)
    places = [row * ROW * 4 + bank * ROW + rng.choice([0, ROW - 40, ROW // 2])
              for row in (0, 1, 4095, 8190) for bank in range(4)]  # fmt: skip
    for place in places:
        for n in range(40):
            await port.store(place + n, value(rng))
    await port.quiet()

    async def reads(gap: float, count: int) -> None:
        for _ in range(count):
            await port.request(rng.choice(places) + rng.randrange(24), rng.randint(1, 16))
            while rng.random() < gap:
                await FallingEdge(dut.clk)

    async def writes(gap: float, count: int) -> None:
        for _ in range(count):
            await port.store(rng.choice(places) + rng.randrange(40), value(rng))
            while rng.random() < gap:
                await FallingEdge(dut.clk)

    for read_gap, write_gap in ((0.0, 0.9), (0.9, 0.0), (0.97, 0.97), (0.0, 0.0)):
        await both(reads(read_gap, 150), writes(write_gap, 400))
        await port.quiet()
    for place in places:
        for n in range(0, 40, 8):
            await port.request(place + n, 8)
    await port.quiet()


@cocotb.test()
async def refresh_at_every_step(dut: Any) -> None:
    """A read and a write begin at every distance from a refresh."""
    rng = random.Random(SEED + 1)
    port = await begin(dut)
    await port.store(5, value(rng))
    await port.quiet()
    interval = int(os.environ["HWFLOW_INTERVAL"])
    for n in range(64):
        await cycles(dut, interval - 40 + n - 20)
        await both(port.request(5 + rng.randrange(9) * ROW, 2), port.store(5, value(rng)))
        await port.quiet()
        await port.request(5, 1)
        await port.quiet()


@cocotb.test()
async def latency_and_bandwidth(dut: Any) -> None:
    """A lone read takes as long as the timing says; a long one gets its share of the bus."""
    rng = random.Random(SEED + 2)
    port = await begin(dut)
    for n in range(4):
        await port.store(n, value(rng))
    await port.quiet()
    seen: set[int] = set()
    for _ in range(int(os.environ["HWFLOW_INTERVAL"]) // 60 + 2):
        await cycles(dut, 60)
        await port.request(0, 1)
        await port.quiet()
        seen.add(port.arrivals[-1] - port.accepted[-1])
    wanted = {int(os.environ["HWFLOW_OPEN"]), int(os.environ["HWFLOW_CLOSED"])}
    dut._log.info(f"latencies {sorted(seen)}")
    assert min(seen) == min(wanted)
    assert wanted <= seen, f"latencies {sorted(seen)}, expected {sorted(wanted)}"
    port.arrivals.clear()
    count = 600
    for n in range(count):
        await port.request(ROW - 5 + 16 * n, 16)
    await port.quiet()
    took = port.arrivals[-1] - port.arrivals[0]
    share = (16 * count - 1) * BYTES / 2 / took
    dut._log.info(f"share of the bus {share:.4f}")
    assert share >= float(os.environ["HWFLOW_STREAM"]), f"a stream gets {share:.4f} of the bus"


@cocotb.test()
async def beyond_the_end(dut: Any) -> None:
    """Reads beyond the memory come with an error; writes there change nothing and are not acknowledged."""
    rng = random.Random(SEED + 3)
    port = await begin(dut)
    for n in range(4):
        await port.store(n, value(rng))
        await port.store(BEATS - 1 - n, value(rng))
    await port.quiet()
    await port.store(BEATS, value(rng))
    await port.store(BEATS + 1, value(rng))
    await cycles(dut, 200)
    await port.request(BEATS - 4, 8)
    await port.request(0, 4)
    await port.store(3, value(rng))
    await port.quiet()
    await port.request(3, 1)
    await port.quiet()
