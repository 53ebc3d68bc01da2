"""Benches of the loader: a memory of random latency, rings that drain at random, queues that stall."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hwflow import isa, timing
from hwflow.config import AcceleratorConfig
from rtl_gen.interfaces import CONV, SCALAR_BITS
from rtl_gen.loader import Loader
from sim.benches.unit import Process, UnitBench, small_config

RINGS = ("weights", "macs", "constants")


def random_instruction(rng: random.Random, op: isa.Op, **fixed: int) -> bytes:
    values = {f.name: rng.randint(f.low, f.high) for f in isa.FIELDS[op]}
    return isa.encode(values | {"op": op} | fixed)


@dataclass
class Ring:
    """A ring of `capacity` beats; room freed or taken shows `delay` cycles later."""

    capacity: int
    delay: int
    level: int = 0
    beats: list[int] = field(default_factory=list)
    shown: deque[int] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.shown.extend([self.capacity] * self.delay)

    def accept(self, beat: int) -> None:
        self.level += 1
        assert self.level <= self.capacity, "the loader overran a ring"
        self.beats.append(beat)

    def step(self) -> int:
        self.shown.append(self.capacity - self.level)
        return self.shown.popleft()


class Bench:
    """Memory, rings and queues around a loader; `run_frame` checks one frame."""

    def __init__(self, config: AcceleratorConfig, seed: int, drain: float) -> None:
        self.config, self.rng, self.drain = config, random.Random(seed), drain
        self.dut: Any = Loader(config)
        self.names = (*RINGS, "long") if config.long_words else RINGS
        self.memory = [self.rng.getrandbits(config.beat_bits) for _ in range(4096)]
        latency = timing.ring_free_latency()
        capacities = {"weights": 20, "macs": 20, "constants": 18, "long": 19}
        self.rings = {name: Ring(capacities[name], latency) for name in self.names}
        self.bytes: dict[tuple[int, int], int] = {}
        self.events: list[tuple[str, int]] = []

    def place(self, address: int, program: list[bytes]) -> None:
        beats = isa.INSTRUCTION_BYTES // self.config.memory_bytes
        word = int.from_bytes(b"".join(program), "little")
        for n in range(beats * len(program)):
            self.memory[address + n] = (
                word >> n * self.config.beat_bits & (1 << self.config.beat_bits) - 1
            )

    async def serve(self, ctx: Any) -> None:
        """The memory: in order, at least one cycle after the request."""
        dut, rng = self.dut, self.rng
        pending: deque[tuple[int, int]] = deque()
        now = 0
        while True:
            ctx.set(dut.request.ready, rng.random() < 0.7)
            beat = bool(pending) and pending[0][0] <= now and rng.random() < 0.8
            ctx.set(dut.beat.valid, beat)
            if beat:
                ctx.set(dut.beat.payload, self.memory[pending.popleft()[1]])
            _, _, request, valid, ready = await ctx.tick().sample(
                dut.request.payload, dut.request.valid, dut.request.ready
            )
            if valid and ready:
                assert 1 <= request.beats <= 16
                arrival = now + 1 + rng.choice([0, 0, 3, 12])
                pending.extend((arrival, request.address + n) for n in range(request.beats))
            now += 1

    async def watch_ready(self, ctx: Any) -> None:
        """Beats are always accepted."""
        async for _, _, valid, ready in ctx.tick().sample(self.dut.beat.valid, self.dut.beat.ready):
            assert ready or not valid

    async def rings_model(self, ctx: Any) -> None:
        dut, rng = self.dut, self.rng
        writes = {name: getattr(dut, f"{name}_write") for name in self.names}
        while True:
            for name, ring in self.rings.items():
                ctx.set(getattr(dut, f"{name}_free"), ring.step())
            _, _, *seen, to_bytes = await ctx.tick().sample(*writes.values(), dut.bytes_write)
            for ring, write in zip(self.rings.values(), seen, strict=True):
                if write.valid:
                    ring.accept(write.data)
                if ring.level and rng.random() < self.drain:
                    ring.level -= rng.randint(1, ring.level)
            if to_bytes.valid:
                self.bytes[to_bytes.bank, to_bytes.row] = to_bytes.data

    async def queue(self, ctx: Any, name: str) -> None:
        port = getattr(self.dut, name)
        while True:
            ctx.set(port.ready, self.rng.random() < 0.3)
            _, _, payload, valid, ready = await ctx.tick().sample(
                port.payload, port.valid, port.ready
            )
            if valid and ready:
                word = payload.as_bits() if name == "conv" else payload
                self.events.append((name, word))

    async def run_frame(self, ctx: Any, address: int) -> None:
        ctx.set(self.dut.schedule_address, address)
        ctx.set(self.dut.start, 1)
        await ctx.tick()
        ctx.set(self.dut.start, 0)
        await ctx.tick()
        await ctx.tick().until(self.dut.idle)
        await ctx.tick().repeat(100)

    def unit_bench(self, *processes: Process, background: Sequence[Process] = ()) -> UnitBench:
        """The loader with all of its surroundings."""

        async def convs(ctx: Any) -> None:
            await self.queue(ctx, "conv")

        async def scalars(ctx: Any) -> None:
            await self.queue(ctx, "scalar")

        models = [self.serve, self.watch_ready, self.rings_model, convs, scalars]
        return UnitBench(self.dut, processes, [*models, *background])


def random_program(
    bench: Bench, length: int
) -> tuple[list[bytes], dict[str, list[Any]], dict[str, int]]:
    """Instructions, what each ring and queue must see, and the byte counters."""
    rng, config = bench.rng, bench.config
    program: list[bytes] = []
    expected: dict[str, list[Any]] = {name: [] for name in (*bench.names, "conv", "scalar")}
    counts = dict.fromkeys(isa.END_COUNTERS[1:], 0)
    kinds = [*[isa.Op.LOAD] * 5, isa.Op.CONV, isa.Op.MEAN, isa.Op.FC, isa.Op.AFFINE]
    for _ in range(length):
        op = rng.choice(kinds)
        if op is isa.Op.LOAD:
            ring = rng.choice([0, 1, 2, 4] if config.long_words else [0, 1, 2])
            name = "long" if ring == isa.Ring.LONG else RINGS[ring]
            beats, address = rng.choice([1, 2, 15, 16, 17, 40]), rng.randrange(1000, 4000)
            program.append(
                random_instruction(rng, op, ring=ring, address=address, beats=beats, after=0)
            )
            expected[name] += [bench.memory[address + n] for n in range(beats)]
            counts["bytes_spill_read" if name == "long" else f"bytes_{name}"] += (
                beats * config.memory_bytes
            )
        else:
            program.append(random_instruction(rng, op))
            word = int.from_bytes(program[-1], "little")
            if op is isa.Op.CONV:
                expected["conv"].append(word & (1 << CONV.size) - 1)
            else:
                expected["scalar"].append(word & (1 << SCALAR_BITS) - 1)
    program.append(random_instruction(rng, isa.Op.END))
    expected["scalar"].append(int.from_bytes(program[-1], "little") & (1 << SCALAR_BITS) - 1)
    counts["bytes_schedule"] = isa.INSTRUCTION_BYTES * len(program)
    return program, expected, counts


def _config(memory_bytes: int) -> AcceleratorConfig:
    """With beats of 16 bytes the loader has the long stream, too."""
    streams = {"long_words": 19, "store_words": 8} if memory_bytes == 16 else {}
    return small_config(memory_bytes=memory_bytes, cols=16, popcount_width=32, **streams)


def frames(memory_bytes: int, drain: float) -> UnitBench:
    """Random programs: every beat, instruction and byte counter."""
    config = _config(memory_bytes)
    bench = Bench(config, memory_bytes + int(100 * drain), drain)

    async def three_frames(ctx: Any) -> None:
        for length in (12, 0, 5):
            program, expected, counts = random_program(bench, length)
            bench.place(64, program)
            bench.events.clear()
            for ring in bench.rings.values():
                ring.beats.clear()
            await bench.run_frame(ctx, 64)
            assert {name: bench.rings[name].beats for name in bench.names} == {
                name: expected[name] for name in bench.names
            }
            for name in ("conv", "scalar"):
                assert [word for kind, word in bench.events if kind == name] == expected[name]
            assert {name: ctx.get(bench.dut.byte_counts[name]) for name in counts} == counts

    return bench.unit_bench(three_frames)


def image(memory_bytes: int) -> UnitBench:
    """An image is written, to its places, in cycles that leave the memory free, and its slots are counted."""
    config = _config(memory_bytes)
    bench = Bench(config, memory_bytes, 0.5)
    slots, words, base, address = 13, 2, 7, 1000
    beats = -(-slots * words * config.cols // memory_bytes)
    program = [
        random_instruction(
            bench.rng,
            isa.Op.LOAD,
            ring=3,
            after=0,
            address=address,
            beats=beats,
            base=base,
            words=words,
        ),
        random_instruction(bench.rng, isa.Op.CONV),
        random_instruction(bench.rng, isa.Op.END),
    ]
    bench.place(0, program)
    data = b"".join(
        bench.memory[address + n].to_bytes(memory_bytes, "little") for n in range(beats)
    )
    expected = {}
    for slot in range(slots):
        for word in range(words):
            place = (slot % config.banks, base + slot // config.banks * words + word)
            at = (slot * words + word) * config.cols
            expected[place] = int.from_bytes(data[at : at + config.cols], "little")

    async def frame(ctx: Any) -> None:
        for _ in range(2):
            bench.bytes.clear()
            await bench.run_frame(ctx, 0)
            assert {place: bench.bytes[place] for place in expected} == expected
            assert len(bench.bytes) == -(-beats * memory_bytes // config.cols)
            assert ctx.get(bench.dut.image_done)
            assert ctx.get(bench.dut.image_slots) == len(bench.bytes) // words

    async def stalls(ctx: Any) -> None:
        """Now and then the memory is about to store something else."""
        while True:
            ctx.set(bench.dut.bytes_stall, stalled := bench.rng.random() < 0.4)
            await ctx.tick()
            assert not (stalled and ctx.get(bench.dut.bytes_write.valid))

    async def slots_in_time(ctx: Any) -> None:
        """What is said to be written has been."""
        async for _, _, count, done in ctx.tick().sample(
            bench.dut.image_slots, bench.dut.image_done
        ):
            if bench.bytes:  # else they are those of the frame before
                assert count * words <= len(bench.bytes) + 1
                assert not done or len(bench.bytes) >= len(expected)

    return bench.unit_bench(frame, background=[stalls, slots_in_time])


def small_ring() -> UnitBench:
    """A consumer that waits for a full ring gets it: the last burst is cut to the room there is."""
    config = small_config()
    bench = Bench(config, 1, 0.0)
    program = [
        random_instruction(bench.rng, isa.Op.LOAD, ring=0, address=1000, beats=30, after=0),
        random_instruction(bench.rng, isa.Op.END),
    ]
    bench.place(0, program)

    async def frame(ctx: Any) -> None:
        ctx.set(bench.dut.start, 1)
        await ctx.tick()
        ctx.set(bench.dut.start, 0)
        await ctx.tick().repeat(300)
        assert bench.rings["weights"].level == bench.rings["weights"].capacity

    return bench.unit_bench(frame)


def after() -> UnitBench:
    """A LOAD of the long stream makes no request before as many convolutions are over as it says."""
    config = small_config(long_words=32, store_words=8)
    bench = Bench(config, 2, 0.5)
    program = [
        random_instruction(
            bench.rng, isa.Op.LOAD, ring=isa.Ring.LONG, address=1000, beats=3, after=2
        ),
        random_instruction(bench.rng, isa.Op.END),
    ]
    bench.place(0, program)
    done = 0

    async def frame(ctx: Any) -> None:
        nonlocal done
        ctx.set(bench.dut.start, 1)
        await ctx.tick()
        ctx.set(bench.dut.start, 0)
        for done in (0, 1):
            ctx.set(bench.dut.layers_done, done)
            await ctx.tick().repeat(100)
            assert not bench.rings["long"].beats
        done = 2
        ctx.set(bench.dut.layers_done, done)
        await ctx.tick().until(bench.dut.idle)
        assert len(bench.rings["long"].beats) == 3

    async def requests(ctx: Any) -> None:
        async for _, _, valid, payload in ctx.tick().sample(
            bench.dut.request.valid, bench.dut.request.payload
        ):
            assert not valid or done == 2 or not 1000 <= payload.address < 1003

    return bench.unit_bench(frame, background=[requests])
