"""The whole accelerator's control for one frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from hwflow import isa, timing
from hwflow.config import AcceleratorConfig
from hwflow.cycle_model.activity import Activity
from hwflow.cycle_model.front_end import LayerTiming, MacRing, Sequencer, WeightRing
from hwflow.cycle_model.loader import Loader
from hwflow.cycle_model.parts import BufferedFifo, MemoryPort
from hwflow.cycle_model.scalar import ScalarEngine, ScalarTiming
from hwflow.cycle_model.streams import Streams
from hwflow.errors import FlowError

PATIENCE = 1 << 20
"""Cycles without an array step and without anything moving between units, more than any memory's latency."""


@dataclass(frozen=True)
class FrameTiming:
    """Cycles of one frame, evidence level `cycle-model`.

    cycles: start to last logit (isa.END_COUNTERS); total: start to `done`; layers and scalars in order
    of execution; bytes: what was read from memory, by isa.END_COUNTERS; dense: the cycles from the last
    CONV's end to the last logit, by what the scalar engine did.
    """

    cycles: int
    total: int
    layers: tuple[LayerTiming, ...]
    scalars: tuple[ScalarTiming, ...]
    bytes: Mapping[str, int]
    dense: DenseCycles


@dataclass(frozen=True)
class DenseCycles:
    """Cycles of the dense layer by what the scalar engine did in them.

    steps: the MAC array worked; memory: constants, weights or the next instruction had not come;
    chain: the rest, MEAN's channel a cycle first of all.
    """

    steps: int = 0
    memory: int = 0
    chain: int = 0

    def after(self, *, stepping: bool, waits: bool) -> DenseCycles:
        """The counts one cycle later."""
        if stepping:
            return replace(self, steps=self.steps + 1)
        if waits:
            return replace(self, memory=self.memory + 1)
        return replace(self, chain=self.chain + 1)


class ConstantRing:
    """Records that can be taken and beats that may be written."""

    def __init__(self, config: AcceleratorConfig) -> None:
        self._beats = config.record_beats
        self._records = config.records_per_beat
        self.level = 0
        self.free = config.constant_ring_beats
        self._beat = 0
        self._index = 0
        self._written = False

    def step(self, write: bool, taken: int) -> None:
        """One clock edge, `taken` records; a record counts two cycles after its last beat's write."""
        self.level += self._records * self._written - taken
        self._index += taken
        if self._index == self._records:
            self._index = 0
            self.free += self._beats
        self.free -= write
        self._written = False
        if write:
            self._beat += 1
            if self._beat == self._beats:
                self._beat = 0
                self._written = True


class Results:
    """LAYER records and the arbiter of the result stream; the host takes a word a cycle."""

    def __init__(self) -> None:
        self._fifo: BufferedFifo[int] = BufferedFifo(timing.LAYER_RECORDS)
        self._index = 0
        self._inside = False
        self._scalar = False

    @property
    def ready(self) -> bool:
        """A CONV may begin."""
        return self._fifo.level <= timing.LAYER_RECORDS - 1

    @property
    def idle(self) -> bool:
        """No LAYER record is left."""
        return self._fifo.level == 0

    def step(self, layer_done: bool, scalar_word: int | None) -> bool:
        """One clock edge; True when the scalar engine's word was taken."""
        scalar = self._scalar if self._inside else not self._fifo.readable
        done = taken = False
        if scalar:
            taken = scalar_word is not None
            if taken:
                self._inside, self._scalar = not scalar_word, True
        elif self._fifo.readable:
            done = self._index == len(isa.LAYER_COUNTERS)
            self._index = 0 if done else self._index + 1
            self._inside, self._scalar = not done, False
        self._fifo.step(1 if layer_done else None, done)
        return taken


