"""What a link's request is judged by, against docs/host-link.md in plain numbers."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from hwflow.host.protocol import REQUESTS, WINDOW, WORD_BYTES, Kind
from rtl_gen.link.checks import ARGUMENT_BYTES, KINDS, ONCE, RequestChecks
from rtl_gen.link.parameters import LinkConfig
from tests.rtl_gen.control_bench import simulate, small_config

CYCLES = 6
"""From the last number of a request until every output is there, by the unit's promise."""
REQUEST_COUNT = 400
MOVES = (Kind.WRITE, Kind.READ, Kind.CHECK, Kind.RUN)


@dataclass(frozen=True, kw_only=True)
class Request:
    """A frame's header and CRC, and the numbers of its payload."""

    kind: int
    sequence: int
    length: int
    crc: int
    numbers: dict[str, int] = field(default_factory=dict[str, int])

    def arguments(self, before: int) -> int:
        """The last bytes of the payload; where it is shorter, `before` it whatever came earlier."""
        value = before
        for name, size in REQUESTS[Kind(self.kind)] if self.kind in KINDS else ():
            number = self.numbers[name]
            value = value >> 8 * size | number << 8 * (ARGUMENT_BYTES - size)
        return value


@dataclass
class Requests:
    """Requests at the edges of what is right, and what is to be said of them."""

    beat_bytes: int
    link: LinkConfig
    rng: random.Random
    run: int = 0
    words: int = 0
    last: tuple[int, int] = (0, 0)  # sequence and CRC of the last request carried out

    def near(self, edge: int, bits: int) -> int:
        """A number of so many bits, about the edge or about 0 or the largest, or any one."""
        rng = self.rng
        about = rng.choice([edge, edge, 0, (1 << bits) - 1, rng.getrandbits(bits)])
        return min(max(0, about + rng.choice([-1, 0, 0, 0, 1])), (1 << bits) - 1)

    def bit(self, bits: int) -> int:
        """One of so many."""
        return 1 << self.rng.randrange(bits)

    def draw(self) -> Request:
        """One more; the kept results change as well."""
        rng, link = self.rng, self.link
        self.run, self.words = self.near(7, 32), rng.choice([0, 1, 20, link.buffer_words])
        number = rng.choice([*(kind.value for kind in KINDS)] * 4 + [0, 10, 0x81, 0xFF])
        sequence, crc = self.last
        sequence += rng.choice([0, 0, 0, WINDOW - 1, WINDOW, WINDOW + 1, -1, self.bit(16)])
        crc ^= rng.choice([0, 0, self.bit(32), rng.getrandbits(32)])
        length, numbers = rng.getrandbits(16), dict[str, int]()
        if number in KINDS:
            kind = Kind(number)
            fields = REQUESTS[kind]
            length = sum(size for _, size in fields)
            whole = self.beat_bytes * rng.choice([0, 1, 2, rng.randrange(4000 // self.beat_bytes)])
            length += whole if kind is Kind.WRITE else 0
            length += rng.choice([0] * 6 + [1, -1, 1 << 15])
            edges = {"address": link.memory_beats, "run": self.run, "first": self.words}
            edges["count"] = link.data_bytes // WORD_BYTES
            numbers = {name: self.near(edges.get(name, 0), 8 * size) for name, size in fields}
            if "beats" in numbers:
                room = link.memory_beats - numbers["address"]
                most = link.data_bytes // self.beat_bytes if kind is Kind.READ else room
                edge = max(0, min(most, room))
                numbers["beats"] = self.near(edge, 8 * dict(fields)["beats"])
            if kind is Kind.WRITE:
                beats = max(0, length - 4) // self.beat_bytes
                numbers["address"] = self.near(max(0, link.memory_beats - beats), 32)
            if "run" in numbers and rng.random() < 0.5:
                numbers["run"] = self.run ^ rng.choice([0, self.bit(32)])
            if kind is Kind.RESULTS and rng.random() < 0.7:
                end = rng.choice([self.words, self.words, 1 << 16])
                numbers["count"] = rng.randrange(edges["count"] + 1)
                numbers["first"] = min(max(0, end - numbers["count"]) + rng.choice([0, 1]), 0xFFFF)
        return Request(
            kind=number,
            sequence=sequence & 0xFFFF,
            length=length & 0xFFFF,
            crc=crc,
            numbers=numbers,
        )

    def judge(self, request: Request) -> dict[str, int]:
        """Outputs that mean something for this request."""
        ahead = (request.sequence - self.last[0]) % (1 << 16)
        found: dict[str, int] = {
            "kinds": sum(1 << bit for bit, kind in enumerate(KINDS) if kind == request.kind),
            "fits": 0,
            "once": request.kind in ONCE,
            "again": (request.sequence, request.crc) == self.last,
            "fresh": 0 < ahead < WINDOW,
        }
        if request.kind not in KINDS:
            return found
        kind, numbers = Kind(request.kind), request.numbers
        data = request.length - sum(size for _, size in REQUESTS[kind])
        writes = kind is Kind.WRITE
        found["fits"] = data > 0 and data % self.beat_bytes == 0 if writes else data == 0
        if kind in MOVES and (found["fits"] or not writes):
            beats = data // self.beat_bytes if writes else numbers["beats"]
            found |= {"address": numbers["address"], "beats": beats}
            found["refused"] = (
                numbers["address"] + beats > self.link.memory_beats
                or (kind is Kind.READ and beats * self.beat_bytes > self.link.data_bytes)
                or (kind is Kind.RUN and numbers["runs"] == 0)
            )
        if kind in (Kind.RESULTS, Kind.TALLY):
            found["asked"] = numbers["run"] == self.run
        if kind is Kind.RESULTS:
            found["beyond"] = (
                numbers["first"] + numbers["count"] > self.words
                or numbers["count"] * WORD_BYTES > self.link.data_bytes
            )
        return found


@pytest.mark.parametrize(
    ("beat_bytes", "words", "memory_beats"), [(8, 32, 1000), (64, 1024, (1 << 32) - 1)]
)
def test_requests_at_every_edge(beat_bytes: int, words: int, memory_beats: int) -> None:
    """Six cycles after its numbers, whatever was before, and with the same numbers after it is accepted."""
    link = LinkConfig(
        divisor=16, clock_hz=32_000_000, memory_beats=memory_beats, buffer_words=words
    )
    dut: Any = RequestChecks(small_config(memory_bytes=beat_bytes, cols=16), link)
    rng = random.Random(beat_bytes)
    requests = Requests(beat_bytes, link, rng)
    seen: set[tuple[str, int, bool]] = set()

    async def check(ctx: Any, request: Request) -> None:
        await ctx.tick().repeat(CYCLES)
        for name, value in requests.judge(request).items():
            assert ctx.get(getattr(dut, name)) == value, f"{name} of {request}"
            seen.add((name, request.kind, bool(value)))

    async def bench(ctx: Any) -> None:
        for _ in range(REQUEST_COUNT):
            request = requests.draw()
            for name in ("kind", "sequence", "length", "crc"):
                ctx.set(getattr(dut, name), getattr(request, name))
            ctx.set(dut.arguments, request.arguments(rng.getrandbits(8 * ARGUMENT_BYTES)))
            ctx.set(dut.run, requests.run)
            ctx.set(dut.words, requests.words)
            await check(ctx, request)
            if rng.random() < 0.5:
                ctx.set(dut.accept, 1)
                await ctx.tick()
                ctx.set(dut.accept, 0)
                requests.last = (request.sequence, request.crc)
                await check(ctx, request)

    simulate(dut, bench)
    judged = {"fits": KINDS, "again": KINDS, "fresh": KINDS, "refused": MOVES}
    judged |= {"asked": (Kind.RESULTS, Kind.TALLY), "beyond": (Kind.RESULTS,)}
    for name, kinds in judged.items():
        for kind in kinds:
            assert {(name, kind, False), (name, kind, True)} <= seen, f"{name} of {kind.name}"
