"""Reads the schedule, executes its LOADs and hands the other instructions to their queues (docs/architecture.md)."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.enum import Enum
from amaranth.lib.wiring import In, Out

from hwflow import isa, timing
from hwflow.config import AcceleratorConfig
from hwflow.timing import BURST, BYTE_WRITER_BEATS, CONV_QUEUE, REQUESTS_AHEAD, SCALAR_QUEUE
from rtl_gen.byte_writer import ByteWriter
from rtl_gen.delay import delayed
from rtl_gen.instruction_queue import InstructionQueue
from rtl_gen.interfaces import (
    CONV,
    LAYER_BITS,
    MEMORY_REQUEST,
    PURPOSE,
    ROW_BITS,
    SCALAR_BITS,
    SLOT_BITS,
    beat_write_layout,
    bytes_write_layout,
    fields_layout,
)
from rtl_gen.registered_fifo import BufferedRegisteredFIFO, RegisteredFIFO
from rtl_gen.ring_room import RingRoom
from rtl_gen.scalar_engine import byte_counts_layout

LOAD = fields_layout(isa.FIELDS[isa.Op.LOAD])


class Kind(Enum, shape=3):
    """Where a beat goes: the rings of isa.Ring, or the instruction queue."""

    WEIGHTS = 0
    MACS = 1
    CONSTANTS = 2
    BYTES = 3
    LONG = 4
    SCHEDULE = 5


KIND_COUNTERS = {
    Kind.WEIGHTS: "bytes_weights",
    Kind.MACS: "bytes_macs",
    Kind.CONSTANTS: "bytes_constants",
    Kind.BYTES: "bytes_image",
    Kind.LONG: "bytes_spill_read",
}

ROUTE = data.StructLayout(
    {
        "kind": Kind,
        "first": 1,
        "last": range(BURST),
        "base": ROW_BITS,
        "words": 8,
    }
)
"""What becomes of a request's beats 0..last."""


def ring_room(config: AcceleratorConfig) -> dict[Kind, int]:
    """Most room that each ring shows as free, in beats."""
    rooms = {
        Kind.WEIGHTS: config.weight_words * config.weight_beats,
        Kind.MACS: 2 * config.mac_words * config.mac_half_beats,
        Kind.CONSTANTS: config.constant_ring_beats,
        Kind.BYTES: BYTE_WRITER_BEATS,
    }
    if config.long_words:
        rooms[Kind.LONG] = config.long_words * config.stream_beats
    return rooms


