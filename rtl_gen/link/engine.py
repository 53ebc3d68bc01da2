"""Carries out the host's requests: one at a time, each at most once (docs/host-link.md)."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from hwflow.host.protocol import (
    ANSWER,
    HELLO_BYTES,
    TALLY_FIELDS,
    WORD_BYTES,
    Flag,
    Kind,
    Status,
    fields_bytes,
)
from hwflow.timing import MEMORY_PATIENCE
from rtl_gen.link.checks import ADDRESS_BYTES, ARGUMENT_BYTES, RequestChecks, argument
from rtl_gen.link.frames import LENGTH_BITS, FrameDecoder, FrameEncoder
from rtl_gen.link.members import accelerator_members
from rtl_gen.link.mover import MemoryMover, Move
from rtl_gen.link.parameters import LinkConfig, capability_words, versions
from rtl_gen.link.repeat import Repeater
from rtl_gen.link.results import ResultKeeper
from rtl_gen.ram import Ram

WORD_BITS = 8 * WORD_BYTES
RESET_CYCLES = 16

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
        self._judgement, self._admitted = Signal(Status), Signal()
        self._verdict, self._begins = Signal(Status), Signal()
        self._answer_words = Signal(LENGTH_BITS)
        self._word = Signal(range(link.buffer_words + 1))  # of the buffer: next to send
        self._encoder = FrameEncoder()
        self._decoder = FrameDecoder(ADDRESS_BYTES + link.data_bytes)
        self._checks = RequestChecks(config, link)
        self._buffer = Ram(WORD_BITS, link.buffer_words)
        self._keeper = ResultKeeper(link.buffer_words)
        self._repeater = Repeater()
        self._busy, self._occupied = Signal(), Signal()  # accelerator; or a RUN is not over
        self._mover = MemoryMover(config, link.buffer_words, patience=patience)
        self._storing, self._moving = Signal(), Signal()
        self._resetting = Signal(range(RESET_CYCLES))
        self._keep = Signal(8)
        self._state, self._shift = Signal(STATE), Signal(WORD_BITS)
        self._words = Signal(LENGTH_BITS)  # that follow the state
        self._index, self._complete = Signal(LENGTH_BITS), Signal()  # of these sent; all are
        self._following = Signal(WORD_BITS)
        self._meant = Signal()  # the memory's CRC is the one of RUN

    def _argument(self, kind: Kind, name: str) -> Value:
        return argument(self._arguments, kind, name)

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        m.submodules.decoder = decoder = self._decoder
        m.submodules.checks = self._checks
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
        # The CRC is there before the state in which this is looked at.
        m.d.sync += self._meant.eq(self._mover.crc == self._argument(Kind.RUN, "crc"))
        self._elaborate_following(m)
        self._elaborate_judgement(m)
        self._elaborate_verdict(m)
        m.d.sync += self.reset.eq(0)
        with m.FSM(name="engine") as engine:
            m.d.comb += self.active.eq(~engine.ongoing("IDLE"))
            self._elaborate_dispatch(m)
            self._elaborate_start(m)
            self._elaborate_reset(m)
            self._elaborate_answer(m)
        return m

    def _elaborate_payload(self, m: Module) -> None:
        """A request's numbers go to a register, a WRITE's data to the buffer unless a run may be writing there."""
        decoder, buffer, keeper, mover = self._decoder, self._buffer, self._keeper, self._mover
        gathered, gathering = Signal(WORD_BITS), Signal(range(WORD_BYTES))
        place, complete = Signal(range(self._link.buffer_words)), Signal()
        # A byte's index is there since the byte before it, many cycles ago.
        past_address, is_data = Signal(), Signal()
        m.d.sync += past_address.eq(decoder.index >= ADDRESS_BYTES)
        m.d.comb += is_data.eq(self._checks.is_kind(Kind.WRITE) & past_address)
        m.d.sync += complete.eq(0)
        with m.If(decoder.payload):
            with m.If(is_data):
                m.d.sync += [
                    gathered.eq(Cat(gathered[8:], decoder.data)),
                    gathering.eq(gathering + 1),
                    complete.eq(self._storing & (gathering == WORD_BYTES - 1)),
                ]
            with m.Else():
                m.d.sync += self._arguments.eq(Cat(self._arguments[8:], decoder.data))
            with m.If(decoder.index == 0):
                m.d.sync += [self._storing.eq(~self._occupied), place.eq(0), gathering.eq(0)]
        with m.If(complete):
            m.d.sync += [place.eq(place + 1), self._results_done.eq(0)]
        # The buffer's port of writing is a register: results, beats from the memory, or data for it.
        m.d.sync += [
            buffer.write_enable.eq(keeper.write | mover.write_enable | complete),
            buffer.write_address.eq(
                Mux(complete, place, Mux(mover.write_enable, mover.write_address, keeper.address))
            ),
            buffer.write_data.eq(
                Mux(complete, gathered, Mux(mover.write_enable, mover.write_data, keeper.data))
            ),
        ]

    def _elaborate_ports(self, m: Module) -> None:
        """What does not depend on the request."""
        decoder, checks = self._decoder, self._checks
        m.d.comb += [
            *(
                getattr(checks, name).eq(getattr(decoder, name))
                for name in ("kind", "sequence", "length", "crc")
            ),
            checks.arguments.eq(self._arguments),
            checks.run.eq(self._run),
            checks.words.eq(self._keeper.words),
            self._mover.address.eq(checks.address),
            self._mover.beats.eq(checks.beats),
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
            # From the request on, so that its answer already counts no words.
            keeper.clear.eq(repeater.begin | repeater.start | repeater.cancel),
            self.marker.eq(repeater.marker),
            self._occupied.eq(repeater.running | self._busy),
        ]
        m.d.sync += self._busy.eq(self.busy)
        wiring.connect(m, self._mover.memory, wiring.flipped(self.memory))
        wiring.connect(m, self._mover.write, wiring.flipped(self.write))
        flags = {
            Flag.BUSY: self._occupied,
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
        decoder, checks = self._decoder, self._checks
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
            m.next = "ADMIT"
        with m.State("ADMIT"):
            m.d.sync += self._status.eq(self._judgement)
            m.next = "ANSWER"
            with m.If(self._admitted):
                m.d.comb += checks.accept.eq(1)
                m.next = "EXECUTE"
        with m.State("EXECUTE"):
            self._elaborate_execute(m)

    def _elaborate_judgement(self, m: Module) -> None:
        """What the checks come to, a cycle after them: the answer if a request is not admitted."""
        checks = self._checks
        hello = checks.is_kind(Kind.HELLO)
        judgement, admitted = self._judgement, self._admitted
        repeated = checks.again & checks.once & self.open
        m.d.sync += [judgement.eq(self._saved), admitted.eq(0)]
        with m.If(~checks.fits):
            m.d.sync += judgement.eq(Status.REQUEST)
        with m.Elif(~self.open & ~hello):
            m.d.sync += judgement.eq(Status.SESSION)
        with m.Elif(~(hello | checks.again | checks.fresh)):
            m.d.sync += judgement.eq(Status.SEQUENCE)
        with m.Elif(~repeated):
            m.d.sync += admitted.eq(1)

    def _elaborate_verdict(self, m: Module) -> None:
        """A request's answer if it can be carried out, known a cycle ahead; whether it begins to move beats."""
        checks, is_kind = self._checks, self._checks.is_kind
        moves = is_kind(Kind.WRITE, Kind.READ, Kind.CHECK, Kind.RUN)
        taken, unknown = Signal(), Signal()
        m.d.comb += [
            taken.eq(self._occupied | (is_kind(Kind.WRITE) & ~self._storing)),
            unknown.eq(~(checks.asked & self._results_done)),
        ]
        verdict, begins = self._verdict, self._begins
        m.d.sync += [verdict.eq(Status.OK), begins.eq(moves & ~taken & ~checks.refused)]
        with m.If(moves):
            m.d.sync += verdict.eq(Mux(taken, Status.BUSY, Status.RANGE))
        with m.Elif(is_kind(Kind.RESULTS, Kind.TALLY) & unknown):
            m.d.sync += verdict.eq(Status.NO_RESULTS)
        with m.Elif(is_kind(Kind.RESULTS) & checks.beyond):
            m.d.sync += verdict.eq(Status.RANGE)

    def _elaborate_execute(self, m: Module) -> None:
        """What each kind of request needs, and its answer if that is not there or there is nothing more to do."""
        checks, is_kind = self._checks, self._checks.is_kind
        shift = (self._config.memory_bytes - 1).bit_length()
        self._finish(m, self._verdict)
        with m.If(self._begins):
            m.next = "BEGIN"
            with m.If(is_kind(Kind.READ)):
                m.d.sync += self._results_done.eq(0)
        with m.If(is_kind(Kind.RESET)):
            self._reset_with(m, Status.OK)
        with m.If(is_kind(Kind.HELLO)):
            m.d.sync += self.open.eq(1)

        first, count = (self._argument(Kind.RESULTS, name) for name in ("first", "count"))
        m.d.sync += [self._word.eq(Mux(is_kind(Kind.RESULTS), first, 0)), self._answer_words.eq(0)]
        for kind, words in (
            (Kind.HELLO, Const(HELLO_BYTES // WORD_BYTES)),
            (Kind.READ, checks.beats[:LENGTH_BITS] << (shift - 3)),
            (Kind.CHECK, Const(1)),
            (Kind.RESULTS, count),
            (Kind.TALLY, Const(fields_bytes(TALLY_FIELDS) // WORD_BYTES)),
        ):
            with m.If(is_kind(kind)):
                m.d.sync += self._answer_words.eq(words)

    def _reset_with(self, m: Module, status: Status) -> None:
        m.d.sync += [self._resetting.eq(RESET_CYCLES - 1), self._saved.eq(status)]
        m.next = "RESET"

    def _elaborate_start(self, m: Module) -> None:
        """What follows the move of beats: for RUN the start, if what the run will read is what the host means."""
        is_kind = self._checks.is_kind
        move = Mux(is_kind(Kind.READ), Move.FETCH, Move.CHECK)
        m.d.comb += self._mover.move.eq(Mux(is_kind(Kind.WRITE), Move.STORE, move))
        with m.State("BEGIN"):
            m.d.comb += self._mover.start.eq(1)
            m.next = "MOVE"
        with m.State("MOVE"):
            m.d.comb += self._moving.eq(1)
            with m.If(self._mover.done & self._mover.failed):
                self._reset_with(m, Status.MEMORY)
            with m.Elif(self._mover.done):
                self._finish(m, Status.OK)
                with m.If(is_kind(Kind.RUN)):
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
            m.d.comb += self._repeater.cancel.eq(1)
            m.d.sync += [
                self.reset.eq(1),
                self._resetting.eq(self._resetting - 1),
                self._results_done.eq(0),
            ]
            with m.If(self._resetting == 0):
                self._finish(m, self._saved)

    def _elaborate_following(self, m: Module) -> None:
        """A word takes long to send: meanwhile the next one comes into a register, and whether there is one."""
        is_kind, repeater, index = self._checks.is_kind, self._repeater, self._index
        nonce = self._argument(Kind.HELLO, "nonce")
        hello = Array(
            [
                Cat(nonce, Const(versions(), 32)),
                *(Const(word, WORD_BITS) for word in capability_words(self._config, self._link)),
            ]
        )
        m.d.sync += [
            self._following.eq(self._buffer.read_data),
            self._complete.eq(index == self._words),
        ]
        for kind, word in (
            (Kind.CHECK, self._mover.crc),
            (Kind.TALLY, Mux(index[0], repeater.cycles, repeater.tally)),
            (Kind.HELLO, hello[index[:4]]),
        ):
            with m.If(is_kind(kind)):
                m.d.sync += self._following.eq(word)

    def _elaborate_answer(self, m: Module) -> None:
        """The state, then whole words: capabilities, a CRC, or the buffer's."""
        encoder, state, shift = self._encoder, self._state, self._shift
        bytes_left, index = Signal(3), self._index
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
            with m.If(self._complete):
                m.next = "END"
        with m.State("LOAD"):
            m.d.sync += [index.eq(index + 1), self._word.eq(self._word + 1)]
            m.d.sync += shift.eq(self._following)
            m.next = "BYTES"
        with m.State("END"), m.If(encoder.idle):
            m.next = "IDLE"
