"""Bench of what carries requests out: the engine, byte by byte, with a real memory."""

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
    TALLY_FIELDS,
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
from rtl_gen.bindings.block_ram import BlockRam
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
                "bytes": Out(stream.Signature(8)),  # pyright: ignore[reportArgumentType]  inferred from the widths
                "start": Out(1),
                "schedule_address": Out(32),
                "busy": In(1),
                "done": In(1),
                "error": In(1),
                "results": In(stream.Signature(64)),  # pyright: ignore[reportArgumentType]  as above
                "reset": Out(1),
                "marker": Out(1),
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
        for name in ("start", "schedule_address", "reset", "marker"):
            m.d.comb += getattr(self, name).eq(getattr(engine, name))
        return m


class _Host:
    """Sends requests and collects answers, without any patience of its own."""

    def __init__(self, dut: Any, rng: random.Random) -> None:
        self._dut, self._rng = dut, rng
        self._reader = FrameReader()
        self._answers: list[Frame | None] = []
        self.starts: list[int] = []
        self.started: list[int] = []  # cycles of starts, of dones, and with a marker
        self.ended: list[int] = []
        self.marked = 0
        self.to_serve = 0
        self.sequence = rng.randrange(1 << 16)

    async def listen(self, ctx: Any) -> None:
        dut = self._dut
        now = 0
        while True:
            ready = self._rng.random() < 0.7
            ctx.set(dut.bytes.ready, ready)
            _, _, valid, byte, start, schedule, done, marker = await ctx.tick().sample(
                dut.bytes.valid,
                dut.bytes.payload,
                dut.start,
                dut.schedule_address,
                dut.done,
                dut.marker,
            )
            now += 1
            self.marked += marker
            if done:
                self.ended.append(now)
            if valid and ready:
                self._answers += self._reader.feed(bytes([byte]))
            if start:
                self.starts.append(schedule)
                self.started.append(now)
                self.to_serve += 1

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
        wrong = host.frame(
            Kind.RUN, run=5, schedule=7, address=40, beats=3, crc=crc ^ 1, keep=keep, runs=1
        )
        assert (await host.send(ctx, wrong))[0] is Status.MISMATCH
        assert host.starts == []
        run = host.frame(
            Kind.RUN, run=6, schedule=77, address=40, beats=3, crc=crc, keep=keep, runs=1
        )
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

    async def frame(ctx: Any, signatures: tuple[int, ...], *, error: bool = False) -> None:
        """Waits for a start, then is the accelerator for a frame."""
        while not host.to_serve:
            await ctx.tick()
        host.to_serve -= 1
        ctx.set(dut.busy, 1)
        words = [signature << 32 | isa.Record.LAYER for signature in signatures[:-1]]
        if error:
            words.append(isa.Record.ERROR)
        else:
            words += [5 << 32 | isa.Record.LOGIT, signatures[-1] << 32 | isa.Record.END]
            words += [rng.getrandbits(64) for _ in isa.END_COUNTERS]
        for word in words:
            await ctx.tick().repeat(rng.randrange(1, 4))
            ctx.set(dut.results.payload, word)
            ctx.set(dut.results.valid, 1)
            await ctx.tick()
            ctx.set(dut.results.valid, 0)
            if word & 0xFF == isa.Record.LAYER:
                for _ in isa.LAYER_COUNTERS:
                    ctx.set(dut.results.payload, rng.getrandbits(64))
                    ctx.set(dut.results.valid, 1)
                    await ctx.tick()
                ctx.set(dut.results.valid, 0)
        ctx.set(dut.done, 1)
        ctx.set(dut.error, error)
        await ctx.tick()
        ctx.set(dut.done, 0)
        ctx.set(dut.error, 0)
        await ctx.tick().repeat(rng.randrange(1, 8))
        ctx.set(dut.busy, 0)

    async def repetition(ctx: Any) -> None:
        image, keep = beats(3), int(Keep.LAYERS)
        fields = {"schedule": 77, "address": 40, "beats": 3, "crc": zlib.crc32(image), "keep": keep}
        assert (await host.ask(ctx, Kind.WRITE, image, address=40))[0] is Status.OK
        assert (await host.ask(ctx, Kind.RUN, b"", run=9, runs=0, **fields))[0] is Status.RANGE

        async def run(runs: int) -> int:
            number = rng.getrandbits(32)
            for each in (host.starts, host.started, host.ended):
                each.clear()
            host.marked = host.to_serve = 0
            status, state, _ = await host.ask(ctx, Kind.RUN, b"", run=number, runs=runs, **fields)
            assert status is Status.OK
            assert state["words"] == 0, "those of an earlier run are not this one's"
            return number

        async def tally(number: int) -> tuple[Flag, int, int, int]:
            status, state, data = await host.ask(ctx, Kind.TALLY, run=number)
            assert status is Status.OK
            found = unpack(TALLY_FIELDS, data)
            return Flag(state["flags"]), state["words"], found["tally"], found["cycles"]

        # Equal runs: all started, the last one's records kept, the cycles those of all with the pauses between them.
        signatures = (0xFFFFFFFF, 7, 0x80000000)
        number = await run(4)
        for _ in range(3):
            await frame(ctx, signatures)
        assert (await host.ask(ctx, Kind.TALLY, run=number))[0] is Status.NO_RESULTS
        await frame(ctx, signatures)
        assert host.starts == [77] * 4
        flags, words, runs, total = await tally(number)
        assert (flags, words, runs) == (Flag.DONE, 2 + 1 + 1 + len(isa.END_COUNTERS), 4)
        assert total == host.ended[-1] - host.started[0] == host.marked
        assert (await host.ask(ctx, Kind.TALLY, run=number ^ 1))[0] is Status.NO_RESULTS
        # A single run is one of its own.
        number = await run(1)
        await frame(ctx, signatures)
        assert (await tally(number))[2:] == (1, host.ended[0] - host.started[0])
        # A run that differs ends the repetition.
        number = await run(9)
        for order in (signatures, signatures, (*signatures[:-1], 0x80000001)):
            await frame(ctx, order)
        flags, _, runs, _ = await tally(number)
        assert (flags, runs) == (Flag.DONE | Flag.DIFFERENT, 3)
        # So does an error, and a reset.
        number = await run(9)
        await frame(ctx, signatures)
        await frame(ctx, signatures, error=True)
        flags, _, runs, _ = await tally(number)
        assert (flags, runs) == (Flag.DONE | Flag.ERROR, 1)
        number = await run(9)
        await frame(ctx, signatures)
        assert (await host.ask(ctx, Kind.RESET))[0] is Status.OK
        started = len(host.starts)
        await ctx.tick().repeat(100)
        assert len(host.starts) == started
        assert (await host.ask(ctx, Kind.TALLY, run=number))[0] is Status.NO_RESULTS

    async def faults(ctx: Any) -> None:
        ctx.set(dut.deaf, 1)
        assert (await host.ask(ctx, Kind.READ, address=0, beats=1))[0] is Status.MEMORY
        ctx.set(dut.deaf, 0)
        assert (await host.ask(ctx, Kind.READ, address=0, beats=1))[0] is Status.OK
        status, state, _ = await host.ask(ctx, Kind.RESET)
        assert (status, state["flags"], state["words"]) == (Status.OK, 0, 0)

    async def bench(ctx: Any) -> None:
        for part in (session, memory, damaged, runs, repetition, faults):
            await part(ctx)

    return UnitBench(dut, [bench], [host.listen])
