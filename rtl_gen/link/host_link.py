"""The host's link of a board: a UART and the engine behind it."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from rtl_gen.link.engine import CommandEngine
from rtl_gen.link.members import INPUTS, OUTPUTS, accelerator_members
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
                **accelerator_members(config),
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
        m.d.comb += self.schedule_address.eq(engine.schedule_address)
        m.d.comb += [getattr(engine, name).eq(getattr(self, name)) for name in INPUTS]
        m.d.comb += [getattr(self, name).eq(getattr(engine, name)) for name in OUTPUTS]
        return m