class Loader(wiring.Component):
    """Owner of the memory port.

    One state machine makes all requests: an instruction whenever there is room for one more, else the next burst of
    the LOAD under execution. A burst is requested when its ring has room for all of it, counting beats already
    requested; when nothing is outstanding for that ring, for what there is room. So beats are always accepted.
    Beats are registered once and written to their ring in the next cycle.

    Instructions are dispatched in order, one a cycle, none while a LOAD still has requests to make.
    After END the loader drops what it prefetched beyond.

    Members: `start`, `schedule_address` (taken with `start`, while `idle`); `request`, `beat` the memory port,
    `purpose` of the request on offer; `conv`, `scalar` the queues; `weights_write`/`_free`, `macs_write`/`_free`,
    `constants_write`/`_free` (beats), `bytes_write`, not in the cycle after `bytes_stall`; `image_slots`, `image_grown`,
    `image_done` of this frame's image: how many slots are written, one more than before, all; with `long_words`,
    `long_write`/`_free` (beats) and `layers_done`, convolutions that are over: a LOAD makes no request before there are
    `after` of them;
    `byte_counts` of the frame: of the schedule, 64 bytes an
    instruction dispatched; of the rings, 8B a beat. `idle` Out: nothing is fetched, loaded or being dispatched.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        self._room = ring_room(config)
        long = {}
        if config.long_words:
            long = {
                "long_write": Out(beat_write_layout(config)),
                "long_free": In(range(self._room[Kind.LONG] + 1)),
                "layers_done": In(LAYER_BITS),
            }
        super().__init__(
            {
                **long,
                "start": In(1),
                "schedule_address": In(32),
                "request": Out(stream.Signature(MEMORY_REQUEST)),
                "purpose": Out(PURPOSE),
                "beat": In(stream.Signature(config.beat_bits)),
                "conv": Out(stream.Signature(CONV)),
                "scalar": Out(stream.Signature(SCALAR_BITS)),
                "weights_write": Out(beat_write_layout(config)),
                "weights_free": In(range(self._room[Kind.WEIGHTS] + 1)),
                "macs_write": Out(beat_write_layout(config)),
                "macs_free": In(range(self._room[Kind.MACS] + 1)),
                "constants_write": Out(beat_write_layout(config)),
                "constants_free": In(range(self._room[Kind.CONSTANTS] + 1)),
                "bytes_write": Out(bytes_write_layout(config)),
                "bytes_stall": In(1),
                "image_slots": Out(SLOT_BITS),
                "image_grown": Out(1),
                "image_done": Out(1),
                "byte_counts": Out(byte_counts_layout()),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        m.submodules.instructions = self._instructions = InstructionQueue(self._config)
        m.submodules.byte_writer = self._byte_writer = ByteWriter(self._config)
        m.submodules.conv_queue = self._conv_queue = BufferedRegisteredFIFO(
            width=CONV.size, depth=CONV_QUEUE
        )
        m.submodules.scalar_queue = self._scalar_queue = BufferedRegisteredFIFO(
            width=SCALAR_BITS, depth=SCALAR_QUEUE
        )
        m.submodules.routes = self._routes = RegisteredFIFO(width=ROUTE.size, depth=REQUESTS_AHEAD)
        # No more is requested than is free.
        self._rooms = {kind: RingRoom(most) for kind, most in self._room.items()}
        for kind, room in self._rooms.items():
            m.submodules[f"room_{kind.name.lower()}"] = room

        self._fetching = Signal()  # between start and END
        self._loading = Signal()  # a LOAD has requests left
        # None has: a register of its own for the many that follow the oldest instruction.
        self._following = Signal(init=1)
        self._load = Signal(LOAD)
        self._first = Signal()
        self._image_begun = Signal()  # its LOAD has been dispatched in this frame
        # A request was made in the last cycle, and is on offer for the first time: for the LOAD, for an instruction. What
        # counts it need not wait for the decision: the next one looks at the counts a cycle later.
        self._burst_made, self._fetch_made = Signal(), Signal()
        convs, convs_none = Signal(range(CONV_QUEUE + 1)), Signal(init=1)
        self._elaborate_requests(m)
        self._elaborate_beats(m)
        self._elaborate_dispatch(m)
        queue = self._conv_queue
        added, removed = queue.w_en & queue.w_rdy, queue.r_en & queue.r_rdy
        with m.If(added & ~removed):
            m.d.sync += [convs.eq(convs + 1), convs_none.eq(0)]
        with m.Elif(removed & ~added):
            m.d.sync += [convs.eq(convs - 1), convs_none.eq(convs == 1)]
        m.d.comb += self.idle.eq(
            ~self._fetching
            & ~self._loading
            & ~self.request.valid
            & self._instructions.empty
            & convs_none
            & Cat(room.quiet for room in self._rooms.values()).all()
            & self._byte_writer.idle
        )
        return m

    def _elaborate_requests(self, m: Module) -> None:
        """Instruction fetches and the bursts of the LOAD, through one request register."""
        load, instructions, routes = self._load, self._instructions, self._routes
        route = data.View(ROUTE, routes.w_data)
        frees: dict[Kind, Value] = {
            Kind.WEIGHTS: self.weights_free,
            Kind.MACS: self.macs_free,
            Kind.CONSTANTS: self.constants_free,
            Kind.BYTES: self._byte_writer.free,
        }
        due: Value = Const(1)
        if self._config.long_words:
            frees[Kind.LONG] = self.long_free
            due = load.after <= self.layers_done
        rooms = self._rooms
        for kind, free in frees.items():
            m.d.comb += [
                rooms[kind].free.eq(free),
                rooms[kind].chosen.eq(load.ring == kind.value),
                rooms[kind].claim.eq(self._burst_made & (load.ring == kind.value)),
                rooms[kind].beats.eq(self.request.payload.beats),
            ]

        # Of the LOAD's ring as of the last cycle: `load` rests for a cycle at least before a burst is chosen.
        room, quiet = Signal(range(BURST + 1)), Signal()
        want, want_all = Signal(range(BURST + 1)), Signal()
        m.d.comb += room.eq(reduce(or_, (ring.room for ring in rooms.values())))
        m.d.sync += [
            quiet.eq(Cat(ring.chosen & ring.quiet for ring in rooms.values()).any()),
            want.eq(Mux(load.beats > BURST, BURST, load.beats)),
            want_all.eq(load.beats <= BURST),
        ]
        short = Signal()
        m.d.comb += short.eq(room < want)
        address = Signal(32)
        request = self.request
        m.d.comb += [
            Value.cast(route.kind).eq(Mux(self._fetch_made, Kind.SCHEDULE.value, load.ring)),
            route.first.eq(self._first),
            route.last.eq(request.payload.beats - 1),
            route.base.eq(load.base),
            route.words.eq(load.words),
            routes.w_en.eq(self._burst_made | self._fetch_made),
            instructions.claim.eq(self._fetch_made),
        ]
        m.d.sync += [self._burst_made.eq(0), self._fetch_made.eq(0)]
        with m.If(self.start):
            m.d.sync += address.eq(self.schedule_address)
        with m.Elif(self._fetch_made):
            m.d.sync += address.eq(address + instructions.beats)
        with m.If(self._burst_made):
            m.d.sync += [
                load.address.eq(load.address + request.payload.beats),
                load.beats.eq(load.beats - request.payload.beats),
                self._first.eq(0),
            ]
        # Payload and purpose mean something only once a request is valid; which one it is does not wait for whether.
        with m.FSM():
            with m.State("CHOOSE"):
                m.d.sync += [
                    self.purpose.kind.eq(isa.INSTRUCTIONS),
                    self.purpose.layer.eq(0),
                    request.payload.address.eq(address),
                    request.payload.beats.eq(instructions.beats),
                ]
                with m.If(routes.w_rdy & self._fetching & instructions.room):
                    m.d.sync += [request.valid.eq(1), self._fetch_made.eq(1)]
                    m.next = "REQUEST"
                with m.Elif(routes.w_rdy & self._loading & due):
                    m.next = "BURST"
            with m.State("BURST"):
                m.next = "CHOOSE"
                m.d.sync += [
                    self.purpose.kind.eq(load.ring),
                    self.purpose.layer.eq(load.layer),
                    request.payload.address.eq(load.address),
                    request.payload.beats.eq(Mux(short, room, want)),
                ]
                with m.If(~short | (quiet & (room != 0))):
                    m.d.sync += [request.valid.eq(1), self._burst_made.eq(1)]
                    m.next = "REQUEST"
                with m.If(~short & want_all):
                    m.d.sync += [self._loading.eq(0), self._following.eq(1)]
            with m.State("REQUEST"), m.If(request.ready):
                m.d.sync += request.valid.eq(0)
                m.next = "CHOOSE"

    def _elaborate_beats(self, m: Module) -> None:
        """Route arriving beats, count them, and account for outstanding room."""
        routes = self._routes
        route = data.View(ROUTE, routes.r_data)
        index = Signal(range(BURST))
        arrived = self.beat.valid & self.beat.ready
        last = index == route.last
        m.d.comb += [self.beat.ready.eq(routes.r_rdy), routes.r_en.eq(arrived & last)]
        with m.If(arrived):
            m.d.sync += index.eq(Mux(last, 0, index + 1))

        beat = Signal(self._config.beat_bits)
        held = Signal(ROUTE)
        held_first = Signal()
        # A flag for each kind: rings far away look at them.
        held_at = {kind: Signal(name=f"held_{kind.name.lower()}") for kind in Kind}
        m.d.sync += [flag.eq(arrived & (route.kind == kind)) for kind, flag in held_at.items()]
        with m.If(arrived):
            m.d.sync += [
                beat.eq(self.beat.payload),
                held.eq(route),
                held_first.eq(route.first & (index == 0)),
            ]

        def at(kind: Kind) -> Value:
            return held_at[kind]

        writer = self._byte_writer
        m.d.comb += [
            self.weights_write.valid.eq(at(Kind.WEIGHTS)),
            self.weights_write.data.eq(beat),
            self.macs_write.valid.eq(at(Kind.MACS)),
            self.macs_write.data.eq(beat),
            self.constants_write.valid.eq(at(Kind.CONSTANTS)),
            self.constants_write.data.eq(beat),
            self._instructions.write.valid.eq(at(Kind.SCHEDULE)),
            self._instructions.write.data.eq(beat),
            writer.beat.valid.eq(at(Kind.BYTES)),
            writer.beat.first.eq(held_first),
            writer.beat.base.eq(held.base),
            writer.beat.words.eq(held.words),
            writer.beat.data.eq(beat),
            self.bytes_write.eq(writer.write),
            writer.stall.eq(self.bytes_stall),
            writer.restart.eq(self.start),
            self.image_slots.eq(writer.slots),
            self.image_grown.eq(writer.grown),
        ]
        # Known a cycle ahead: the sequencer waits for it.
        m.d.sync += self.image_done.eq(
            self._image_begun
            & ~(self._loading & (self._load.ring == isa.Ring.BYTES))
            & self._rooms[Kind.BYTES].settled
            & writer.empty
        )
        if self._config.long_words:
            m.d.comb += [
                self.long_write.valid.eq(at(Kind.LONG)),
                self.long_write.data.eq(beat),
            ]

        # A beat stays outstanding until the ring's free room is sure to show it.
        settle = timing.ring_free_latency()
        for kind, room in self._rooms.items():
            m.d.comb += room.seen.eq(delayed(m, at(kind), settle, f"seen_{kind.name.lower()}")[-1])

        counts = self.byte_counts
        for kind, name in KIND_COUNTERS.items():
            with m.If(self.start):
                m.d.sync += counts[name].eq(0)
            with m.Elif(at(kind)):
                m.d.sync += counts[name].eq(counts[name] + self._config.memory_bytes)

    def _elaborate_dispatch(self, m: Module) -> None:
        """Hand the oldest instruction to its queue, or begin its LOAD."""
        instruction = self._instructions.instruction
        conv_queue, scalar_queue = self._conv_queue, self._scalar_queue
        word = instruction.payload
        destination = self._instructions.destination
        available = instruction.valid & self._fetching & ~self._loading
        taken = Signal()
        m.d.comb += [
            conv_queue.w_data.eq(word[: CONV.size]),
            conv_queue.w_en.eq(available & destination.conv),
            scalar_queue.w_data.eq(word[:SCALAR_BITS]),
            scalar_queue.w_en.eq(available & destination.scalar),
            # Instructions prefetched beyond END are dropped.
            instruction.ready.eq(~self._fetching | taken),
            self.conv.payload.eq(conv_queue.r_data),
            self.conv.valid.eq(conv_queue.r_rdy),
            conv_queue.r_en.eq(self.conv.ready),
            self.scalar.payload.eq(scalar_queue.r_data),
            self.scalar.valid.eq(scalar_queue.r_rdy),
            scalar_queue.r_en.eq(self.scalar.ready),
        ]
        with m.If(available):
            with m.If(destination.scalar):
                m.d.comb += taken.eq(scalar_queue.w_rdy)
            with m.Elif(destination.conv):
                m.d.comb += taken.eq(conv_queue.w_rdy)
            with m.Else():
                m.d.comb += taken.eq(1)
                m.d.sync += [self._loading.eq(1), self._following.eq(0)]
                with m.If(data.View(LOAD, word[: LOAD.size]).ring == isa.Ring.BYTES):
                    m.d.sync += self._image_begun.eq(1)
        # The oldest instruction, whatever it is, as long as there is no LOAD.
        with m.If(self._following):
            m.d.sync += [self._load.eq(word[: LOAD.size]), self._first.eq(1)]

        schedule = self.byte_counts["bytes_schedule"]
        dispatched = (
            Signal()
        )  # in the last cycle: nobody looks at the count before END has gone through its queue
        m.d.sync += dispatched.eq(taken)
        with m.If(dispatched):
            m.d.sync += schedule.eq(schedule + isa.INSTRUCTION_BYTES)
        with m.If(taken & destination.end):
            m.d.sync += self._fetching.eq(0)
        with m.If(self.start):
            m.d.sync += [self._fetching.eq(1), self._image_begun.eq(0), schedule.eq(0)]
