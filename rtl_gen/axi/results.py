"""The result stream into a buffer in memory, so that a run never waits for software."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from hwflow.timing import WRITES_AHEAD
from rtl_gen.axi.bus import write_beat_layout

WORD_BYTES = 8


class ResultWriter(wiring.Component):
    """Packs 64-bit words into beats at consecutive addresses of the buffer; words that do not fit are dropped.

    Members: `restart` In: the next word is the first of the buffer at `base` (In, bytes, multiple of the beat's) of
    `size` bytes (In; what is beyond whole beats is not used); `result` In stream; `flush` In: no word will come, the
    last beat goes out as it is; `beats` Out stream, `written` In: one is in memory; `bytes` Out: of words taken that
    have a place; `overflow` Out: a word was dropped; `idle` Out: every word taken is in memory or dropped.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "restart": In(1),
                "base": In(64),
                "size": In(32),
                "result": In(stream.Signature(64)),
                "flush": In(1),
                "beats": Out(stream.Signature(write_beat_layout(config))),
                "written": In(1),
                "bytes": Out(32),
                "overflow": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        beat_bytes = self._config.memory_bytes
        lanes = beat_bytes // WORD_BYTES
        size = (beat_bytes - 1).bit_length()
        beat, result = self.beats, self.result
        fill = Signal(range(max(lanes, 2)))
        partial, complete = Signal(), Signal()
        left = Signal(32 - size)
        outstanding = Signal(range(WRITES_AHEAD + 1))
        taken, sent, places = Signal(), Signal(), Signal()
        m.d.comb += [
            result.ready.eq(~complete),
            taken.eq(result.valid & result.ready),
            places.eq(taken & (left != 0)),
            self.overflow.eq(taken & (left == 0)),
            beat.valid.eq(complete & (outstanding != WRITES_AHEAD)),
            sent.eq(beat.valid & beat.ready),
            self.idle.eq(~complete & ~partial & (outstanding == 0)),
        ]
        m.d.sync += outstanding.eq(outstanding + sent - self.written)
        with m.If(places):
            m.d.sync += [
                beat.payload.data.word_select(fill, 64).eq(result.payload),
                beat.payload.strobe.word_select(fill, WORD_BYTES).eq((1 << WORD_BYTES) - 1),
                self.bytes.eq(self.bytes + WORD_BYTES),
                fill.eq(Mux(fill == lanes - 1, 0, fill + 1)),
                partial.eq(fill != lanes - 1),
                complete.eq(fill == lanes - 1),
            ]
        with m.Elif(partial & self.flush):
            m.d.sync += [partial.eq(0), complete.eq(1)]
        with m.If(sent):
            m.d.sync += [
                complete.eq(0),
                fill.eq(0),
                beat.payload.strobe.eq(0),
                beat.payload.address.eq(beat.payload.address + beat_bytes),
                left.eq(left - 1),
            ]
        with m.If(self.restart):
            m.d.sync += [
                beat.payload.address.eq(self.base),
                left.eq(self.size[size:]),
                self.bytes.eq(0),
            ]
        return m
