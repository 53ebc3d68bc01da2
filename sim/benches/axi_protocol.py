"""The AXI top's registers, and what becomes of errors and resets: tests/sim/test_axi_protocol.py.

$AXI_PROGRAM is a JSON file that describes the program whose frame the tests run.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiResp

from hwflow import isa
from hwflow.registers import REGISTERS as MAP
from hwflow.registers import WORD_BYTES, Access
from hwflow.timing import MEMORY_PATIENCE
from sim.bench_tools import number
from sim.benches.axi import REGISTERS, AxiBench, field

RESULT_SIZE = 1 << 13


class Frame:
    """The program of the tests, loaded at a base, with a result buffer of its own for every run."""

    def __init__(self, bench: AxiBench) -> None:
        settings = json.loads(Path(os.environ["AXI_PROGRAM"]).read_text())
        self.bench = bench
        self.base: int = settings["memory_base"]
        self.beat: int = settings["beat_bytes"]
        self.schedule: int = settings["schedule"]
        self.limit: int = settings["limit"]
        self.spill: int = settings["spill_address"]
        self.buffer = self.base + 0x100_0000
        self.memory = Path(settings["memory"]).read_bytes()
        self.expected: list[int] = settings["expected"]
        bench.memory.bytes.write(self.base, self.memory)

    async def begin(self, size: int = RESULT_SIZE) -> None:
        """Set the addresses and start."""
        self.buffer += 2 * RESULT_SIZE
        await self.bench.set_addresses(
            schedule=self.schedule, memory=self.base, results=self.buffer, result_bytes=size
        )
        await self.bench.begin()

    async def results(self) -> bytes:
        """What is in the buffer."""
        return self.bench.memory.bytes.read(self.buffer, await self.bench.read("RESULT_BYTES"))

    async def good(self) -> None:
        """A frame from start to idle, with the integer network's results."""
        await self.begin()
        await self.bench.interrupted(self.limit)
        found = await self.results()
        assert not await self.bench.read("STATUS") & ~(
            field("STATUS", "busy") | field("STATUS", "done")
        )
        await self.bench.idle()
        assert headers(found) == self.expected

    async def aborted(self) -> None:
        """Reset by CONTROL, until the memory has answered everything."""
        await self.bench.write("CONTROL", field("CONTROL", "reset"))
        await self.bench.idle()
        assert await self.bench.read("DMA") == 0


def headers(results: bytes) -> list[int]:
    """Signatures of the layers, logits and their signature, as words of the result stream, sorted."""
    words = [int.from_bytes(results[n : n + 8], "little") for n in range(0, len(results), 8)]
    counters = {
        isa.Record.LAYER: len(isa.LAYER_COUNTERS),
        isa.Record.SCALAR: len(isa.SCALAR_COUNTERS),
        isa.Record.END: len(isa.END_COUNTERS),
    }
    kept: list[int] = []
    at = 0
    while at < len(words):
        kind = isa.Record(words[at] & 0xFF)
        if kind is not isa.Record.SCALAR:
            kept.append(words[at])
        at += 1 + counters.get(kind, 0)
    return sorted(kept)


@cocotb.test()
async def values_after_reset(dut: Any) -> None:
    """Every register of the table reads its reset value; all between them are answered with SLVERR."""
    bench = AxiBench(dut, stall=0.3)
    await bench.reset()
    known = {offset for register in MAP for offset in register.offsets}
    for register in MAP:
        if register.reset is not None:
            for index in range(register.count):
                assert await bench.read(register.name, index) == register.reset, register.name
    hashes = json.loads(Path(os.environ["AXI_PROGRAM"]).read_text())["hashes"]
    for name, digest in hashes.items():
        words = [await bench.read(name, index) for index in range(REGISTERS[name].count)]
        assert "".join(f"{word:08x}" for word in words) == digest
    rng = random.Random(1)
    holes = [offset for offset in range(0, 4096, WORD_BYTES) if offset not in known]
    for offset in [*holes[:6], *rng.sample(holes, 30), 4092]:
        read = await bench.host.read(offset, 4)
        assert (read.resp, read.data) == (AxiResp.SLVERR, bytes(4)), hex(offset)
        write = await bench.host.write(offset, b"\xff" * 4)
        assert write.resp == AxiResp.SLVERR, hex(offset)
    assert await bench.read("STATUS") == 0


