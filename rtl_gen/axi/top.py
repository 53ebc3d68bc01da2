"""The top `accelerator_axi`: accelerator, AXI4 master, AXI4-Lite registers, interrupt."""

from __future__ import annotations

import hashlib
from typing import Any

from amaranth.hdl import (
    Cat,
    ClockDomain,
    ClockSignal,
    Const,
    DomainRenamer,
    Module,
    ResetSignal,
    Signal,
)
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow import isa
from hwflow.compiler.manifest import config_hash
from hwflow.config import AcceleratorConfig
from hwflow.registers import ID, MAP_VERSION, hash_words
from rtl_gen import instances
from rtl_gen.accelerator import Accelerator
from rtl_gen.axi.bus import LITE_PORTS, attach, master_ports, members
from rtl_gen.axi.control import Registers
from rtl_gen.axi.frame import FrameControl
from rtl_gen.axi.master import AxiMaster
from rtl_gen.axi.results import ResultWriter

MASTER, SLAVE = "m_axi_", "s_axi_"
ACCELERATOR = "accelerator"


class AcceleratorAxi(wiring.Component):
    """Ports: `aclk`, `aresetn`, AXI4 master `m_axi_*`, AXI4-Lite slave `s_axi_*`, `irq` (level, active high).

    Elaborates only inside rtl_gen.instances.emit. No output depends on an input of the same cycle. `aresetn` is
    synchronous to `aclk`.

    build_hash: once elaborated, the SHA-256 (hexadecimal) of the accelerator's Verilog as `hwflow verilog` writes it for
    the same target: what BUILD_HASH holds.
    """

    aclk: Signal
    aresetn: Signal
    irq: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        self.build_hash = ""
        super().__init__(
            {
                "aclk": In(1),
                "aresetn": In(1),
                "irq": Out(1),
                **members(LITE_PORTS, SLAVE, slave=True),
                **members(master_ports(config), MASTER, slave=False),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The parts, the clock and the two resets."""
        m = Module()
        config = self._config
        m.domains += ClockDomain("sync", local=True)
        m.domains += ClockDomain("run", local=True)
        m.submodules.frame = frame = FrameControl()
        m.d.comb += [
            ClockSignal().eq(self.aclk),
            ResetSignal().eq(~self.aresetn),
            ClockSignal("run").eq(self.aclk),
            ResetSignal("run").eq(~self.aresetn | frame.abandon),
        ]
        inner = Module()
        (accelerator,) = instances.copies(inner, lambda: Accelerator(config), ACCELERATOR, 1)
        self.build_hash = hashlib.sha256(instances.alone(ACCELERATOR).encode()).hexdigest()
        results = ResultWriter(config)
        m.submodules.inner = DomainRenamer("run")(inner)
        m.submodules.results = DomainRenamer("run")(results)
        m.submodules.master = master = AxiMaster(config)
        m.submodules.registers = registers = Registers(
            {
                "ID": (ID,),
                "MAP_VERSION": (MAP_VERSION,),
                "ISA_VERSION": (isa.VERSION,),
                "FEATURES": (config.memory_bytes | bool(config.long_words) << 8,),
                "TARGET_HASH": hash_words(config_hash(config)),
                "BUILD_HASH": hash_words(self.build_hash),
            }
        )
        attach(m, self, LITE_PORTS, SLAVE, registers.bus)
        attach(m, self, master_ports(config), MASTER, master.bus)

        self._addresses(m, registers, frame, (accelerator, results, master))
        wiring.connect(m, accelerator.memory, master.read)
        if config.long_words:
            wiring.connect(m, accelerator.write, master.write)
            m.d.comb += accelerator.written.eq(master.written)
        wiring.connect(m, accelerator.result, results.result)
        wiring.connect(m, results.beats, master.results)
        m.d.comb += [
            results.written.eq(master.results_written),
            results.flush.eq(frame.flush),
            results.restart.eq(frame.start),
            accelerator.start.eq(frame.start),
            frame.busy.eq(accelerator.busy),
            frame.done.eq(accelerator.done),
            frame.error.eq(accelerator.error),
            frame.results_idle.eq(results.idle),
            frame.overflow.eq(results.overflow),
            frame.read_failed.eq(master.read_failed),
            frame.write_failed.eq(master.write_failed),
            frame.result_failed.eq(master.result_failed),
            frame.quiet.eq((master.reads_owed == 0) & (master.writes_owed == 0)),
            master.lenient.eq(frame.lenient),
            master.drop.eq(frame.abandon),
        ]

        m.d.comb += [
            frame.control.eq(registers.control),
            registers.status.eq(frame.status),
            registers.irq_status_set.eq(frame.interrupts),
            registers.dma.reads.eq(master.reads_owed),
            registers.dma.writes.eq(master.writes_owed),
            registers.dma.results_waiting.eq(~results.idle),
            registers.result_bytes.value.eq(results.bytes),
            registers.cycles_low.value.eq(frame.cycles[:32]),
            registers.cycles_high.value.eq(frame.cycles[32:]),
            registers.frames.value.eq(frame.frames),
            registers.frames_failed.value.eq(frame.frames_failed),
        ]
        m.d.sync += self.irq.eq(
            (registers.irq_status.as_value() & registers.irq_enable.as_value()).any()
        )
        return m

    def _addresses(
        self,
        m: Module,
        registers: Registers,
        frame: FrameControl,
        parts: tuple[Any, ResultWriter, AxiMaster],
    ) -> None:
        """A frame keeps the addresses it began with: software may prepare those of the next one."""
        accelerator, results, master = parts
        low = (self._config.memory_bytes - 1).bit_length()

        def aligned(lower: Signal, upper: Signal) -> object:
            return Cat(Const(0, low), lower[low:], upper)

        memory_base, result_base = Signal(64), Signal(64)
        schedule, size = Signal(32), Signal(32)
        with m.If(frame.latch):
            m.d.sync += [
                memory_base.eq(
                    aligned(registers.memory_base_low.value, registers.memory_base_high.value)
                ),
                result_base.eq(
                    aligned(registers.result_base_low.value, registers.result_base_high.value)
                ),
                schedule.eq(registers.schedule_address.value),
                size.eq(registers.result_size.value),
            ]
        m.d.comb += [
            master.base.eq(memory_base),
            results.base.eq(result_base),
            results.size.eq(size),
            accelerator.schedule_address.eq(schedule),
        ]
