"""The host's link of a board: a UART and the engine behind it."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from rtl_gen.interfaces import MemoryPort, memory_write_layout
from rtl_gen.link.engine import CommandEngine
from rtl_gen.link.parameters import LinkConfig
from rtl_gen.link.uart import UartReceiver, UartTransmitter


class HostLink(wiring.Component):
    """`rx` In, `tx` Out: the serial lines; the other members are the CommandEngine's."""

    def __init__(self, config: AcceleratorConfig, link: LinkConfig) -> None:
        self._config, self._link = config, link
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "memory": Out(MemoryPort(config)),
                "write": Out(stream.Signature(memory_write_layout(config))),
                "written": In(1),
                "start": Out(1),
                "schedule_address": Out(32),
                "busy": In(1),
                "done": In(1),
                "error": In(1),
                "results": In(stream.Signature(64)),
                "reset": Out(1),
                "open": Out(1),
                "active": Out(1),
                "failed": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The units and their connections."""
        m = Module()
        m.submodules.receiver = receiver = UartReceiver(self._link.divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(self._link.divisor)
        m.submodules.engine = engine = CommandEngine(self._config, self._link)
        wiring.connect(m, engine.bytes, transmitter.bytes)
        wiring.connect(m, engine.memory, wiring.flipped(self.memory))
        wiring.connect(m, engine.write, wiring.flipped(self.write))
        wiring.connect(m, wiring.flipped(self.results), engine.results)
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
        ]
        m.d.sync += [engine.valid.eq(receiver.valid), engine.byte.eq(receiver.byte)]
        m.d.comb += [getattr(engine, name).eq(getattr(self, name)) for name in ENGINE_INPUTS]
        m.d.comb += [getattr(self, name).eq(getattr(engine, name)) for name in ENGINE_OUTPUTS]
        return m


ENGINE_INPUTS = ("written", "busy", "done", "error")
ENGINE_OUTPUTS = ("start", "schedule_address", "reset", "open", "active", "failed")
