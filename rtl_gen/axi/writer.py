"""Beats to AXI4 write bursts, and their responses to acknowledgements."""

from __future__ import annotations

import enum

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO, SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from hwflow.timing import BURST
from rtl_gen.axi.bus import BURST_ADDRESS, OKAY, write_beat_layout, write_layout
from rtl_gen.axi.reader import OWED_BITS
from rtl_gen.axi.register_slice import RegisterSlice


class Client(enum.IntEnum):
    """Whose a beat is."""

    ACTIVATIONS = 0
    RESULTS = 1


ISSUED = data.StructLayout({"beats": range(BURST + 1), "client": 1})
"""A burst without a response."""
QUIET = 8
"""Cycles without a beat after which a burst is sent as it is: whoever waits for its acknowledgement gets it."""
BURSTS = 32
"""Bursts without a response, at most."""


class Writer(wiring.Component):
    """Joins beats at consecutive addresses to bursts of up to 16 that cross no multiple of 4 KB.

    Members: `beats` In stream; `aw`, `w`, `b` the AXI channels; `written` Out, a bit a Client, pulses once for each of
    its beats with a response; `failed` Out, a bit a Client: a response was an error. Activations of such a burst are
    not acknowledged before `lenient` (In) is set. `drop` In: nothing is acknowledged any more; `owed` Out: beats taken
    without a response.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "beats": In(stream.Signature(write_beat_layout(config))),
                "lenient": In(1),
                "drop": In(1),
                "aw": Out(stream.Signature(BURST_ADDRESS)),
                "w": Out(stream.Signature(write_layout(config))),
                "b": In(stream.Signature(2)),
                "written": Out(len(Client)),
                "failed": Out(len(Client)),
                "owed": Out(OWED_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Gathering, the two channels, the responses."""
        m = Module()
        m.submodules.issued = issued = SyncFIFO(width=ISSUED.size, depth=BURSTS)
        taken = self._gather(m, issued)
        answered, failed = Signal(), Signal()
        burst = data.View(ISSUED, issued.r_data)
        m.d.comb += [self.b.ready.eq(1), issued.r_en.eq(answered)]
        m.d.sync += [
            answered.eq(self.b.valid),
            failed.eq(self.b.payload != OKAY),
            self.owed.eq(self.owed + taken - Mux(answered, burst.beats, 0)),
        ]
        self._acknowledge(m, answered, failed, burst)
        return m

    def _gather(self, m: Module, issued: SyncFIFO) -> Signal:
        """Beats go into a FIFO, a burst's address and length follow when nothing more can join it.

        Returns: a beat is taken.
        """
        config, beats = self._config, self.beats
        size = (config.memory_bytes - 1).bit_length()
        stored = data.StructLayout({"data": config.beat_bits, "strobe": config.memory_bytes})
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=stored.size, depth=2 * BURST)
        m.submodules.addresses = addresses = RegisterSlice(BURST_ADDRESS)
        m.submodules.lengths = lengths = RegisterSlice(8)
        m.submodules.words = words = RegisterSlice(write_layout(config))
        wiring.connect(m, addresses.exit, wiring.flipped(self.aw))
        wiring.connect(m, words.exit, wiring.flipped(self.w))

        is_open, joins, taken, expired, closing = (Signal() for _ in range(5))
        client, length = Signal(1), Signal(range(BURST + 1))
        first, following = Signal(64), Signal(64)
        quiet = Signal(range(QUIET + 1))
        ready = addresses.entry.ready & lengths.entry.ready & issued.w_rdy
        m.d.comb += [
            expired.eq(quiet == QUIET),
            joins.eq(
                (beats.payload.address == following)
                & (beats.payload.client == client)
                & (following[size:12] != 0)
                & (length != BURST)
                & ~expired
            ),
            beats.ready.eq(fifo.w_rdy & (~is_open | joins)),
            taken.eq(beats.valid & beats.ready),
            closing.eq(is_open & (expired | (beats.valid & ~joins)) & ready),
            fifo.w_en.eq(taken),
            fifo.w_data.eq(Cat(beats.payload.data, beats.payload.strobe)),
            addresses.entry.valid.eq(closing),
            addresses.entry.payload.address.eq(first),
            addresses.entry.payload.length.eq(length - 1),
            lengths.entry.valid.eq(closing),
            lengths.entry.payload.eq(length - 1),
            issued.w_en.eq(closing),
            issued.w_data.eq(Cat(length, client)),
        ]
        with m.If(taken):
            m.d.sync += [
                is_open.eq(1),
                quiet.eq(0),
                length.eq(Mux(is_open, length, 0) + 1),
                following.eq(beats.payload.address + config.memory_bytes),
            ]
            with m.If(~is_open):
                m.d.sync += [first.eq(beats.payload.address), client.eq(beats.payload.client)]
        with m.Elif(closing):
            m.d.sync += [is_open.eq(0), quiet.eq(0)]
        with m.Elif(is_open & ~beats.valid & ~expired):
            m.d.sync += quiet.eq(quiet + 1)

        sent, index, last = Signal(), Signal(range(BURST)), Signal()
        head = data.View(stored, fifo.r_data)
        m.d.comb += [
            last.eq(index == lengths.exit.payload),
            words.entry.valid.eq(lengths.exit.valid & fifo.r_rdy),
            words.entry.payload.data.eq(head.data),
            words.entry.payload.strobe.eq(head.strobe),
            words.entry.payload.last.eq(last),
            sent.eq(words.entry.valid & words.entry.ready),
            fifo.r_en.eq(sent),
            lengths.exit.ready.eq(sent & last),
        ]
        with m.If(sent):
            m.d.sync += index.eq(Mux(last, 0, index + 1))

        return taken

    def _acknowledge(self, m: Module, answered: Signal, failed: Signal, burst: data.View) -> None:
        """Beats of answered bursts are acknowledged one a cycle."""
        for client in Client:
            due = Signal(OWED_BITS, name=f"due_{client.name.lower()}")
            mine, earned = Signal(), Signal(OWED_BITS)
            m.d.comb += [
                mine.eq(answered & (burst.client == client)),
                self.failed[client].eq(mine & failed),
                self.written[client].eq((due != 0) & ~self.drop),
            ]
            if client == Client.ACTIVATIONS:
                withheld = Signal(OWED_BITS)
                keep = mine & failed & ~self.lenient
                with m.If(self.drop | self.lenient):
                    m.d.sync += withheld.eq(0)
                with m.Elif(keep):
                    m.d.sync += withheld.eq(withheld + burst.beats)
                m.d.comb += earned.eq(
                    Mux(mine & ~keep, burst.beats, 0) + Mux(self.lenient, withheld, 0)
                )
            else:
                m.d.comb += earned.eq(Mux(mine, burst.beats, 0))
            m.d.sync += due.eq(Mux(self.drop, 0, due + earned - (due != 0)))
