"""Carries out the host's requests: one at a time, each at most once (docs/host-link.md)."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from hwflow.host.protocol import (
    ANSWER,
    HELLO_BYTES,
    REQUESTS,
    TALLY_FIELDS,
    WORD_BYTES,
    Flag,
    Kind,
    Status,
    fields_bytes,
)
from hwflow.timing import MEMORY_PATIENCE
from rtl_gen.link.frames import LENGTH_BITS, FrameDecoder, FrameEncoder
from rtl_gen.link.members import accelerator_members
from rtl_gen.link.mover import MemoryMover, Move
from rtl_gen.link.parameters import LinkConfig, capability_words, versions
from rtl_gen.link.repeat import Repeater
from rtl_gen.link.request_range import request_range
from rtl_gen.link.results import ResultKeeper
from rtl_gen.ram import Ram

ARGUMENT_BYTES = max(fields_bytes(fields) for fields in REQUESTS.values())
ADDRESS_BYTES = fields_bytes(REQUESTS[Kind.WRITE])
WORD_BITS = 8 * WORD_BYTES
RESET_CYCLES = 16
ONCE = (Kind.WRITE, Kind.RUN, Kind.RESET)
"""Requests that a repetition does not carry out again; the others only read."""

STATE = data.StructLayout({"status": 8, "flags": 8, "words": 16, "run": 32})
"""protocol.STATE."""


class CommandEngine(wiring.Component):
    """Between bytes of the link, the accelerator and its memory.

    Args:
        config: the accelerator.
        link: sizes, and what HELLO answers.
        patience: cycles that the memory may owe an answer.

    Members: `valid`, `byte` In, from the UART; `bytes` Out stream, to it; `memory`, `write`, `written`: as the
    accelerator's ports, used only while it is not `busy`; `start`, `schedule_address` Out, `busy`, `done`, `error` In,
    `results` In: the accelerator's; `reset` Out, of accelerator and memory; `open` Out: there was a HELLO; `active` Out: a
    request is carried out or answered; `failed` Out: the last run ended with an error; `marker` Out: from a RUN's first
    start to its last done.
    """

    def __init__(
        self, config: AcceleratorConfig, link: LinkConfig, *, patience: int = MEMORY_PATIENCE
    ) -> None:
        self._config, self._link = config, link
        super().__init__(
            {
                "valid": In(1),
                "byte": In(8),
                "bytes": Out(stream.Signature(8)),
                **accelerator_members(config),
            }
        )
        self._arguments = Signal(8 * ARGUMENT_BYTES)
        self._results_done = Signal()
        self._run = Signal(32)
        self._status, self._saved = Signal(Status), Signal(Status)
        self._answer_words = Signal(LENGTH_BITS)
        self._word = Signal(range(link.buffer_words + 1))  # of the buffer: next to send
        self._encoder = FrameEncoder()
        self._decoder = FrameDecoder(ADDRESS_BYTES + link.data_bytes)
        self._buffer = Ram(WORD_BITS, link.buffer_words)
        self._keeper = ResultKeeper(link.buffer_words)
        self._repeater = Repeater()
        self._running = self._repeater.running
        self._mover = MemoryMover(config, link.buffer_words, patience=patience)
        self._storing, self._moving = Signal(), Signal()
        self._resetting = Signal(range(RESET_CYCLES))
        self._keep = Signal(8)
        self._state, self._shift = Signal(STATE), Signal(WORD_BITS)
        self._words = Signal(LENGTH_BITS)  # that follow the state
        self._size = Signal(LENGTH_BITS)  # of a WRITE's data, bytes
        self._meant = Signal()  # the memory's CRC is the one of RUN

    def _argument(self, kind: Kind, name: str) -> Value:
        """A number of a request's payload, whose last byte lies highest."""
        fields = REQUESTS[kind]
        at = ARGUMENT_BYTES - fields_bytes(fields)
        for field, size in fields:
            if field == name:
                return self._arguments[8 * at : 8 * (at + size)]
            at += size
        raise KeyError(name)

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        m.submodules.decoder = decoder = self._decoder
        m.submodules.encoder = self._encoder
        m.submodules.buffer = self._buffer
        m.submodules.keeper = self._keeper
        m.submodules.repeater = self._repeater
        m.submodules.mover = self._mover
        wiring.connect(m, self._encoder.bytes, wiring.flipped(self.bytes))
        wiring.connect(m, wiring.flipped(self.results), self._keeper.results)
        m.d.comb += [decoder.valid.eq(self.valid), decoder.byte.eq(self.byte)]
        with m.If(self._repeater.ended):
            m.d.sync += self._results_done.eq(1)
        self._elaborate_payload(m)
        self._elaborate_ports(m)
        self._range = request_range(
            m, self._config, self._link, self._decoder.kind, self._argument, self._size
        )
        # The CRC is there before the state in which this is looked at.
        m.d.sync += self._meant.eq(self._mover.crc == self._argument(Kind.RUN, "crc"))
        with m.FSM(name="engine") as engine:
            m.d.comb += self.active.eq(~engine.ongoing("IDLE"))
            self._elaborate_dispatch(m)
            self._elaborate_start(m)
            self._elaborate_reset(m)
            self._elaborate_answer(m)
        return m

    def _elaborate_payload(self, m: Module) -> None:
        """A request's numbers go to a register, a WRITE's data to the buffer unless a run may be writing there."""
        decoder, buffer, keeper = self._decoder, self._buffer, self._keeper
        gathered = Signal(WORD_BITS - 8)
        is_data = Signal()
        m.d.comb += [
            is_data.eq((decoder.kind == Kind.WRITE) & (decoder.index >= ADDRESS_BYTES)),
            buffer.write_address.eq(keeper.address),
            buffer.write_data.eq(keeper.data),
            buffer.write_enable.eq(keeper.write),
        ]
        with m.If(self._mover.write_enable):
            m.d.comb += [
                buffer.write_enable.eq(1),
                buffer.write_address.eq(self._mover.write_address),
                buffer.write_data.eq(self._mover.write_data),
            ]
        with m.If(decoder.payload):
            with m.If(is_data):
                m.d.sync += gathered.eq(Cat(gathered[8:], decoder.data))
                at = Signal(LENGTH_BITS)
                m.d.comb += at.eq(decoder.index - ADDRESS_BYTES)
                with m.If(self._storing & (at[:3] == WORD_BYTES - 1)):
                    m.d.comb += [
                        buffer.write_enable.eq(1),
                        buffer.write_address.eq(at[3:]),
                        buffer.write_data.eq(Cat(gathered, decoder.data)),
                    ]
                    m.d.sync += self._results_done.eq(0)
            with m.Else():
                m.d.sync += self._arguments.eq(Cat(self._arguments[8:], decoder.data))
            with m.If(decoder.index == 0):
                m.d.sync += self._storing.eq(~self._running & ~self.busy)

    def _elaborate_ports(self, m: Module) -> None:
        """What does not depend on the request."""
        m.d.comb += [
            self._size.eq(self._decoder.length - ADDRESS_BYTES),
            self._buffer.read_enable.eq(1),
            self._buffer.read_address.eq(self._word),
            self._mover.read_data.eq(self._buffer.read_data),
            self._mover.written.eq(self.written),
            self.schedule_address.eq(self._argument(Kind.RUN, "schedule")),
            self._keeper.keep.eq(self._keep),
        ]
        with m.If(self._moving):
            m.d.comb += self._buffer.read_address.eq(self._mover.read_address)
        repeater, keeper = self._repeater, self._keeper
        m.d.comb += [getattr(repeater, n).eq(getattr(self, n)) for n in ("busy", "done", "error")]
        m.d.comb += [
            getattr(repeater, n).eq(getattr(keeper, n)) for n in ("signed", "signed_value")
        ]
        m.d.comb += [getattr(self, n).eq(getattr(repeater, n)) for n in ("start", "failed")]
        m.d.comb += [
            repeater.runs.eq(self._argument(Kind.RUN, "runs")),
            keeper.clear.eq(repeater.start | repeater.cancel),
            self.marker.eq(repeater.running),
        ]
        wiring.connect(m, self._mover.memory, wiring.flipped(self.memory))
        wiring.connect(m, self._mover.write, wiring.flipped(self.write))
        flags = {
            Flag.BUSY: self._running | self.busy,
            Flag.DONE: self._results_done,
            Flag.ERROR: self.failed,
            Flag.OVERFLOW: self._keeper.overflow,
            Flag.DIFFERENT: repeater.different,
        }
        m.d.comb += [
            self._state.status.eq(self._status),
            self._state.flags.eq(Cat(flags[flag] for flag in Flag)),
            self._state.words.eq(self._keeper.words),
            self._state.run.eq(self._run),
            self._words.eq(Mux(self._status == Status.OK, self._answer_words, 0)),
            self._encoder.length.eq((self._words + 1) << 3),
            self._encoder.payload.payload.eq(self._shift[:8]),
        ]

    def _finish(self, m: Module, status: Status | Value) -> None:
        """The answer to a request that was carried out."""
        m.d.sync += [self._status.eq(status), self._saved.eq(status)]
        m.next = "ANSWER"

    def _elaborate_dispatch(self, m: Module) -> None:
        decoder = self._decoder
        beats = self._config.memory_bytes
        last, last_crc = Signal(16), Signal(32)
        ahead, fits = Signal(16), Signal()
        again, fresh, once = Signal(), Signal(), Signal()
        with m.State("IDLE"):
            m.d.comb += decoder.enable.eq(1)
            m.d.sync += self._encoder.kind.eq(ANSWER)
            with m.If(decoder.damaged):
                m.d.sync += [self._encoder.sequence.eq(0), self._status.eq(Status.DAMAGED)]
                m.next = "ANSWER"
            with m.Elif(decoder.done):
                m.d.sync += [
                    self._encoder.sequence.eq(decoder.sequence),
                    self._encoder.kind.eq(decoder.kind | ANSWER),
                ]
                m.next = "DISPATCH"
        with m.State("DISPATCH"):
            m.d.comb += [
                ahead.eq(decoder.sequence - last),
                again.eq((ahead == 0) & (decoder.crc == last_crc)),
                fresh.eq((ahead != 0) & ~ahead[-1]),
            ]
            with m.Switch(decoder.kind):
                with m.Case(Kind.WRITE):
                    whole = self._size[: (beats - 1).bit_length()] == 0
                    m.d.comb += [fits.eq((decoder.length > ADDRESS_BYTES) & whole), once.eq(1)]
                for kind, fields in REQUESTS.items():
                    if kind is not Kind.WRITE:
                        with m.Case(kind):
                            m.d.comb += fits.eq(decoder.length == fields_bytes(fields))
                            m.d.comb += once.eq(kind in ONCE)
            new = (decoder.kind == Kind.HELLO) | again | fresh
            m.next = "ANSWER"
            with m.If(~fits):
                m.d.sync += self._status.eq(Status.REQUEST)
            with m.Elif(~self.open & (decoder.kind != Kind.HELLO)):
                m.d.sync += self._status.eq(Status.SESSION)
            with m.Elif(~new):
                m.d.sync += self._status.eq(Status.SEQUENCE)
            with m.Elif(again & once & self.open):
                m.d.sync += self._status.eq(self._saved)
            with m.Else():
                m.d.sync += [last.eq(decoder.sequence), last_crc.eq(decoder.crc)]
                m.next = "EXECUTE"
        with m.State("EXECUTE"):
            self._elaborate_execute(m)

    def _elaborate_execute(self, m: Module) -> None:
        """The checks of each kind of request."""
        decoder, link = self._decoder, self._link
        shift = (self._config.memory_bytes - 1).bit_length()
        address, beats, outside = self._range
        busy = Signal()
        m.d.comb += busy.eq(self._running | self.busy)
        m.d.comb += [self._mover.address.eq(address), self._mover.beats.eq(beats)]
        m.d.sync += self._word.eq(0)
        with m.Switch(decoder.kind):
            with m.Case(Kind.HELLO):
                m.d.sync += [self.open.eq(1), self._answer_words.eq(HELLO_BYTES // WORD_BYTES)]
                self._finish(m, Status.OK)
            with m.Case(Kind.WRITE):
                m.d.sync += self._answer_words.eq(0)
                with m.If(busy | ~self._storing):
                    self._finish(m, Status.BUSY)
                with m.Elif(outside):
                    self._finish(m, Status.RANGE)
                with m.Else():
                    self._move(m, Move.STORE)
            for kind in (Kind.READ, Kind.CHECK, Kind.RUN):
                with m.Case(kind):
                    words = {
                        Kind.READ: beats[:LENGTH_BITS] << (shift - 3),
                        Kind.CHECK: Const(1),
                        Kind.RUN: Const(0),
                    }
                    m.d.sync += self._answer_words.eq(words[kind])
                    limits = {
                        Kind.READ: beats > link.data_bytes >> shift,
                        Kind.RUN: self._argument(Kind.RUN, "runs") == 0,
                    }
                    with m.If(busy):
                        self._finish(m, Status.BUSY)
                    with m.Elif(outside | limits.get(kind, Const(0, 1))):
                        self._finish(m, Status.RANGE)
                    with m.Else():
                        if kind is Kind.READ:
                            m.d.sync += self._results_done.eq(0)
                        self._move(m, Move.FETCH if kind is Kind.READ else Move.CHECK)
            with m.Case(Kind.RESULTS):
                first = self._argument(Kind.RESULTS, "first")
                count = self._argument(Kind.RESULTS, "count")
                m.d.sync += [self._word.eq(first), self._answer_words.eq(count)]
                with m.If(~self._known(Kind.RESULTS)):
                    self._finish(m, Status.NO_RESULTS)
                with m.Elif(
                    (first + count > self._keeper.words) | (count > link.data_bytes // WORD_BYTES)
                ):
                    self._finish(m, Status.RANGE)
                with m.Else():
                    self._finish(m, Status.OK)
            with m.Case(Kind.TALLY):
                m.d.sync += self._answer_words.eq(fields_bytes(TALLY_FIELDS) // WORD_BYTES)
                self._finish(m, Mux(self._known(Kind.TALLY), Status.OK, Status.NO_RESULTS))
            with m.Case(Kind.STATUS):
                m.d.sync += self._answer_words.eq(0)
                self._finish(m, Status.OK)
            with m.Default():
                m.d.sync += self._answer_words.eq(0)
                self._reset_with(m, Status.OK)

    def _known(self, kind: Kind) -> Value:
        return (self._argument(kind, "run") == self._run) & self._results_done

    def _move(self, m: Module, move: Move) -> None:
        m.d.comb += [self._mover.start.eq(1), self._mover.move.eq(move)]
        m.next = "MOVE"

    def _reset_with(self, m: Module, status: Status) -> None:
        m.d.sync += [self._resetting.eq(RESET_CYCLES - 1), self._saved.eq(status)]
        m.next = "RESET"

    def _elaborate_start(self, m: Module) -> None:
        """What follows the move of beats: for RUN the start, if what the run will read is what the host means."""
        with m.State("MOVE"):
            m.d.comb += self._moving.eq(1)
            with m.If(self._mover.done & self._mover.failed):
                self._reset_with(m, Status.MEMORY)
            with m.Elif(self._mover.done):
                self._finish(m, Status.OK)
                with m.If(self._decoder.kind == Kind.RUN):
                    m.next = "START"
        with m.State("START"):
            self._finish(m, Status.MISMATCH)
            with m.If(self._meant):
                m.d.comb += self._repeater.begin.eq(1)
                m.d.sync += [
                    self._keep.eq(self._argument(Kind.RUN, "keep")),
                    self._run.eq(self._argument(Kind.RUN, "run")),
                    self._results_done.eq(0),
                ]
                self._finish(m, Status.OK)

    def _elaborate_reset(self, m: Module) -> None:
        with m.State("RESET"):
            m.d.comb += [self.reset.eq(1), self._repeater.cancel.eq(1)]
            m.d.sync += [self._resetting.eq(self._resetting - 1), self._results_done.eq(0)]
            with m.If(self._resetting == 0):
                self._finish(m, self._saved)

    def _elaborate_answer(self, m: Module) -> None:
        """The state, then whole words: capabilities, a CRC, or the buffer's."""
        encoder, state, shift = self._encoder, self._state, self._shift
        bytes_left, index = Signal(3), Signal(LENGTH_BITS)
        rom = Array(Const(word, WORD_BITS) for word in capability_words(self._config, self._link))
        nonce = self._argument(Kind.HELLO, "nonce")
        with m.State("ANSWER"):
            m.d.comb += encoder.start.eq(1)
            m.d.sync += [shift.eq(state), bytes_left.eq(WORD_BYTES - 1), index.eq(0)]
            m.next = "BYTES"
        with m.State("BYTES"):
            m.d.comb += encoder.payload.valid.eq(1)
            with m.If(encoder.payload.ready):
                m.d.sync += [shift.eq(shift >> 8), bytes_left.eq(bytes_left - 1)]
                with m.If(bytes_left == 0):
                    m.next = "MORE"
        with m.State("MORE"):
            m.next = "LOAD"
            with m.If(index == self._words):
                m.next = "END"
        with m.State("LOAD"):
            m.d.sync += [index.eq(index + 1), self._word.eq(self._word + 1)]
            m.d.sync += shift.eq(self._buffer.read_data)
            with m.If(self._decoder.kind == Kind.CHECK):
                m.d.sync += shift.eq(self._mover.crc)
            with m.Elif(self._decoder.kind == Kind.TALLY):
                m.d.sync += shift.eq(Mux(index, self._repeater.cycles, self._repeater.tally))
            with m.Elif(self._decoder.kind == Kind.HELLO):
                m.d.sync += shift.eq(rom[(index - 1)[:4]])
                with m.If(index == 0):
                    m.d.sync += shift.eq(Cat(nonce, Const(versions(), 32)))
            m.next = "BYTES"
        with m.State("END"), m.If(encoder.idle):
            m.next = "IDLE"
