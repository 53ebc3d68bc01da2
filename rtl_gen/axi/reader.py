"""Memory requests to AXI4 read bursts."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from hwflow.timing import BURST
from rtl_gen.axi.bus import BURST_ADDRESS, OKAY, PAGE, read_layout
from rtl_gen.axi.register_slice import RegisterSlice
from rtl_gen.interfaces import MemoryPort

OWED_BITS = 12


class Reader(wiring.Component):
    """Every request becomes one burst, or two where it crosses a multiple of 4 KB; all are outstanding at once.

    Members: `base` In, byte address of beat 0, a multiple of the beat's bytes, stable while there are requests;
    `read` the memory port; `drop` In: what comes is not handed on; `ar`, `r` the AXI channels; `owed` Out: beats
    requested that have not come; `failed` Out: one came with an error.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "base": In(64),
                "read": In(MemoryPort(config)),
                "drop": In(1),
                "ar": Out(stream.Signature(BURST_ADDRESS)),
                "r": In(stream.Signature(read_layout(config))),
                "owed": Out(OWED_BITS),
                "failed": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Address, split at the page, registers towards the bus."""
        m = Module()
        size = (self._config.memory_bytes - 1).bit_length()
        request = self.read.request
        m.submodules.slice = bursts = RegisterSlice(BURST_ADDRESS)
        wiring.connect(m, bursts.exit, wiring.flipped(self.ar))

        pending = Signal()
        address, beats = Signal(64), Signal(range(BURST + 1))
        room = Signal(range(PAGE // self._config.memory_bytes + 1))
        crosses, issued, accepted = Signal(), Signal(), Signal()
        m.d.comb += [
            room.eq(PAGE // self._config.memory_bytes - address[size:12]),
            crosses.eq(beats > room),
            bursts.entry.valid.eq(pending),
            bursts.entry.payload.address.eq(address),
            bursts.entry.payload.length.eq(Mux(crosses, room, beats) - 1),
            issued.eq(pending & bursts.entry.ready),
            request.ready.eq(~pending | (issued & ~crosses)),
            accepted.eq(request.valid & request.ready),
        ]
        with m.If(accepted):
            m.d.sync += [
                pending.eq(1),
                address.eq(self.base + Cat(Const(0, size), request.payload.address)),
                beats.eq(request.payload.beats),
            ]
        with m.Elif(issued):
            m.d.sync += [
                pending.eq(crosses),
                address.eq(Cat(Const(0, 12), address[12:] + 1)),
                beats.eq(beats - room),
            ]

        answer = self.read.data
        arrived = Signal()
        m.d.comb += [
            self.r.ready.eq(1),
            self.failed.eq(arrived & answer.payload.error),
            answer.valid.eq(arrived),
        ]
        m.d.sync += [
            arrived.eq(self.r.valid & ~self.drop),
            answer.payload.data.eq(self.r.payload.data),
            answer.payload.error.eq(self.r.payload.response != OKAY),
            self.owed.eq(self.owed + Mux(accepted, request.payload.beats, 0) - self.r.valid),
        ]
        return m
