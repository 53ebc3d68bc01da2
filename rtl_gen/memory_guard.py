"""Watches the memory port: an error response or a missing answer stops the run (docs/architecture.md, Errors)."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwflow import isa
from hwflow.config import AcceleratorConfig
from hwflow.timing import BURST, MEMORY_PATIENCE, REQUESTS_AHEAD
from rtl_gen.interfaces import MEMORY_REQUEST, PURPOSE, WRITE_STATE, MemoryPort
from rtl_gen.registered_fifo import RegisteredFIFO

ISSUED = data.StructLayout({"purpose": PURPOSE, "address": 32, "last": range(BURST)})
"""A request whose beats have not all come: beats 0..last."""


class MemoryGuard(wiring.Component):
    """Between the loader and the memory port, without a cycle of its own.

    A fault is a beat with `error`, or `patience` cycles in which the memory owes something (a beat, taking the request
    or the write offered, or acknowledging a write) and does nothing.
    The first one is kept until `clear`. From the cycle after it on no new request
    goes out; one that is on offer stays, and beats still pass.

    Members: `request`, `beat` the loader's side, `purpose` what the request on offer is for; `port` the memory;
    `clear` In forgets the fault; `failed` Out from the cycle after a fault on; `record` Out its ERROR record
    (isa.Record); `settled` Out: the memory owes nothing that is read and is offered no request; `write` In
    (interfaces.WRITE_STATE): the write port, which the memory must not leave waiting either. A fault of it is reported
    for the long stream, when nothing is owed that is read.
    """

    def __init__(self, config: AcceleratorConfig, *, patience: int = MEMORY_PATIENCE) -> None:
        self._patience = patience
        super().__init__(
            {
                "request": In(stream.Signature(MEMORY_REQUEST)),
                "purpose": In(PURPOSE),
                "beat": Out(stream.Signature(config.beat_bits)),
                "port": Out(MemoryPort(config)),
                "write": In(WRITE_STATE),
                "clear": In(1),
                "failed": Out(1),
                "record": Out(64),
                "settled": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        # Readable in the cycle after the write: a first beat may come as early as that.
        m.submodules.issued = issued = RegisteredFIFO(width=ISSUED.size, depth=REQUESTS_AHEAD)
        request, port = self.request, self.port
        offered, passing, taken = Signal(), Signal(), Signal()
        m.d.comb += [
            passing.eq(~self.failed | offered),
            port.request.valid.eq(request.valid & passing),
            port.request.payload.eq(request.payload),
            request.ready.eq(port.request.ready & passing),
            taken.eq(port.request.valid & port.request.ready),
        ]
        m.d.sync += offered.eq(port.request.valid & ~port.request.ready)

        entry = data.View(ISSUED, issued.w_data)
        head = data.View(ISSUED, issued.r_data)
        index = Signal(range(BURST))
        arrived, last = Signal(), Signal()
        m.d.comb += [
            entry.purpose.eq(self.purpose),
            entry.address.eq(request.payload.address),
            entry.last.eq(request.payload.beats - 1),
            issued.w_en.eq(taken),
            issued.r_en.eq(arrived & last),
            self.beat.valid.eq(port.data.valid),
            self.beat.payload.eq(port.data.payload.data),
            port.data.ready.eq(self.beat.ready),
            arrived.eq(port.data.valid & port.data.ready),
            last.eq(index == head.last),
            self.settled.eq(~issued.r_rdy & ~port.request.valid),
        ]
        with m.If(arrived):
            m.d.sync += index.eq(Mux(last, 0, index + 1))

        waited = Signal(range(self._patience))
        overdue = Signal()  # the last cycle of patience, known a cycle ahead
        write = self.write
        owes = ~self.settled | write.waiting
        with m.If(~owes | arrived | taken | write.moved | overdue):
            m.d.sync += [waited.eq(0), overdue.eq(0)]
        with m.Else():
            m.d.sync += [waited.eq(waited + 1), overdue.eq(waited == self._patience - 2)]

        # Beats come in order, so the one that is missing is the oldest request's next.
        purpose, address = Signal(PURPOSE), Signal(32)
        with m.If(issued.r_rdy):
            m.d.comb += [purpose.eq(head.purpose), address.eq(head.address + index)]
        with m.Elif(self.settled & write.waiting):
            m.d.comb += [
                purpose.kind.eq(isa.Ring.LONG),
                purpose.layer.eq(write.layer),
                address.eq(write.address),
            ]
        with m.Else():
            m.d.comb += [purpose.eq(self.purpose), address.eq(request.payload.address)]
        refused = arrived & port.data.payload.error
        fault = Mux(refused, isa.Fault.RESPONSE, isa.Fault.SILENCE)
        # The record is written in every cycle without a fault: so many registers need not wait for what the memory says,
        # nor load `failed`, which all that is sent to the host waits for.
        writing = Signal(init=1)
        with m.If(self.clear):
            m.d.sync += [self.failed.eq(0), writing.eq(1)]
        with m.Elif(refused | overdue):
            m.d.sync += [self.failed.eq(1), writing.eq(0)]
        with m.If(writing):
            m.d.sync += self.record.eq(
                Cat(
                    Const(isa.Record.ERROR, 8),
                    purpose.layer,
                    Cat(fault, Const(0, 4))[:4],
                    purpose.kind,
                    address,
                )
            )
        return m
