"""The accelerator as a network of tokens: who waits for what (docs/architecture.md).

Levels are words of the rings (half words of the 8-bit ring), entries of the instruction queues, scale tokens and sum tokens.
Consumers depend on tokens only, never on time, so a schedule that ends with one set of durations
ends with all; durations only decide how far the consumers got at a given time.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

from hwflow.config import AcceleratorConfig
from hwflow.isa import CONSTANT_BITS, FcDest, Op, Ring
from hwflow.spilling import group_words, reads_stream, writes_stream
from hwflow.timing import CONV_QUEUE, SCALAR_QUEUE


class Token(enum.Enum):
    """What consumers wait for."""

    WEIGHTS = "binary weight ring"
    MACS = "8-bit ring"
    CONSTANTS = "constant ring"
    LONG = "long stream"
    CONVS = "CONV queue"
    SCALARS = "scalar queue"
    SCALES = "scale tokens"
    SUMS = "sum tokens"

    __hash__ = (
        object.__hash__
    )  # of the name it is Python code, which dictionaries of levels call all the time


RING_TOKENS: Mapping[Ring, Token] = {
    Ring.WEIGHTS: Token.WEIGHTS,
    Ring.MACS: Token.MACS,
    Ring.CONSTANTS: Token.CONSTANTS,
    Ring.LONG: Token.LONG,
}

Instruction = Mapping[str, int]


def ring_unit_bytes(config: AcceleratorConfig, ring: Ring) -> int:
    """Bytes of the unit in which a ring is counted: a word, of the 8-bit ring half a word."""
    if ring is Ring.WEIGHTS:
        return config.weight_beats * config.memory_bytes
    if ring is Ring.MACS:
        return config.mac_word_bytes // 2
    if ring is Ring.LONG:
        return config.stream_word_bytes
    return CONSTANT_BITS // 8


def group_units(instruction: Instruction) -> int:
    """Units of its ring that a channel group of a CONV or FC takes."""
    if instruction["op"] == Op.FC:
        return instruction["steps"] << instruction["wide"]
    return instruction["weight_words"] << instruction["mac"]


def padding_records(count: int, config: AcceleratorConfig) -> int:
    """Records that fill the last beat after the `count` of an instruction that takes some."""
    return -count % config.records_per_beat


@dataclass
class _Step:
    """A consumer waits for `needs`, then works for `cycles`."""

    needs: dict[Token, int]
    cycles: float = 0


_Engine = Generator[_Step, None, None]


@dataclass
class _State:
    engine: _Engine
    step: _Step | None = None
    done_at: float | None = None
    waits: dict[Token, int] = field(default_factory=dict[Token, int])


class TokenMachine:
    """Both consumers, driven by what the loader delivers."""

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        self.levels: dict[Token, int] = dict.fromkeys(Token, 0)
        self.capacities: dict[Token, int] = {
            Token.WEIGHTS: config.weight_words,
            Token.MACS: 2 * config.mac_words,
            Token.CONSTANTS: config.constant_words,
            Token.LONG: config.long_words,
            Token.CONVS: CONV_QUEUE,
            Token.SCALARS: SCALAR_QUEUE,
        }
        self.now = 0.0
        self.finished = False
        self.layers_done = 0
        self._queues: dict[Token, deque[Instruction]] = {
            Token.CONVS: deque(),
            Token.SCALARS: deque(),
        }
        self._states = [_State(self._conv_engine()), _State(self._scalar_engine())]
        for state in self._states:
            state.step = next(state.engine, None)

    def room(self, token: Token) -> int:
        """Words or entries that fit now."""
        return self.capacities[token] - self.levels[token]

    def deliver(self, token: Token, words: int) -> None:
        """Words of a ring have arrived."""
        self.levels[token] += words

    def enqueue(self, instruction: Instruction) -> None:
        """An instruction has been put into its queue."""
        token = queue_of(instruction)
        self._queues[token].append(instruction)
        self.levels[token] += 1

    def waiting(self) -> str:
        """What each consumer waits for, for messages."""
        parts = [
            f"{need} {token.value} ({self.levels[token]} there)"
            for state in self._states
            if state.step is not None
            for token, need in state.step.needs.items()
            if self.levels[token] < need
        ]
        return " and ".join(parts) or "nothing"

    def run(self, until: float = math.inf) -> None:
        """Lets both consumers work until time `until`, or until all wait for the loader."""
        while self._advance(until):
            pass
        if until != math.inf:
            self.now = max(self.now, until)

    def next_event(self) -> float | None:
        """When the next work is done, None if every consumer waits."""
        times = [s.done_at for s in self._states if s.done_at is not None]
        return min(times, default=None)

    def _advance(self, until: float) -> bool:
        for state in self._states:
            step = state.step
            if step is None or state.done_at is not None:
                continue
            if all(self.levels[token] >= need for token, need in step.needs.items()):
                state.done_at = self.now + step.cycles
        busy = [s for s in self._states if s.done_at is not None and s.done_at <= until]
        if not busy:
            return False
        state = min(busy, key=lambda s: s.done_at or 0.0)
        self.now = max(self.now, state.done_at or 0.0)
        state.done_at = None
        state.step = next(state.engine, None)
        return True

    def _take(self, token: Token, words: int) -> None:
        self.levels[token] -= words

    def _pop(self, token: Token) -> Instruction:
        self._take(token, 1)
        return self._queues[token].popleft()

    def _conv_engine(self) -> _Engine:
        while True:
            yield _Step({Token.CONVS: 1})
            conv = self._pop(Token.CONVS)
            ring = Token.MACS if conv["mac"] else Token.WEIGHTS
            steps = conv["kernel"] ** 2 * conv["words"]
            units = group_units(conv)
            rows = self._config.row_groups
            for cg in range(conv["groups"]):
                tile = max(steps, conv["interval"])
                if writes_stream(conv, cg):
                    tile = max(tile, rows * self._config.stream_beats)
                streamed = group_words(conv, self._config) if reads_stream(conv, cg) else 0
                cycles = 0 if streamed else conv["tiles"] * tile
                yield _Step({ring: units, Token.SCALES: 1}, cycles)
                while streamed:
                    yield _Step({Token.LONG: rows})
                    words = min(streamed, self.levels[Token.LONG] // rows * rows)
                    self._take(Token.LONG, words)
                    streamed -= words
                    yield _Step({}, words // rows * tile)
                self._take(ring, units)
                self._take(Token.SCALES, 1)
                if conv["sums_en"]:
                    self.levels[Token.SUMS] += 1
            self.layers_done += 1

    def _scalar_engine(self) -> _Engine:
        cols = self._config.cols
        while True:
            yield _Step({Token.SCALARS: 1})
            instruction = self._pop(Token.SCALARS)
            op = Op(instruction["op"])
            if op is Op.END:
                self.finished = True
                return
            if op is Op.MEAN:
                records = bool(instruction["records"])
                for first in range(0, instruction["count"], cols):
                    yield _Step({Token.SUMS: 1}, 0 if records else cols)
                    self._take(Token.SUMS, 1)
                    if records:
                        yield from self._take_constants(min(cols, instruction["count"] - first))
                if records:
                    padding = padding_records(instruction["count"], self._config)
                    self._take(Token.CONSTANTS, padding)
                continue
            total = instruction["outputs" if op is Op.FC else "count"]
            scales = op is Op.AFFINE or instruction["dest"] == FcDest.SCALE
            for first in range(0, total, cols):
                if op is Op.FC:
                    yield _Step({Token.MACS: group_units(instruction)}, instruction["steps"])
                    self._take(Token.MACS, group_units(instruction))
                yield from self._take_constants(min(cols, total - first))
                if scales:
                    self.levels[Token.SCALES] += 1
            self._take(Token.CONSTANTS, padding_records(total, self._config))

    def _take_constants(self, left: int) -> _Engine:
        """A record a cycle, as they come."""
        while left:
            yield _Step({Token.CONSTANTS: 1})
            count = min(left, self.levels[Token.CONSTANTS])
            self._take(Token.CONSTANTS, count)
            left -= count
            yield _Step({}, count)


def queue_of(instruction: Instruction) -> Token:
    """The queue the loader puts an instruction into (not for LOAD)."""
    return Token.CONVS if instruction["op"] == Op.CONV else Token.SCALARS
