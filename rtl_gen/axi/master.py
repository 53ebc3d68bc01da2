"""The accelerator's memory behind an AXI4 master, which also writes the results."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from rtl_gen.axi.bus import Master, write_beat_layout
from rtl_gen.axi.reader import OWED_BITS, Reader
from rtl_gen.axi.writer import Client, Writer
from rtl_gen.interfaces import MemoryBinding


class AxiMaster(wiring.Component):
    """A MemoryBinding over AXI4, with a second source of writes.

    Members beside those of MemoryBinding: `base` In, byte address of the memory's beat 0, a multiple of the beat's
    bytes, stable while anything is under way; `results` In stream of beats for Client.RESULTS, `results_written` Out: one
    of them is; `lenient`, `drop` In as of Writer and Reader; `bus` the AXI4 master; `reads_owed`,
    `writes_owed` Out, beats; `read_failed`, `write_failed`, `result_failed` Out, pulses: an answer was an error.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                **MemoryBinding(config).members,
                "base": In(64),
                "results": In(stream.Signature(write_beat_layout(config))),
                "results_written": Out(1),
                "lenient": In(1),
                "drop": In(1),
                "bus": Out(Master(config)),
                "reads_owed": Out(OWED_BITS),
                "writes_owed": Out(OWED_BITS),
                "read_failed": Out(1),
                "write_failed": Out(1),
                "result_failed": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Reader, writer, and what stands before the writer: addresses of activations, the choice of results."""
        m = Module()
        config, bus = self._config, self.bus
        size = (config.memory_bytes - 1).bit_length()
        m.submodules.reader = reader = Reader(config)
        m.submodules.writer = writer = Writer(config)
        wiring.connect(m, wiring.flipped(self.read), reader.read)
        wiring.connect(m, reader.ar, wiring.flipped(bus.ar))
        wiring.connect(m, wiring.flipped(bus.r), reader.r)
        wiring.connect(m, writer.aw, wiring.flipped(bus.aw))
        wiring.connect(m, writer.w, wiring.flipped(bus.w))
        wiring.connect(m, wiring.flipped(bus.b), writer.b)

        held = Signal(write_beat_layout(config))
        waiting, leaving = Signal(), Signal()
        m.d.comb += self.write.ready.eq(~waiting | leaving)
        with m.If(self.write.valid & self.write.ready):
            beat = self.write.payload
            m.d.sync += [
                waiting.eq(1),
                held.address.eq(self.base + Cat(Const(0, size), beat.address)),
                held.data.eq(beat.data),
            ]
        with m.Elif(leaving):
            m.d.sync += waiting.eq(0)
        # Results are few, and the end of the frame waits for them.
        with m.If(self.results.valid):
            m.d.comb += [
                writer.beats.payload.eq(self.results.payload),
                writer.beats.payload.client.eq(Client.RESULTS),
                writer.beats.valid.eq(1),
                self.results.ready.eq(writer.beats.ready),
            ]
        with m.Else():
            m.d.comb += [
                writer.beats.payload.eq(held),
                writer.beats.payload.strobe.eq((1 << config.memory_bytes) - 1),
                writer.beats.payload.client.eq(Client.ACTIVATIONS),
                writer.beats.valid.eq(waiting),
                leaving.eq(waiting & writer.beats.ready),
            ]
        m.d.comb += [
            reader.base.eq(self.base),
            reader.drop.eq(self.drop),
            writer.drop.eq(self.drop),
            writer.lenient.eq(self.lenient),
            self.written.eq(writer.written[Client.ACTIVATIONS]),
            self.results_written.eq(writer.written[Client.RESULTS]),
            self.reads_owed.eq(reader.owed),
            self.writes_owed.eq(writer.owed + waiting),
            self.read_failed.eq(reader.failed),
            self.write_failed.eq(writer.failed[Client.ACTIVATIONS]),
            self.result_failed.eq(writer.failed[Client.RESULTS]),
        ]
        return m
