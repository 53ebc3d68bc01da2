"""An SDRAM at an ECP5's pins: a register in every pin, and the chip's clock."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockSignal, Instance, IOPort, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hwflow.sdram import SdramTiming
from rtl_gen.bindings.sdram_layouts import SdramPins

DATA_PORT = "sdram_dq"


class SdramPads(wiring.Component):
    """I/O registers of `sync` and buffers of the data bus, which becomes the design's port `sdram_dq`.

    Members: `pins`, the controller's side, a register away from the chip in either direction; `chip_clock` In, of the
    phase that the chip is to have; `sdram_clk` and the other outputs: pins of the board.
    """

    pins: Any
    chip_clock: Signal

    def __init__(self, timing: SdramTiming) -> None:
        self._signature = SdramPins(timing)
        super().__init__({"pins": In(self._signature), "chip_clock": In(1), **self.outputs(timing)})

    @staticmethod
    def outputs(timing: SdramTiming) -> dict[str, Any]:
        """Ports of the board's top, but for the data bus."""
        members = SdramPins(timing).members
        return {
            "sdram_clk": wiring.Out(1),
            **{
                f"sdram_{name}": member
                for name, member in members.items()
                if not name.startswith("dq_")
            },
        }

    def elaborate(self, platform: object) -> Module:
        """The cells."""
        m = Module()
        for name in self._signature.members:
            if not name.startswith("dq_"):
                _registers(m, name, getattr(self.pins, name), getattr(self, f"sdram_{name}"))
        bus = IOPort(16, name=DATA_PORT)
        driven, held, seen, taken = Signal(16), Signal(16), Signal(16), Signal(16)
        _registers(m, "dq_o", self.pins.dq_o, driven)
        # Preset: nothing is driven before the clock runs.
        _registers(m, "dq_t", ~self.pins.dq_oe.replicate(16), held, cell="OFS1P3BX", preset="i_PD")
        for bit in range(16):
            m.submodules[f"dq_{bit}"] = Instance(
                "BB", i_I=driven[bit], i_T=held[bit], o_O=seen[bit], io_B=bus[bit]
            )
            m.submodules[f"dq_i_{bit}"] = Instance(
                "IFS1P3DX", i_SCLK=ClockSignal(), i_SP=1, i_CD=0, i_D=seen[bit], o_Q=taken[bit]
            )
        m.d.comb += self.pins.dq_i.eq(taken)
        m.submodules.clock = Instance(
            "ODDRX1F", i_SCLK=self.chip_clock, i_RST=0, i_D0=1, i_D1=0, o_Q=self.sdram_clk
        )
        return m


def _registers(
    m: Module,
    name: str,
    source: Value,
    pin: Signal,
    *,
    cell: str = "OFS1P3DX",
    preset: str = "i_CD",
) -> None:
    """An output register in every pin."""
    for bit in range(len(pin)):
        ports = {"i_SCLK": ClockSignal(), "i_SP": 1, preset: 0}
        m.submodules[f"{name}_{bit}"] = Instance(cell, **ports, i_D=source[bit], o_Q=pin[bit])
