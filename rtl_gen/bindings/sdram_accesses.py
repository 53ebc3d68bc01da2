"""Makes bursts of the requests and writes of a memory port, in one order."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwflow.sdram import SdramTiming
from hwflow.timing import BURST
from rtl_gen.bindings.sdram_layouts import BANK_BITS, access_layout, burst_column_bits
from rtl_gen.interfaces import MEMORY_REQUEST
from rtl_gen.registered_fifo import BufferedRegisteredFIFO

WRITE_BATCH = 16
"""Beats to write that are gathered before they interrupt reads, and that reads wait for at most."""

WRITES = 2 * WRITE_BATCH
"""Beats to write that are kept."""


class SdramAccesses(wiring.Component):
    """Requests and beats to write in, bursts out.

    Turning the bus round costs cycles, so writes wait until there are WRITE_BATCH of them or nothing is to be read.

    Members: `request` In stream (interfaces.MEMORY_REQUEST); `write` In stream {address 32 (beats), data};
    `access` Out stream (sdram_layouts.access_layout); `data` Out: the beat of the oldest write whose `last` burst has
    not been issued, removed by `data_take`.
    """

    def __init__(self, timing: SdramTiming) -> None:
        self._timing = timing
        self._beat_bits = 8 * timing.memory_bytes
        write = data.StructLayout({"address": 32, "data": self._beat_bits})
        super().__init__(
            {
                "request": In(stream.Signature(MEMORY_REQUEST)),
                "write": In(stream.Signature(write)),
                "access": Out(stream.Signature(access_layout(timing))),
                "data": Out(self._beat_bits),
                "data_take": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        timing = self._timing
        m.submodules.addresses = addresses = BufferedRegisteredFIFO(width=32, depth=WRITES)
        m.submodules.beats = beats = BufferedRegisteredFIFO(width=self._beat_bits, depth=WRITES)
        m.d.comb += [
            addresses.w_data.eq(self.write.payload.address),
            beats.w_data.eq(self.write.payload.data),
            self.write.ready.eq(addresses.w_rdy & beats.w_rdy),
            addresses.w_en.eq(self.write.valid & self.write.ready),
            beats.w_en.eq(self.write.valid & self.write.ready),
            self.data.eq(beats.r_data),
            beats.r_en.eq(self.data_take),
        ]

        # A request that comes while another is under way is held, so that `ready` is a register: whether the chip takes a
        # burst is known late, and the accelerator answers `ready` in the same cycle.
        held, held_request = Signal(), Signal(MEMORY_REQUEST, reset_less=True)
        coming, request = Signal(), Signal(MEMORY_REQUEST)
        m.d.comb += [
            self.request.ready.eq(~held),
            coming.eq(held | self.request.valid),
            request.eq(Mux(held, held_request, self.request.payload)),
        ]

        # The request under way.
        left = Signal(range(BURST + 1))
        address = Signal(32, reset_less=True)
        reading, last_read = Signal(), Signal()
        one_left = Signal()  # `left` is 1
        follows = ~reading | last_read
        m.d.sync += held.eq(coming & ~follows)
        with m.If(~held):
            m.d.sync += held_request.eq(self.request.payload)

        # Bursts of a beat.
        part = Signal(range(max(2, timing.beat_bursts)))
        last = Signal()
        m.d.comb += last.eq(part == timing.beat_bursts - 1)
        writing = Signal()
        batch = Signal(range(WRITE_BATCH + 1))
        access = self.access
        given, beat_given = Signal(), Signal()
        beat_address = Signal(32)
        index_bits = timing.beat_bursts.bit_length() - 1
        burst_address = Cat(part[:index_bits], beat_address)
        columns = burst_column_bits(timing)
        rows = columns + BANK_BITS
        top = rows + timing.chip.row_bits
        m.d.comb += [
            beat_address.eq(Mux(writing, addresses.r_data, address)),
            access.valid.eq(Mux(writing, addresses.r_rdy, reading)),
            access.payload.column.eq(burst_address[:columns]),
            access.payload.bank.eq(burst_address[columns:rows]),
            access.payload.row.eq(burst_address[rows:top]),
            access.payload.beyond.eq(burst_address[top:].any()),
            access.payload.write.eq(writing),
            access.payload.first.eq(part == 0),
            access.payload.last.eq(last),
            given.eq(access.valid & access.ready),
            beat_given.eq(given & last),
            addresses.r_en.eq(access.ready & last & writing),
            last_read.eq(access.ready & last & ~writing & one_left),
        ]
        with m.If(given):
            m.d.sync += part.eq(Mux(last, 0, part + 1))
        with m.If(coming & follows):
            m.d.sync += [
                address.eq(request.address),
                left.eq(request.beats),
                reading.eq(1),
                one_left.eq(request.beats == 1),
            ]
        with m.Elif(beat_given & ~writing):
            m.d.sync += [
                address.eq(address + 1),
                left.eq(left - 1),
                reading.eq(~one_left),
                one_left.eq(left == 2),
            ]

        # Whose turn it is changes between beats.
        kept = Signal(range(WRITES + 1))
        gone = addresses.r_en & addresses.r_rdy
        with m.If(addresses.w_en ^ gone):
            m.d.sync += kept.eq(Mux(gone, kept - 1, kept + 1))
        full, quiet = Signal(), Signal()
        m.d.comb += [
            full.eq(kept >= WRITE_BATCH),
            quiet.eq(~reading & ~coming),
        ]
        between = beat_given | (~access.valid & (part == 0))
        with m.If(~writing):
            m.d.sync += batch.eq(0)
            with m.If(between & addresses.r_rdy & (full | quiet)):
                m.d.sync += writing.eq(1)
        with m.Else():
            with m.If(beat_given & (batch != WRITE_BATCH)):
                m.d.sync += batch.eq(batch + 1)
            with m.If(between & (~access.valid | (~quiet & (batch >= WRITE_BATCH - 1)))):
                m.d.sync += writing.eq(0)
        return m
