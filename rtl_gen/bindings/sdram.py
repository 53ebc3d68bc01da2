"""The accelerator's memory in a 16-bit SDR SDRAM (docs/sdram.md)."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from hwflow.config import AcceleratorConfig
from hwflow.errors import FlowError
from hwflow.sdram import SdramTiming
from rtl_gen.bindings.sdram_accesses import SdramAccesses
from rtl_gen.bindings.sdram_commands import SdramCommands
from rtl_gen.bindings.sdram_data import SdramData
from rtl_gen.bindings.sdram_layouts import SdramPins
from rtl_gen.interfaces import MemoryBinding


class Sdram(wiring.Component):
    """Memory binding in front of one chip; controller and chip run at the clock of `sync`.

    Beat n lies in words n*B/2.. of the chip, in order of column, bank, row, its lowest 16 bits first. Requests and
    writes are served in one order, writes in batches; a write is `written` when its last word leaves.

    Members: `port` the accelerator's side (interfaces.MemoryBinding); `pins` the chip's.

    Raises:
        FlowError: `timing` is of another width of beats.
    """

    port: Any

    def __init__(self, config: AcceleratorConfig, timing: SdramTiming) -> None:
        if timing.memory_bytes != config.memory_bytes:
            raise FlowError(
                f"SDRAM timing for beats of {timing.memory_bytes} bytes, but target {config.name} has "
                f"{config.memory_bytes}; give both the same memory_bytes"
            )
        self._timing = timing
        super().__init__({"port": Out(MemoryBinding(config)), "pins": Out(SdramPins(timing))})

    @property
    def beats(self) -> int:
        """Beats that the chip holds."""
        return self._timing.chip.bytes // self._timing.memory_bytes

    def elaborate(self, platform: object) -> Module:
        """The parts and their connections."""
        m = Module()
        m.submodules.accesses = accesses = SdramAccesses(self._timing)
        m.submodules.commands = commands = SdramCommands(self._timing)
        m.submodules.data = bus = SdramData(self._timing)
        port, pins = self.port, self.pins
        wiring.connect(m, accesses.access, commands.access)
        m.d.comb += [
            accesses.request.payload.eq(port.read.request.payload),
            accesses.request.valid.eq(port.read.request.valid),
            port.read.request.ready.eq(accesses.request.ready),
            accesses.write.payload.eq(port.write.payload),
            accesses.write.valid.eq(port.write.valid),
            port.write.ready.eq(accesses.write.ready),
            port.written.eq(bus.written),
            bus.issued.eq(commands.issued),
            bus.started.eq(commands.started),
            bus.beat.eq(accesses.data),
            accesses.data_take.eq(bus.beat_take),
            port.read.data.valid.eq(bus.data.valid),
            port.read.data.payload.data.eq(bus.data.data),
            port.read.data.payload.error.eq(bus.data.error),
            pins.cke.eq(1),
            pins.cs_n.eq(0),
            pins.we_n.eq(commands.command.command.as_value()[0]),
            pins.cas_n.eq(commands.command.command.as_value()[1]),
            pins.ras_n.eq(commands.command.command.as_value()[2]),
            pins.ba.eq(commands.command.bank),
            pins.a.eq(commands.command.address),
            pins.dqm.eq(bus.dqm),
            pins.dq_o.eq(bus.dq_o),
            pins.dq_oe.eq(bus.dq_oe),
            bus.dq_i.eq(pins.dq_i),
        ]
        return m
