"""Counters of a layer and the records of the result stream (isa.Record)."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from hwflow import isa
from hwflow.config import AcceleratorConfig
from hwflow.timing import LAYER_RECORDS
from rtl_gen.interfaces import COUNTER_BITS, LAYER_BITS, RESULT_WORD, events_layout


def record_layout(counters: int) -> data.StructLayout:
    """A record: its header word and `used` of `counters` counters."""
    return data.StructLayout(
        {
            "header": 64,
            "used": range(counters + 1),
            "counters": data.ArrayLayout(COUNTER_BITS, counters),
        }
    )


def header(kind: isa.Record, tag: Value, value: Value | int = 0, *, wide: Value | int = 0) -> Value:
    """Header word: kind in bits 0..7, tag (layer or class) 8..23, `wide` 24, value 32..63."""
    return Cat(Const(kind, 8), _bits(tag, 16), _bits(wide, 1), Const(0, 7), _bits(value, 32))


def _bits(value: Value | int, width: int) -> Value:
    """`value` as exactly `width` bits."""
    return Const(value, width) if isinstance(value, int) else Cat(value, Const(0, width))[:width]


class RecordSerialiser(wiring.Component):
    """Sends a record as its header and `used` counters, one 64-bit word each; takes it with its last word."""

    def __init__(self, counters: int) -> None:
        self._counters = counters
        super().__init__(
            {
                "record": In(stream.Signature(record_layout(counters))),
                "words": Out(stream.Signature(RESULT_WORD)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        record = self.record.payload
        index = Signal(range(self._counters + 1))
        last = self.words.payload.last
        choices = Array([record.header, *(record.counters[n] for n in range(self._counters))])
        m.d.comb += [
            self.words.valid.eq(self.record.valid),
            self.words.payload.data.eq(choices[index]),
            last.eq(index == record.used),
            self.record.ready.eq(self.words.ready & last),
        ]
        with m.If(self.words.valid & self.words.ready):
            m.d.sync += index.eq(Mux(last, 0, index + 1))
        return m


class ResultArbiter(wiring.Component):
    """Two streams of records into one; a record is never interrupted, the first stream goes first.

    `hold` In keeps both streams back from the end of the record under way on; then only `error`, records of one word,
    goes through.
    """

    def __init__(self) -> None:
        words = stream.Signature(RESULT_WORD)
        super().__init__(
            {
                "first": In(words),
                "second": In(words),
                "hold": In(1),
                "error": In(stream.Signature(64)),
                "result": Out(stream.Signature(64)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        inside, holder, chosen = Signal(), Signal(), Signal()
        held = Signal()
        m.d.comb += [
            chosen.eq(Mux(inside, holder, ~self.first.valid)),
            held.eq(self.hold & ~inside),
        ]
        source = data.View(
            RESULT_WORD, Mux(chosen, self.second.payload.as_value(), self.first.payload.as_value())
        )
        m.d.comb += [
            self.result.payload.eq(Mux(held, self.error.payload, source.data)),
            self.result.valid.eq(
                Mux(held, self.error.valid, Mux(chosen, self.second.valid, self.first.valid))
            ),
            self.first.ready.eq(~held & ~chosen & self.result.ready),
            self.second.ready.eq(~held & chosen & self.result.ready),
            self.error.ready.eq(held & self.result.ready),
        ]
        with m.If(held):
            m.d.sync += inside.eq(0)
        with m.Elif(self.result.valid & self.result.ready):
            m.d.sync += [inside.eq(~source.last), holder.eq(chosen)]
        with m.Elif(self.result.valid):
            # A word that was offered stays offered.
            m.d.sync += [inside.eq(1), holder.eq(chosen)]
        return m


class LayerRecords(wiring.Component):
    """Adds up a CONV's events from `layer_start` to `layer_done` (both included) and sends its LAYER record.

    `ready` says that a CONV may begin: there is room for its record whatever the result stream does, so a layer
    never waits for the host once it runs. `idle`: no record is left. `layer_signature`, `saturated_t`, `saturated_y` are
    read at `layer_done`, when the back end is idle.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        super().__init__(
            {
                "layer": In(LAYER_BITS),
                "layer_start": In(1),
                "layer_done": In(1),
                "events": In(events_layout(config)),
                "layer_signature": In(32),
                "saturated_t": In(32),
                "saturated_y": In(32),
                "cycle": In(COUNTER_BITS),
                "ready": Out(1),
                "idle": Out(1),
                "words": Out(stream.Signature(RESULT_WORD)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        names = isa.LAYER_COUNTERS
        layout = record_layout(len(names))
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=layout.size, depth=LAYER_RECORDS)
        m.submodules.serialiser = serialiser = RecordSerialiser(len(names))

        started = Signal(COUNTER_BITS)
        with m.If(self.layer_start):
            m.d.sync += started.eq(self.cycle)

        record = Signal(layout)
        m.d.comb += [
            record.header.eq(header(isa.Record.LAYER, self.layer, self.layer_signature)),
            record.used.eq(len(names)),
        ]
        direct = {
            "start": Mux(self.layer_start, self.cycle, started),
            "end": self.cycle,
            "saturated_t": self.saturated_t,
            "saturated_y": self.saturated_y,
        }
        for index, name in enumerate(names):
            if name in direct:
                m.d.comb += record.counters[index].eq(direct[name])
                continue
            total = Signal(COUNTER_BITS, name=f"total_{name}")
            upto = Signal(COUNTER_BITS, name=f"upto_{name}")
            m.d.comb += [
                upto.eq(Mux(self.layer_start, 0, total) + self.events[name]),
                record.counters[index].eq(upto),
            ]
            m.d.sync += total.eq(upto)

        m.d.comb += [
            fifo.w_data.eq(record),
            fifo.w_en.eq(self.layer_done),
            serialiser.record.payload.eq(fifo.r_data),
            serialiser.record.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(serialiser.record.ready),
            # A CONV begins after the one before it has written its record, so `level` counts them all.
            self.ready.eq(fifo.level <= LAYER_RECORDS - 1),
            self.idle.eq(fifo.level == 0),
        ]
        wiring.connect(m, serialiser.words, wiring.flipped(self.words))
        return m
