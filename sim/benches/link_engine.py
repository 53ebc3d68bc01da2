"""Benches of what carries requests out: the engine, byte by byte, with a real memory; and the memory alone."""

from __future__ import annotations

import random
import zlib
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwflow import isa
from hwflow.host.protocol import (
    ANSWER,
    CAPABILITIES,
    HELLO_BYTES,
    HELLO_FIELDS,
    REQUESTS,
    STATE,
    VERSION,
    WORD_BYTES,
    Flag,
    Frame,
    FrameReader,
    Keep,
    Kind,
    Status,
    pack,
    unpack,
)
from rtl_gen.bindings.block_ram import LATENCY, BlockRam, bank_depths
from rtl_gen.link.engine import CommandEngine
from rtl_gen.link.parameters import LinkConfig
from sim.benches.unit import UnitBench, small_config

BEATS = 600
"""More than one bank, and not all of the last one."""
PATIENCE = 60
LINK = LinkConfig(divisor=8, clock_hz=1_000_000, memory_beats=BEATS, buffer_words=64)


class EngineOnRam(wiring.Component):
    """The engine and block RAM; `deaf`: the memory takes no request, as a broken one does."""

    def __init__(self, memory_bytes: int) -> None:
        self.config = small_config(memory_bytes=memory_bytes, mac_depth=4)
        self._engine = CommandEngine(self.config, LINK, patience=PATIENCE)
        super().__init__(
            {
                "valid": In(1),
                "byte": In(8),
                "bytes": Out(stream.Signature(8)),  # pyright: ignore[reportArgumentType]
                "start": Out(1),
                "schedule_address": Out(32),
                "busy": In(1),
                "done": In(1),
                "error": In(1),
                "results": In(stream.Signature(64)),  # pyright: ignore[reportArgumentType]
                "reset": Out(1),
                "deaf": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        m.submodules.engine = engine = self._engine
        m.submodules.memory = block_ram = BlockRam(self.config, BEATS)
        memory = block_ram.port
        wiring.connect(m, engine.bytes, wiring.flipped(self.bytes))
        wiring.connect(m, wiring.flipped(self.results), engine.results)
        wiring.connect(m, engine.write, memory.write)
        request = memory.read.request
        m.d.comb += [
            request.payload.eq(engine.memory.request.payload),
            request.valid.eq(engine.memory.request.valid & ~self.deaf),
            engine.memory.request.ready.eq(request.ready & ~self.deaf),
            engine.memory.data.payload.eq(memory.read.data.payload),
            engine.memory.data.valid.eq(memory.read.data.valid),
            engine.written.eq(memory.written),
        ]
        for name in ("valid", "byte", "busy", "done", "error"):
            m.d.comb += getattr(engine, name).eq(getattr(self, name))
        for name in ("start", "schedule_address", "reset"):
            m.d.comb += getattr(self, name).eq(getattr(engine, name))
        return m


class _Host:
    """Sends requests and collects answers, without any patience of its own."""

    def __init__(self, dut: Any, rng: random.Random) -> None:
        self._dut, self._rng = dut, rng
        self._reader = FrameReader()
        self._answers: list[Frame | None] = []
        self.starts: list[int] = []
        self.sequence = rng.randrange(1 << 16)

    async def listen(self, ctx: Any) -> None:
        dut = self._dut
        while True:
            ready = self._rng.random() < 0.7
            ctx.set(dut.bytes.ready, ready)
            _, _, valid, byte, start, schedule = await ctx.tick().sample(
                dut.bytes.valid, dut.bytes.payload, dut.start, dut.schedule_address
            )
            if valid and ready:
                self._answers += self._reader.feed(bytes([byte]))
            if start:
                self.starts.append(schedule)

    async def raw(self, ctx: Any, data: bytes) -> Frame:
        """Bytes to the engine; the next answer."""
        dut = self._dut
        for byte in data:
            ctx.set(dut.byte, byte)
            ctx.set(dut.valid, 1)
            await ctx.tick()
            ctx.set(dut.valid, 0)
            await ctx.tick().repeat(self._rng.randrange(2, 5))
        for _ in range(8000):
            if self._answers:
                break
            await ctx.tick()
        await ctx.tick().repeat(4)
        (answer,) = self._answers
        self._answers.clear()
        assert answer is not None, "a damaged answer"
        return answer

    def frame(self, kind: Kind, data: bytes = b"", **values: int) -> Frame:
        self.sequence = (self.sequence + 1) % (1 << 16)
        return Frame(kind, self.sequence, pack(REQUESTS[kind], values) + data)

    async def send(self, ctx: Any, frame: Frame) -> tuple[Status, dict[str, int], bytes]:
        answer = await self.raw(ctx, frame.encode())
        assert (answer.kind, answer.sequence) == (frame.kind | ANSWER, frame.sequence)
        state = unpack(STATE, answer.payload)
        return Status(state["status"]), state, answer.payload[8:]

    async def ask(
        self, ctx: Any, kind: Kind, data: bytes = b"", **values: int
    ) -> tuple[Status, dict[str, int], bytes]:
        return await self.send(ctx, self.frame(kind, data, **values))


def command_engine(memory_bytes: int = 8, seed: int = 1) -> UnitBench:
    """Every request, its refusals, and its repetition."""
    rng = random.Random(seed)
    dut: Any = EngineOnRam(memory_bytes)
    host = _Host(dut, rng)

    def beats(count: int) -> bytes:
        return rng.randbytes(count * memory_bytes)

    async def session(ctx: Any) -> None:
        status, _, _ = await host.ask(ctx, Kind.STATUS)
        assert status is Status.SESSION
        nonce = rng.getrandbits(32)
        status, state, data = await host.ask(ctx, Kind.HELLO, nonce=nonce)
        assert (status, len(data)) == (Status.OK, HELLO_BYTES)
        greeting = unpack(HELLO_FIELDS, data)
        assert greeting == {"nonce": nonce, "protocol": VERSION, "isa": isa.VERSION}
        numbers = unpack(CAPABILITIES, data[8:])
        assert numbers["memory_bytes"] == BEATS * memory_bytes
        assert numbers["data_bytes"] == LINK.data_bytes
        assert state["flags"] == 0

    async def memory(ctx: Any) -> None:
        # Over the border of two banks.
        old, new = beats(4), beats(4)
        first = host.frame(Kind.WRITE, old, address=510)
        assert (await host.send(ctx, first))[0] is Status.OK
        assert (await host.ask(ctx, Kind.READ, address=510, beats=4))[2] == old
        assert (await host.ask(ctx, Kind.WRITE, new, address=510))[0] is Status.OK
        # An old request comes again, as it was or altered: refused, and not carried out.
        assert (await host.send(ctx, first))[0] is Status.SEQUENCE
        altered = Frame(Kind.WRITE, host.sequence, first.payload)
        assert (await host.send(ctx, altered))[0] is Status.SEQUENCE
        assert (await host.ask(ctx, Kind.READ, address=510, beats=4))[2] == new
        check = host.frame(Kind.CHECK, address=510, beats=4)
        for _ in range(2):
            status, _, data = await host.send(ctx, check)
            assert (status, int.from_bytes(data[:4], "little")) == (Status.OK, zlib.crc32(new))
        for kind, count, address in (
            (Kind.READ, 2, BEATS - 1),
            (Kind.CHECK, 1, BEATS),
            (Kind.CHECK, (1 << 32) - 1, 2),
            (Kind.READ, LINK.data_bytes // memory_bytes + 1, 0),
        ):
            assert (await host.ask(ctx, kind, address=address, beats=count))[0] is Status.RANGE
        assert (await host.ask(ctx, Kind.WRITE, old, address=BEATS - 3))[0] is Status.RANGE
        assert (await host.ask(ctx, Kind.WRITE, old[1:], address=0))[0] is Status.REQUEST
        unknown = Frame(99, (host.sequence + 1) % (1 << 16), b"")
        assert unpack(STATE, (await host.raw(ctx, unknown.encode())).payload)["status"] == (
            Status.REQUEST
        )

    async def damaged(ctx: Any) -> None:
        frame = host.frame(Kind.STATUS).encode()
        harmed = frame[:-1] + bytes([frame[-1] ^ 1])
        answer = await host.raw(ctx, b"\x7e\x01" + harmed)
        assert (answer.kind, answer.sequence) == (ANSWER, 0)
        assert unpack(STATE, answer.payload)["status"] == Status.DAMAGED

    async def runs(ctx: Any) -> None:
        image = beats(3)
        crc = zlib.crc32(image)
        assert (await host.ask(ctx, Kind.WRITE, image, address=40))[0] is Status.OK
        keep = int(Keep.LAYERS)
        wrong = host.frame(Kind.RUN, run=5, schedule=7, address=40, beats=3, crc=crc ^ 1, keep=keep)
        assert (await host.send(ctx, wrong))[0] is Status.MISMATCH
        assert host.starts == []
        run = host.frame(Kind.RUN, run=6, schedule=77, address=40, beats=3, crc=crc, keep=keep)
        assert (await host.send(ctx, run))[0] is Status.OK
        ctx.set(dut.busy, 1)
        assert (await host.send(ctx, run))[0] is Status.OK
        assert host.starts == [77], "a repeated RUN starts nothing"
        status, state, _ = await host.ask(ctx, Kind.WRITE, beats(1), address=0)
        assert (status, state["flags"]) == (Status.BUSY, Flag.BUSY)
        assert (await host.ask(ctx, Kind.CHECK, address=0, beats=1))[0] is Status.BUSY
        assert (await host.ask(ctx, Kind.RESULTS, run=6, first=0, count=1))[0] is Status.NO_RESULTS
        words = [rng.getrandbits(56) << 8 | isa.Record.LOGIT for _ in range(5)]
        for word in words:
            ctx.set(dut.results.payload, word)
            ctx.set(dut.results.valid, 1)
            await ctx.tick()
        ctx.set(dut.results.valid, 0)
        ctx.set(dut.done, 1)
        await ctx.tick()
        ctx.set(dut.done, 0)
        ctx.set(dut.busy, 0)
        for _ in range(2):
            status, state, data = await host.ask(ctx, Kind.RESULTS, run=6, first=1, count=4)
            assert (status, state["words"], state["run"]) == (Status.OK, 5, 6)
            assert data == b"".join(word.to_bytes(WORD_BYTES, "little") for word in words[1:])
        assert (await host.ask(ctx, Kind.RESULTS, run=6, first=2, count=4))[0] is Status.RANGE
        assert (await host.ask(ctx, Kind.RESULTS, run=5, first=0, count=1))[0] is Status.NO_RESULTS
        # Data of a WRITE takes the place of the results.
        assert (await host.ask(ctx, Kind.WRITE, image, address=40))[0] is Status.OK
        assert (await host.ask(ctx, Kind.RESULTS, run=6, first=0, count=1))[0] is Status.NO_RESULTS

    async def faults(ctx: Any) -> None:
        ctx.set(dut.deaf, 1)
        assert (await host.ask(ctx, Kind.READ, address=0, beats=1))[0] is Status.MEMORY
        ctx.set(dut.deaf, 0)
        assert (await host.ask(ctx, Kind.READ, address=0, beats=1))[0] is Status.OK
        status, state, _ = await host.ask(ctx, Kind.RESET)
        assert (status, state["flags"], state["words"]) == (Status.OK, 0, 0)

    async def bench(ctx: Any) -> None:
        for part in (session, memory, damaged, runs, faults):
            await part(ctx)

    return UnitBench(dut, [bench], [host.listen])


def block_ram(beats: int, memory_bytes: int = 8, seed: int = 1) -> UnitBench:
    """Bursts and writes at random, also beyond the end; each beat as of the cycle in which it is read."""
    rng = random.Random(seed)
    dut: Any = BlockRam(small_config(memory_bytes=memory_bytes, mac_depth=4), beats)
    contents: dict[int, int] = {}
    expected: list[tuple[int | None, bool]] = []
    got: list[tuple[int, int]] = []
    acknowledged = [0]

    async def monitor(ctx: Any) -> None:
        ctx.set(dut.port.read.data.ready, 1)
        async for _, _, valid, data, written in ctx.tick().sample(
            dut.port.read.data.valid, dut.port.read.data.payload, dut.port.written
        ):
            if valid:
                got.append((data.data, data.error))
            acknowledged[0] += written

    async def bench(ctx: Any) -> None:
        edges = [0, beats - 1, *(sum(bank_depths(beats)[: i + 1]) for i in range(3))]
        stored = 0
        for _ in range(60):
            first = min(
                max(0, rng.choice([*edges, rng.randrange(beats)]) - rng.randrange(4)), beats
            )
            for address in range(first, min(first + rng.randrange(1, 6), beats)):
                word = rng.getrandbits(8 * memory_bytes)
                ctx.set(dut.port.write.payload, {"address": address, "data": word})
                ctx.set(dut.port.write.valid, 1)
                await ctx.tick().until(dut.port.write.ready)
                contents[address] = word
                stored += 1
            ctx.set(dut.port.write.valid, 0)
            for _ in range(rng.randrange(1, 3)):
                count = rng.randrange(1, 17)
                ctx.set(dut.port.read.request.payload, {"address": first, "beats": count})
                ctx.set(dut.port.read.request.valid, 1)
                await ctx.tick().until(dut.port.read.request.ready)
                expected.extend(
                    (contents.get(at), at >= beats) for at in range(first, first + count)
                )
            ctx.set(dut.port.read.request.valid, 0)
            await ctx.tick().repeat(20)
            assert acknowledged[0] == stored
        # Nobody is told that a beat outside was written.
        ctx.set(dut.port.write.payload, {"address": beats, "data": 1})
        ctx.set(dut.port.write.valid, 1)
        await ctx.tick()
        ctx.set(dut.port.write.valid, 0)
        await ctx.tick().repeat(6)
        assert acknowledged[0] == stored

    def check() -> None:
        assert len(got) == len(expected) > 300
        for (data, error), (wanted, outside) in zip(got, expected, strict=True):
            assert error == outside
            assert outside or wanted is None or data == wanted
        assert any(outside for _, outside in expected)

    return UnitBench(dut, [bench], [monitor], check)


def block_ram_rate(beats: int = 700) -> UnitBench:
    """Bursts that wait are answered without a gap, the first beat after LATENCY cycles."""
    dut: Any = BlockRam(small_config(), beats)
    arrivals: list[int] = []

    async def monitor(ctx: Any) -> None:
        now = 0
        async for _, _, valid in ctx.tick().sample(dut.port.read.data.valid):
            if valid:
                arrivals.append(now)
            now += 1

    async def bench(ctx: Any) -> None:
        for burst in range(4):
            ctx.set(dut.port.read.request.payload, {"address": 16 * burst, "beats": 16})
            ctx.set(dut.port.read.request.valid, 1)
            await ctx.tick().until(dut.port.read.request.ready)
        ctx.set(dut.port.read.request.valid, 0)
        await ctx.tick().repeat(40)

    def check() -> None:
        assert arrivals == list(range(LATENCY, LATENCY + 64))

    return UnitBench(dut, [bench], [monitor], check)
