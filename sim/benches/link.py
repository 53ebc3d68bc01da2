"""Benches of the host link's parts: UART, frames, the choice of result words."""

from __future__ import annotations

import random
from typing import Any

from hwflow import isa
from hwflow.host.protocol import ESCAPE, SYNC, Frame, FrameReader, Keep
from rtl_gen.link.frames import FrameDecoder, FrameEncoder
from rtl_gen.link.results import ResultKeeper
from rtl_gen.link.uart import UartReceiver, UartTransmitter
from sim.benches.unit import UnitBench

LIMIT = 40
"""Most bytes of a payload in these benches."""


def uart_receiver(divisor: int, error: float = 0.0, seed: int = 1) -> UnitBench:
    """Bytes from a line whose clock is off by `error`; one without its stop bit is not received."""
    rng = random.Random(seed)
    dut: Any = UartReceiver(divisor)
    sent = [rng.randrange(256) for _ in range(60)]
    broken = {20, 41}
    got: list[int] = []

    async def line(ctx: Any) -> None:
        # Before the first drive the line may have been low, which is a start bit.
        ctx.set(dut.rx, 1)
        await ctx.tick().repeat(14 * divisor)
        got.clear()
        now, due = 0, 10.0
        for index, byte in enumerate(sent):
            bits = [0, *(byte >> i & 1 for i in range(8)), int(index not in broken)]
            for bit in bits:
                while now < due:
                    await ctx.tick()
                    now += 1
                ctx.set(dut.rx, bit)
                due += divisor * (1 + error)
            if index in broken:
                # The line must come back before the next byte.
                while now < due:
                    await ctx.tick()
                    now += 1
                ctx.set(dut.rx, 1)
                due += 2 * divisor
            due += rng.choice([0, 0, rng.randrange(3 * divisor)])
        await ctx.tick().repeat(14 * divisor)

    async def receiver(ctx: Any) -> None:
        async for _, _, valid, byte in ctx.tick().sample(dut.valid, dut.byte):
            if valid:
                got.append(byte)

    def check() -> None:
        assert got == [byte for index, byte in enumerate(sent) if index not in broken]

    return UnitBench(dut, [line], [receiver], check)