@cocotb.test()
async def narrow_and_unaligned(dut: Any) -> None:
    """Accesses of 1 to 11 bytes at any address change the bytes they name and nothing else."""
    bench = AxiBench(dut, stall=0.3, seed=2)
    await bench.reset()
    rng = random.Random(2)
    writable = [r for r in MAP if r.fields[0].access is Access.WRITE]
    mirror = bytearray(4096)
    mask = bytearray(4096)
    for register in writable:
        bits = sum(((1 << f.bits) - 1) << f.low for f in register.fields)
        mask[register.offset : register.offset + 4] = bits.to_bytes(4, "little")
    first, end = REGISTERS["MEMORY_BASE_LOW"].offset, REGISTERS["RESULT_BYTES"].offset
    for _ in range(150):
        size = rng.randint(1, 11)
        at = rng.randrange(first, end - size)
        data = rng.randbytes(size)
        answer = await bench.host.write(at, data)
        assert answer.resp == AxiResp.OKAY
        for place, value in enumerate(data, at):
            mirror[place] = value & mask[place]
        size = rng.randint(1, 11)
        at = rng.randrange(first, end - size)
        assert (await bench.host.read(at, size)).data == bytes(mirror[at : at + size])
    enable = REGISTERS["IRQ_ENABLE"].offset
    await bench.host.write(enable + 1, b"\xff\xff\xff")
    assert await bench.read("IRQ_ENABLE") == 0
    await bench.host.write(enable, b"\xff")
    assert await bench.read("IRQ_ENABLE") == 3
    for register in MAP:
        if register.fields[0].access is Access.READ:
            before = await bench.read(register.name)
            await bench.write(register.name, ~before & 0xFFFF_FFFF)
            assert await bench.read(register.name) == before, register.name


@cocotb.test()
async def channels_are_independent(dut: Any) -> None:
    """Data may come long before the address or after it; an answer waits for its reader; reads go on meanwhile."""
    bench = AxiBench(dut)
    await bench.reset()
    host = bench.host.write_if
    for early, late in (
        (host.aw_channel, host.w_channel),
        (host.w_channel, host.aw_channel),
    ):
        late.pause = True
        host.b_channel.pause = True
        written = bench.host.init_write(REGISTERS["RESULT_SIZE"].offset, b"\x40\x30\x20\x10")
        await ClockCycles(dut.aclk, 20)
        assert early.empty() and not number(dut.s_axi_bvalid)
        assert await bench.read("RESULT_SIZE") == 0
        late.pause = False
        await ClockCycles(dut.aclk, 20)
        assert number(dut.s_axi_bvalid) and not written.is_set()
        assert await bench.read("RESULT_SIZE") == 0x10203040
        host.b_channel.pause = False
        await written.wait()
        await bench.write("RESULT_SIZE", 0)


