"""Top level of a board with an ECP5: PLL, reset, and the board core at its pins."""

from __future__ import annotations

from amaranth.hdl import Cat, ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.sdram import SdramTiming
from rtl_gen.board_core import BoardCore
from rtl_gen.boards.pll import Pll
from rtl_gen.boards.sdram_clock import SdramClock
from rtl_gen.boards.sdram_pads import SdramPads

RESET_CYCLES = 256
"""Cycles of reset after the PLL has locked."""


class BoardTop(wiring.Component):
    """The core at the PLL's clock, in reset until that runs. Elaborates only inside rtl_gen.instances.emit.

    Members: `clk25` In, the oscillator. `uart_rx` In, asynchronous, and `uart_tx` Out. `led_0` Out: a host has said
    hello; `led_1`: at work; `led_2`: the last run failed; `led_3`: from a RUN's first start to its last done. With
    `sdram`, what the core's SDRAM binding and its chip's clock are made for: the chip's pins, `sdram_*`.
    """

    clk25: Signal
    uart_rx: Signal
    uart_tx: Signal
    led_0: Signal
    led_1: Signal
    led_2: Signal
    led_3: Signal

    def __init__(
        self, core: BoardCore, pll: Pll, sdram: tuple[SdramTiming, SdramClock] | None = None
    ) -> None:
        self._core, self._pll, self._sdram = core, pll, sdram
        super().__init__(
            {
                "clk25": In(1),
                "uart_rx": In(1),
                "uart_tx": Out(1),
                **{f"led_{n}": Out(1) for n in range(4)},
                **(SdramPads.outputs(sdram[0]) if sdram else {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Clock, reset, core."""
        m = Module()
        m.domains += ClockDomain("board", local=True)
        locked = Signal()
        clock = Signal()
        chip_clock = Signal()
        m.submodules.pll = self._pll.instance(
            source=self.clk25,
            clock=clock,
            locked=locked,
            later=(chip_clock, self._sdram[1].steps) if self._sdram else None,
        )
        m.d.comb += ClockSignal("board").eq(clock)

        # `locked` is asynchronous. The registers start as configuration leaves them: in reset.
        seen = Signal(2)
        left = Signal(range(RESET_CYCLES), init=RESET_CYCLES - 1, reset_less=True)
        reset = Signal(init=1, reset_less=True)
        m.domains += ClockDomain("start", local=True, reset_less=True)
        m.d.comb += ClockSignal("start").eq(clock)
        m.d.start += [seen.eq(Cat(locked, seen[0])), reset.eq(left != 0)]
        with m.If(~seen[1]):
            m.d.start += left.eq(RESET_CYCLES - 1)
        with m.Elif(left != 0):
            m.d.start += left.eq(left - 1)
        m.d.comb += ResetSignal("board").eq(reset)

        m.submodules.core = core = DomainRenamer("board")(self._core)
        m.d.comb += [
            core.rx.eq(self.uart_rx),
            self.uart_tx.eq(core.tx),
            self.led_0.eq(core.led_open),
            self.led_1.eq(core.led_busy),
            self.led_2.eq(core.led_failed),
            self.led_3.eq(core.marker),
        ]
        if self._sdram:
            timing = self._sdram[0]
            m.submodules.pads = pads = DomainRenamer("board")(SdramPads(timing))
            wiring.connect(m, core.pins, pads.pins)
            m.d.comb += pads.chip_clock.eq(chip_clock)
            m.d.comb += [getattr(self, pin).eq(getattr(pads, pin)) for pin in pads.outputs(timing)]
        return m
