"""Stores channel groups to external memory: a FIFO of stream words, sent beat by beat."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from hwflow.timing import WRITES_AHEAD
from rtl_gen.delay import successor
from rtl_gen.interfaces import (
    COUNTER_BITS,
    WRITE_STATE,
    memory_write_layout,
    stream_word_layout,
)


class SpillWriter(wiring.Component):
    """Owner of the memory's write port.

    Words go to consecutive beats from `address` on, which `layer_start` takes. At most `timing.WRITES_AHEAD` beats
    are not yet acknowledged.

    Members: `restart` In, a frame begins; `layer_start`, `address` In; `word` In, one of G pixels, there is room (the
    sequencer sees to it); `freed` Out: a word has left; `port` Out stream, `written` In: the memory acknowledges one
    beat; `state` Out, for the memory guard, but for the layer;
    `idle` Out: nothing is kept or unacknowledged; `bytes` Out, sent in this frame.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "restart": In(1),
                "layer_start": In(1),
                "address": In(32),
                "word": In(stream_word_layout(config)),
                "freed": Out(1),
                "port": Out(stream.Signature(memory_write_layout(config))),
                "written": In(1),
                "state": Out(WRITE_STATE),
                "idle": Out(1),
                "bytes": Out(COUNTER_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        config = self._config
        m.submodules.fifo = fifo = SyncFIFOBuffered(
            width=8 * config.stream_word_bytes, depth=config.store_words
        )
        beat = Signal(range(config.stream_beats))
        address = Signal(32)
        outstanding = Signal(range(WRITES_AHEAD + 1))
        sent = Signal()
        m.d.comb += [
            fifo.w_data.eq(self.word.data),
            fifo.w_en.eq(self.word.valid),
            self.port.valid.eq(fifo.r_rdy & (outstanding != WRITES_AHEAD)),
            self.port.payload.address.eq(address),
            self.port.payload.data.eq(fifo.r_data.word_select(beat, config.beat_bits)),
            sent.eq(self.port.valid & self.port.ready),
            self.freed.eq(sent & (beat == config.stream_beats - 1)),
            fifo.r_en.eq(self.freed),
            self.state.waiting.eq(self.port.valid | (outstanding != 0)),
            self.state.moved.eq(sent | self.written),
            self.state.address.eq(address),
            self.idle.eq((fifo.level == 0) & (outstanding == 0) & ~self.word.valid),
        ]
        m.d.sync += [
            outstanding.eq(outstanding + sent - self.written),
            self.bytes.eq(
                Mux(self.restart, 0, self.bytes + Mux(sent, config.memory_bytes, 0))[
                    : len(self.bytes)
                ]
            ),
        ]
        with m.If(sent):
            m.d.sync += [beat.eq(successor(beat, config.stream_beats)), address.eq(address + 1)]
        with m.If(self.layer_start):
            m.d.sync += address.eq(self.address)
        return m