@cocotb.test()
async def read_errors(dut: Any) -> None:
    """A read that is answered with an error ends the frame with an ERROR record; the next frame is right."""
    bench = AxiBench(dut, stall=0.2, seed=3)
    await bench.reset()
    frame = Frame(bench)
    beats = len(frame.memory) // frame.beat
    failed = 0
    for beat in (frame.schedule, frame.schedule + 2, beats // 3):
        address = frame.base + beat * frame.beat
        bench.memory.bad_reads = range(address, address + 1)
        await frame.begin()
        await bench.interrupted(frame.limit)
        words = await frame.results()
        record = int.from_bytes(words[-8:], "little")
        assert record & 0xFF == isa.Record.ERROR
        assert (record >> 24 & 15, record >> 32) == (isa.Fault.RESPONSE, beat)
        for name in ("done", "error", "read_error"):
            assert await bench.status(name), name
        await bench.idle()
        bench.memory.bad_reads = range(0)
        failed += 1
        assert await bench.read("FRAMES_FAILED") == failed
        assert await bench.read("IRQ_STATUS") == 3
        await frame.good()
    assert await bench.read("FRAMES") == failed


@cocotb.test()
async def result_buffer(dut: Any) -> None:
    """One that is too small, or cannot be written, is reported; nothing goes beyond its end."""
    bench = AxiBench(dut)
    await bench.reset()
    frame = Frame(bench)
    await frame.good()
    whole = await bench.read("RESULT_BYTES")
    for size in (0, 5 * frame.beat + frame.beat // 2):
        await frame.begin(size)
        await bench.interrupted(frame.limit)
        assert await bench.status("result_overflow")
        room = size // frame.beat * frame.beat
        assert await bench.read("RESULT_BYTES") == room < whole
        assert not any(bench.memory.bytes.read(frame.buffer + room, whole))
        assert await bench.read("IRQ_STATUS") == 3
        await bench.idle()
        await frame.good()
    bench.memory.bad_writes = range(frame.buffer + 2 * RESULT_SIZE, frame.buffer + 3 * RESULT_SIZE)
    await frame.begin()
    await bench.interrupted(frame.limit)
    assert await bench.status("result_error")
    assert await bench.read("IRQ_STATUS") == 3
    await bench.idle()
    await bench.write("CONTROL", field("CONTROL", "clear"))
    assert await bench.read("STATUS") == 0
    await frame.good()
    assert await bench.read("FRAMES_FAILED") == 3


@cocotb.test()
async def start_while_busy(dut: Any) -> None:
    """It is ignored and noted; addresses written meanwhile are the next frame's."""
    bench = AxiBench(dut)
    await bench.reset()
    frame = Frame(bench)
    await frame.begin()
    await bench.write("CONTROL", field("CONTROL", "start"))
    await bench.write("MEMORY_BASE_LOW", 0xDEAD_0000)
    await bench.write("RESULT_BASE_HIGH", 1)
    await bench.write("SCHEDULE_ADDRESS", 77)
    await bench.interrupted(frame.limit)
    assert await bench.status("start_ignored")
    assert headers(await frame.results()) == frame.expected
    await bench.write("IRQ_STATUS", field("IRQ_STATUS", "done"))
    await ClockCycles(dut.aclk, 3)
    assert not number(dut.irq)
    await bench.idle()
    await frame.good()
    assert not await bench.status("start_ignored")


@cocotb.test()
async def resets_in_mid_frame(dut: Any) -> None:
    """By CONTROL and by `aresetn`, at random moments of frames behind a stalling memory: the next frame is right."""
    bench = AxiBench(dut, stall=0.3, seed=4)
    await bench.reset()
    frame = Frame(bench)
    await frame.good()
    length = await bench.read("CYCLES_LOW")
    rng = random.Random(4)
    for turn in range(8):
        await frame.begin()
        await ClockCycles(dut.aclk, rng.choice((1, 2, 5, rng.randrange(length))))
        if turn == 3:
            await bench.reset()
        else:
            await frame.aborted()
        assert await bench.read("STATUS") == 0
        assert not number(dut.irq) or await bench.read("IRQ_STATUS")
        if turn % 2:
            await frame.good()
    assert bench.watch.outstanding == 0


@cocotb.test()
async def reset_while_the_memory_sleeps(dut: Any) -> None:
    """CONTROL.reset waits for what the memory owes, and what then comes is not the next frame's."""
    bench = AxiBench(dut)
    await bench.reset()
    frame = Frame(bench)
    await frame.begin()
    await ClockCycles(dut.aclk, 60)
    bench.slave.read_if.r_channel.pause = True
    await ClockCycles(dut.aclk, 60)
    owed = await bench.read("DMA") & field("DMA", "reads")
    assert owed > 16
    await bench.write("CONTROL", field("CONTROL", "reset"))
    await ClockCycles(dut.aclk, 100)
    assert await bench.status("resetting")
    await bench.write("CONTROL", field("CONTROL", "start"))
    assert await bench.status("start_ignored")
    bench.slave.read_if.r_channel.pause = False
    await bench.idle()
    await frame.good()


@cocotb.test()
async def write_errors(dut: Any) -> None:
    """Activations that cannot be written end the frame; it takes the patience of the memory guard, and no reset."""
    bench = AxiBench(dut)
    await bench.reset()
    frame = Frame(bench)
    await frame.good()
    address = frame.base + frame.spill * frame.beat
    bench.memory.bad_writes = range(address, address + 5 * frame.beat)
    await frame.begin()
    while not await bench.status("write_error"):
        await RisingEdge(dut.aclk)
    assert await bench.read("IRQ_STATUS") == field("IRQ_STATUS", "error")
    assert await bench.status("busy")
    await bench.interrupted(2 * MEMORY_PATIENCE)
    record = int.from_bytes((await frame.results())[-8:], "little")
    assert record & 0xFF == isa.Record.ERROR
    assert (record >> 24 & 15, record >> 28 & 15) == (isa.Fault.SILENCE, isa.Ring.LONG)
    bench.memory.bad_writes = range(0)
    await bench.idle()
    await frame.good()
    bench.memory.bad_writes = range(address, address + 5 * frame.beat)
    await frame.begin()
    while not await bench.status("write_error"):
        await RisingEdge(dut.aclk)
    bench.memory.bad_writes = range(0)
    await frame.aborted()
    await frame.good()
