"""Control of the loader: requests, beats, dispatch (rtl_gen/loader.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hwflow import isa, timing
from hwflow.config import AcceleratorConfig
from hwflow.cycle_model.parts import BufferedFifo, Delay, MemoryPort

SCHEDULE = 5
"""Destination of instruction beats, beside those of isa.Ring."""


@dataclass
class Arrival:
    """What reaches the rings in one cycle: `kind` is -1 when nothing does."""

    kind: int = -1


class ByteWriterTiming:
    """Slots that the image writer has written and beats that it can take (rtl_gen/byte_writer.py)."""

    def __init__(self, config: AcceleratorConfig) -> None:
        self._beats = max(1, config.cols // config.memory_bytes)
        self._parts = max(1, config.memory_bytes // config.cols)
        self._index = 0
        self._part = 0
        self._word = 0
        self._fifo: BufferedFifo[int] = BufferedFifo(timing.BYTE_WRITER_BEATS)
        self._writing = False
        self.slots = 0

    @property
    def free(self) -> int:
        """Beats that may still arrive."""
        return timing.BYTE_WRITER_BEATS - self._fifo.level

    def idle(self, beat: bool) -> bool:
        """Nothing is under way, given that a beat arrives or not."""
        return not beat and not self._writing and self._fifo.level == 0

    def step(self, words: int, stall: bool) -> None:
        """One clock edge. words: of a slot, of the image whose beat arrives; 0: none does."""
        ready = self._fifo.readable and not stall
        slot_words = self._fifo.head if ready else 0
        taken = written = False
        if ready:
            taken = self._part == self._parts - 1
            self._part = 0 if taken else self._part + 1
            written = self._index == self._beats - 1
            self._index = 0 if written else self._index + 1
        self._fifo.step(words or None, taken)
        self._writing = written
        if written:
            self._word += 1
            if self._word == slot_words:
                self._word = 0
                self.slots += 1


class Loader:
    """Registers of the loader; `arrival` is what the rings see in the current cycle."""

    def __init__(
        self, config: AcceleratorConfig, schedule: Sequence[Mapping[str, int]], memory: MemoryPort
    ) -> None:
        self._memory = memory
        self._schedule = schedule
        self._instruction_beats = isa.INSTRUCTION_BYTES // config.memory_bytes
        self._memory_bytes = config.memory_bytes
        self._written = 0
        self._instructions: BufferedFifo[Mapping[str, int]] = BufferedFifo(timing.PREFETCHED)
        self._claimed = 0
        self._instruction_beat = 0
        self.conv: BufferedFifo[Mapping[str, int]] = BufferedFifo(timing.CONV_QUEUE)
        self.scalar: BufferedFifo[Mapping[str, int]] = BufferedFifo(timing.SCALAR_QUEUE)
        self._routes: BufferedFifo[list[int]] = BufferedFifo(timing.REQUESTS_AHEAD)
        self._fetching = False
        self._loading = False
        self._load: dict[str, int] = {}
        self._room, self._quiet = 0, False
        self._state = "CHOOSE"
        self._request = 0
        self._beat_index = 0
        self._image_words = 0
        self._image_begun = False
        self._outstanding = [0] * len(isa.Ring)
        self._seen = [Delay[int](timing.ring_free_latency(), 0) for _ in isa.Ring]
        self._writer = ByteWriterTiming(config)
        self.arrival = Arrival()
        self.bytes = dict.fromkeys(isa.END_COUNTERS[1:], 0)

    @property
    def idle(self) -> bool:
        """Nothing is fetched, loaded or being dispatched."""
        return (
            not self._fetching
            and not self._loading
            and self._claimed == 0
            and not any(self._outstanding)
            and self._writer.idle(self.arrival.kind == isa.Ring.BYTES)
        )

    @property
    def image_slots(self) -> int:
        """Slots of the image that are written."""
        return self._writer.slots

    @property
    def image_done(self) -> bool:
        """All of the image is written."""
        return (
            self._image_begun
            and not (self._loading and self._load["ring"] == isa.Ring.BYTES)
            and self._outstanding[isa.Ring.BYTES] == 0
            and self._writer.idle(self.arrival.kind == isa.Ring.BYTES)
        )

    def _free_room(self, free: Mapping[int, int]) -> int:
        ring = self._load.get("ring", 0)
        units = free[ring] if ring != isa.Ring.BYTES else self._writer.free
        return max(0, units - self._outstanding[ring])

    def step(
        self,
        cycle: int,
        start: bool,
        free: Mapping[int, int],
        conv_read: bool,
        scalar_read: bool,
        layers_done: int,
        bytes_stall: bool,
    ) -> None:
        """One clock edge. free: beats of each ring that may be written, as of this cycle."""
        arrival = self.arrival
        route: list[int] | None = None
        request = self._request
        claim = False
        state = self._state
        room, quiet = self._room, self._quiet
        loading = self._loading
        added = [0] * len(isa.Ring)
        if state == "CHOOSE":
            self._room = self._free_room(free) if self._load else 0
            self._quiet = self._outstanding[self._load["ring"]] == 0 if self._load else True
            if self._routes.writable and self._fetching and self._claimed != timing.PREFETCHED:
                route, claim = [SCHEDULE, self._instruction_beats], True
                self._request = self._instruction_beats
                self._state = "REQUEST"
            elif self._routes.writable and self._loading and self._load["after"] <= layers_done:
                self._state = "BURST"
        elif state == "BURST":
            self._state = "CHOOSE"
            want = min(timing.BURST, self._load["beats"])
            size = min(room, want)
            if room >= want or (quiet and room):
                ring = self._load["ring"]
                route = [ring, size]
                added[ring] = size
                self._request = size
                if self._load["beats"] == size:
                    loading = False
                self._load["beats"] -= size
                self._state = "REQUEST"
        else:
            self._request = 0
            self._state = "CHOOSE"

        # Beats.
        arrived = self._memory.beat_valid and self._routes.readable
        held = Arrival()
        last = False
        if arrived:
            kind, beats = self._routes.head
            last = self._beat_index == beats - 1
            held = Arrival(kind)
            self._beat_index = 0 if last else self._beat_index + 1
        writing_image = arrival.kind == isa.Ring.BYTES
        for ring in isa.Ring:
            removed = int(arrival.kind == ring)
            if removed:
                self.bytes[_RING_BYTES[ring]] += self._memory_bytes
            self._outstanding[ring] += added[ring] - self._seen[ring].step(removed)
        self._writer.step(self._image_words if writing_image else 0, bytes_stall)

        # Dispatch.
        taken = False
        to_conv: Mapping[str, int] | None = None
        to_scalar: Mapping[str, int] | None = None
        fetching = self._fetching
        if self._instructions.readable and self._fetching and not self._loading:
            word = self._instructions.head
            op = word["op"]
            if op == isa.Op.CONV:
                to_conv, taken = word, self.conv.writable
            elif op == isa.Op.LOAD:
                taken = True
                self._load = dict(word)
                loading = True
                if word["ring"] == isa.Ring.BYTES:
                    self._image_begun = True
                    self._image_words = word["words"]
            else:
                to_scalar, taken = word, self.scalar.writable
                if taken and op == isa.Op.END:
                    fetching = False
        if taken:
            self.bytes["bytes_schedule"] += isa.INSTRUCTION_BYTES
        removed_instruction = self._instructions.readable and (taken or not self._fetching)

        # Clock edge of the FIFOs; instruction words are known in advance, in order.
        written: Mapping[str, int] | None = None
        if arrival.kind == SCHEDULE:
            self._instruction_beat += 1
            if self._instruction_beat == self._instruction_beats:
                self._instruction_beat = 0
                index = self._written
                written = self._schedule[index] if index < len(self._schedule) else _NOTHING
                self._written += 1
        self._instructions.step(written, taken or not self._fetching)
        self._claimed += claim - removed_instruction
        self.conv.step(to_conv, conv_read)
        self.scalar.step(to_scalar, scalar_read)
        self._routes.step(route, arrived and last)
        self._memory.step(cycle, request, arrived)
        self._loading = loading
        self._fetching = fetching or start
        self.arrival = held


_RING_BYTES = {
    isa.Ring.WEIGHTS.value: "bytes_weights",
    isa.Ring.MACS.value: "bytes_macs",
    isa.Ring.CONSTANTS.value: "bytes_constants",
    isa.Ring.BYTES.value: "bytes_image",
    isa.Ring.LONG.value: "bytes_spill_read",
}
_NOTHING: Mapping[str, int] = {"op": 0}
