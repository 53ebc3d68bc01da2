"""What the scalar engine sends to the result stream: logits, records of its FCs, the frame's END record."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from hwflow import isa, timing
from hwflow.timing import RESULT_WORDS
from rtl_gen.interfaces import RESULT_WORD
from rtl_gen.records import RecordSerialiser, header, record_layout
from rtl_gen.scalar_unit import RESULT_BITS

CLASS_BITS = 16

LOGIT = data.StructLayout({"valid": 1, "index": CLASS_BITS, "value": signed(RESULT_BITS)})
RECORD = record_layout(len(isa.END_COUNTERS))


class ScalarResults(wiring.Component):
    """One FIFO for both; a record waits in front of it while a logit goes in.

    Members: `logit` In, class and value, taken at once: issued only while `room`; `room` Out: a logit that is issued in the
    next cycle finds a place, and no record is under way; `record` In; `result` Out; `empty` Out: everything has left.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "logit": In(LOGIT),
                "room": Out(1),
                "record": In(stream.Signature(RECORD)),
                "result": Out(stream.Signature(RESULT_WORD)),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        m.submodules.words = words = SyncFIFOBuffered(width=RESULT_WORD.size, depth=RESULT_WORDS)
        m.submodules.serialiser = serialiser = RecordSerialiser(len(isa.END_COUNTERS))
        logit = self.logit
        word = Signal(RESULT_WORD)
        # The record under way, or while there is none what is offered: its bits do not wait for `valid`.
        record = Signal(RECORD, reset_less=True)
        vacant, taken = Signal(init=1), Signal()
        with m.If(vacant):
            m.d.sync += [record.eq(self.record.payload), vacant.eq(~self.record.valid)]
        with m.Elif(taken):
            m.d.sync += vacant.eq(1)
        stored, sent = Signal(), Signal()
        m.d.comb += [
            self.record.ready.eq(vacant),
            serialiser.record.valid.eq(~vacant),
            serialiser.record.payload.eq(record),
            taken.eq(serialiser.record.ready),
            serialiser.words.ready.eq(words.w_rdy & ~logit.valid),
            word.eq(serialiser.words.payload),
            words.w_data.eq(word),
            words.w_en.eq(serialiser.words.valid | logit.valid),
            self.result.valid.eq(words.r_rdy),
            self.result.payload.eq(words.r_data),
            words.r_en.eq(self.result.ready),
            stored.eq(words.w_en & words.w_rdy),
            sent.eq(words.r_rdy & words.r_en),
        ]
        drained = Signal(init=1)  # words.level is 0
        m.d.sync += drained.eq(~stored & (drained | (sent & (words.level == 1))))
        m.d.comb += self.empty.eq(vacant & drained)
        with m.If(logit.valid):
            value = header(isa.Record.LOGIT, logit.index, _extended(Value.cast(logit.value), 32))
            m.d.comb += [word.data.eq(value), word.last.eq(1)]
        # The level is known a cycle late, in which one more word may have come. A record comes at an
        # instruction's end: it is seen before the next logit.
        room = words.level < RESULT_WORDS - timing.scalar_output_latency() - 1
        m.d.comb += self.room.eq(room & (vacant | taken))
        return m


def _extended(value: Value, width: int) -> Value:
    """A signed value sign-extended to `width` bits, as bits."""
    return Cat(value, value[-1].replicate(width - len(value)))