def uart_transmitter(divisor: int, seed: int = 1) -> UnitBench:
    """Bytes onto the line, read back in the middle of every bit; without gaps where there are more."""
    rng = random.Random(seed)
    dut: Any = UartTransmitter(divisor)
    sent = [rng.randrange(256) for _ in range(30)]
    got: list[int] = []
    gaps: list[int] = []

    async def source(ctx: Any) -> None:
        for index, byte in enumerate(sent):
            if index % 5 == 4:
                await ctx.tick().repeat(rng.randrange(30 * divisor))
            ctx.set(dut.bytes.payload, byte)
            ctx.set(dut.bytes.valid, 1)
            await ctx.tick().until(dut.bytes.ready)
            ctx.set(dut.bytes.valid, 0)
        await ctx.tick().repeat(14 * divisor)

    async def line(ctx: Any) -> None:
        while True:
            idle = 0
            while ctx.get(dut.tx):
                await ctx.tick()
                idle += 1
            gaps.append(idle)
            await ctx.tick().repeat(divisor + divisor // 2)
            byte = 0
            for bit in range(8):
                byte |= ctx.get(dut.tx) << bit
                await ctx.tick().repeat(divisor)
            assert ctx.get(dut.tx), "no stop bit"
            got.append(byte)
            await ctx.tick().repeat(divisor - divisor // 2 - 1)

    def check() -> None:
        assert got == sent
        assert min(gaps[1:]) <= 2, "bytes that wait follow each other"

    return UnitBench(dut, [source], [line], check)


def random_frame(rng: random.Random, limit: int = LIMIT) -> Frame:
    """A frame, half of whose bytes are special ones."""
    special = [SYNC, ESCAPE, SYNC ^ 0x20, ESCAPE ^ 0x20, 0]
    size = rng.choice([0, 1, limit, rng.randrange(limit + 1)])
    payload = bytes(rng.choice([rng.choice(special), rng.randrange(256)]) for _ in range(size))
    return Frame(rng.choice([1, 2, SYNC]), rng.randrange(1 << 16), payload)


def noisy_bytes(rng: random.Random, frames: int) -> bytes:
    """Frames one after the other, many of them changed, cut short, doubled, too long or not there at all."""
    stream = bytearray()
    for _ in range(frames):
        data = bytearray(random_frame(rng).encode())
        harm = rng.randrange(8)
        if harm == 0:
            data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
        elif harm == 1:
            del data[rng.randrange(len(data))]
        elif harm == 2:
            at = rng.randrange(len(data))
            data.insert(at, data[at])
        elif harm == 3:
            data = data[: rng.randrange(len(data))]
        elif harm == 4:
            data = bytearray(random_frame(rng, LIMIT + 3).encode())
        elif harm == 5:
            data += bytes(rng.randrange(256) for _ in range(rng.randrange(12)))
        stream += data
    return bytes(stream)


def frame_decoder(seed: int) -> UnitBench:
    """Harmed frames: the decoder finds what protocol.FrameReader does, and nothing while it is not enabled."""
    rng = random.Random(seed)
    dut: Any = FrameDecoder(LIMIT)
    reader = FrameReader(LIMIT)
    expected: list[Frame | None] = []
    got: list[Frame | None] = []
    crcs: list[tuple[int, int]] = []
    payload = bytearray()

    async def source(ctx: Any) -> None:
        ctx.set(dut.enable, 1)
        for byte in noisy_bytes(rng, 60):
            await ctx.tick().repeat(rng.randrange(1, 5))
            ctx.set(dut.byte, byte)
            ctx.set(dut.valid, 1)
            await ctx.tick()
            ctx.set(dut.valid, 0)
            expected.extend(reader.feed(bytes([byte])))
            if rng.random() < 0.01:
                await ctx.tick().repeat(3)  # a frame that ended is reported by now
                ctx.set(dut.enable, 0)
                await ctx.tick().repeat(2)
                ctx.set(dut.enable, 1)
                reader.reset()
        await ctx.tick().repeat(5)

    async def sink(ctx: Any) -> None:
        ports = (dut.payload, dut.index, dut.data, dut.done, dut.damaged)
        header = (dut.kind, dut.sequence, dut.length, dut.crc)
        async for sample in ctx.tick().sample(*ports, *header):
            pulse, index, data, done, damaged, kind, sequence, length, crc = sample[2:]
            if pulse:
                if index == 0:
                    payload.clear()
                assert index == len(payload)
                payload.append(data)
            if done:
                body = bytes(payload) if length else b""
                got.append(Frame(kind, sequence, body))
                crcs.append((len(got) - 1, crc))
                assert length == len(body)
            if damaged:
                got.append(None)

    def check() -> None:
        assert got == expected
        assert sum(one is not None for one in got) > 10
        assert got.count(None) > 5
        for index, crc in crcs:
            frame = got[index]
            assert frame is not None
            whole = Frame(frame.kind, frame.sequence, frame.payload)
            assert FrameReader(LIMIT).feed(whole.encode()) == [frame]
            assert crc == whole.crc

    return UnitBench(dut, [source], [sink], check)


def frame_encoder(stall: float, seed: int = 1) -> UnitBench:
    """Frames of all lengths, the receiver slow, the payload late."""
    rng = random.Random(seed)
    dut: Any = FrameEncoder()
    frames = [random_frame(rng) for _ in range(12)]
    got = bytearray()

    async def source(ctx: Any) -> None:
        for frame in frames:
            await ctx.tick().until(dut.idle)
            ctx.set(dut.kind, frame.kind)
            ctx.set(dut.sequence, frame.sequence)
            ctx.set(dut.length, len(frame.payload))
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            for byte in frame.payload:
                while rng.random() < stall:
                    await ctx.tick()
                ctx.set(dut.payload.payload, byte)
                ctx.set(dut.payload.valid, 1)
                await ctx.tick().until(dut.payload.ready)
                ctx.set(dut.payload.valid, 0)
        await ctx.tick().until(dut.idle)

    async def sink(ctx: Any) -> None:
        while True:
            ready = rng.random() >= stall
            ctx.set(dut.bytes.ready, ready)
            _, _, valid, byte = await ctx.tick().sample(dut.bytes.valid, dut.bytes.payload)
            if valid and ready:
                got.append(byte)

    def check() -> None:
        assert bytes(got) == b"".join(frame.encode() for frame in frames)

    return UnitBench(dut, [source], [sink], check)


def random_records(rng: random.Random) -> list[tuple[isa.Record, list[int]]]:
    """A frame's records: kind, and words whose counters look like records themselves."""
    sizes = {
        isa.Record.LAYER: len(isa.LAYER_COUNTERS),
        isa.Record.SCALAR: len(isa.SCALAR_COUNTERS),
        isa.Record.LOGIT: 0,
        isa.Record.END: len(isa.END_COUNTERS),
        isa.Record.ERROR: 0,
    }
    kinds = [rng.choice(list(sizes)[:3]) for _ in range(12)]
    kinds.append(rng.choice([isa.Record.END, isa.Record.ERROR]))
    return [
        (kind, [rng.getrandbits(56) << 8 | kind, *(rng.randrange(6) for _ in range(sizes[kind]))])
        for kind in kinds
    ]


def result_keeper(keep: int, depth: int = 256, seed: int = 1) -> UnitBench:
    """Several frames: the words that `keep` names are in the buffer, in order, as far as there is room."""
    rng = random.Random(seed)
    dut: Any = ResultKeeper(depth)
    memory: dict[int, int] = {}

    def kept(records: list[tuple[isa.Record, list[int]]]) -> list[int]:
        flags = {isa.Record.LAYER: Keep.LAYERS, isa.Record.SCALAR: Keep.SCALARS}
        words: list[int] = []
        for kind, record in records:
            if kind not in flags:
                words += record
            elif keep & flags[kind]:
                words += record if keep & Keep.COUNTERS else record[:1]
        return words

    async def bench(ctx: Any) -> None:
        ctx.set(dut.keep, keep)
        for _ in range(4):
            ctx.set(dut.clear, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)
            memory.clear()
            records = random_records(rng)
            for word in (word for _, record in records for word in record):
                while rng.random() < 0.3:
                    await ctx.tick()
                ctx.set(dut.results.payload, word)
                ctx.set(dut.results.valid, 1)
                _, _, ready = await ctx.tick().sample(dut.results.ready)
                assert ready, "the stream must never wait"
                ctx.set(dut.results.valid, 0)
            await ctx.tick().repeat(3)
            expected = kept(records)
            assert ctx.get(dut.words) == min(len(expected), depth)
            assert ctx.get(dut.overflow) == (len(expected) > depth)
            assert [memory[at] for at in sorted(memory)] == expected[:depth]

    async def buffer(ctx: Any) -> None:
        async for _, _, write, address, word in ctx.tick().sample(dut.write, dut.address, dut.data):
            if write:
                assert address == len(memory)
                memory[address] = word

    return UnitBench(dut, [bench], [buffer])