def simulate_cycles(
    schedule: Sequence[Mapping[str, int]],
    config: AcceleratorConfig,
    *,
    latency: int = 8,
    bandwidth: Fraction = Fraction(1),
    steady: bool = False,
    observe: Callable[[Activity], None] | None = None,
) -> FrameTiming:
    """Cycles of one frame of a decoded schedule.

    latency: cycles from an accepted memory request to its first beat; bandwidth: beats a cycle, at most 1; steady: see
    `MemoryPort`. observe: is told every cycle's activity, in order.

    Raises:
        FlowError: the schedule does not come to its END.
    """
    memory = MemoryPort(latency, bandwidth, steady=steady)
    loader = Loader(config, schedule, memory)
    weights, macs, constants = WeightRing(config), MacRing(config), ConstantRing(config)
    scalar, results = ScalarEngine(config), Results()
    streams = Streams(config)
    sequencer = Sequencer(config, streams)
    open_convs = 0
    layers_done = 0
    convs = sum(each["op"] == isa.Op.CONV for each in schedule)
    now = dense = DenseCycles()
    idle_for = 0
    cycle = 0
    while True:
        arrival = loader.arrival
        quiet = loader.idle and open_convs == 0 and results.idle
        conv_read = sequencer.ready and results.ready
        conv = loader.conv.head if conv_read and loader.conv.readable else None
        scalar_read = scalar.ready
        scalar_instruction = loader.scalar.head if scalar_read and loader.scalar.readable else None
        free: dict[int, int] = {
            isa.Ring.WEIGHTS: weights.free,
            isa.Ring.MACS: macs.free,
            isa.Ring.CONSTANTS: constants.free,
            isa.Ring.LONG: streams.free,
        }

        level = macs.level // 2 if sequencer.mac else weights.level
        mac = sequencer.mac
        slots = None if loader.image_done else loader.image_slots
        sequencer.step(cycle, conv, level, scalar.scale_tokens != 0, slots)
        word = scalar.word
        word_taken = results.step(sequencer.layer_done, word)
        taken, vector = scalar.step(
            cycle,
            scalar_instruction,
            constants.level,
            macs.level,
            sequencer.sum_token,
            bool(sequencer.claimed),
            quiet,
            word_taken,
        )
        starved = scalar.starved(constants.level, macs.level)
        if sequencer.waits_for_scale and starved:
            sequencer.reports[-1].starved += 1
        if len(sequencer.reports) == convs and 0 < sequencer.reports[-1].end < cycle:
            unfed = scalar_read and scalar_instruction is None
            now = now.after(stepping=scalar.stepping, waits=starved or unfed)
            if scalar.last_logit == cycle:
                dense = now
        streams.step(cycle, arrival.kind == isa.Ring.LONG, memory)
        if observe is not None:
            observe(
                Activity(
                    phase=sequencer.phase,
                    mac=sequencer.mac,
                    matvec=scalar.stepping,
                    lanes=not sequencer.lanes_idle(cycle),
                    scalar=not scalar.ready,
                    beat=arrival.kind >= 0 or memory.write,
                )
            )
        loader.step(
            cycle, cycle == 0, free, conv_read, scalar_read, layers_done, sequencer.bytes_stall
        )
        layers_done += sequencer.layer_done
        claimed, released = sequencer.claimed, sequencer.released
        weights.step(
            arrival.kind == isa.Ring.WEIGHTS, 0 if mac else claimed, 0 if mac else released
        )
        macs.step(
            arrival.kind == isa.Ring.MACS,
            claimed if mac else 0,
            released if mac else 0,
            vector,
        )
        constants.step(arrival.kind == isa.Ring.CONSTANTS, taken)
        open_convs += (conv is not None) - sequencer.layer_done
        if scalar.frame_done:
            return FrameTiming(
                scalar.last_logit,
                cycle,
                tuple(sequencer.reports),
                tuple(scalar.reports),
                {**loader.bytes, "bytes_spill_written": streams.bytes},
                dense,
            )
        moved = claimed or taken or arrival.kind >= 0 or sequencer.sum_token
        busy = moved or sequencer.issued or scalar.stepping
        idle_for = 0 if busy else idle_for + 1
        if idle_for > PATIENCE:
            raise FlowError(
                f"the schedule does not come to its END: nothing moves in the {PATIENCE} cycles after cycle "
                f"{cycle - idle_for}; check it with the verifier"
            )
        cycle += 1
