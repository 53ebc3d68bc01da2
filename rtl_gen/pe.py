"""One processing element of the binary array."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from rtl_gen.popcount import Differences
from rtl_gen.probe import observe

KERNEL_LIMIT = 7
"""Largest kernel the instruction's 3-bit field holds."""


def popcount_bits(config: AcceleratorConfig) -> int:
    """Bits of a popcount sum, and of N: at most 7x7 taps of all channels, the last word padded to K."""
    return (KERNEL_LIMIT**2 * (config.channel_limit + config.popcount_width)).bit_length()


class BinaryPE(wiring.Component):
    """Counts agreeing bits of one pixel and one output channel over the steps of a tile.

    ```
    act -xor-> popcount -> [count] -> + -> [total], 0 after the last step     [x] = register
    opposed ^                         ^-- total  `-> [result]
    ```
    Members:
        act, opposed: In, K bits, activations and complemented weights of this cycle's step: agreeing bits differ here.
        step, add: In, `popcount_stages` - 1 cycles after the operands: a step is there; it counts (else it adds 0).
        step_next, last_next: In: step, last of the step, a cycle later.
        result: Out: the tile's sum for one cycle, `timing.binary_pe_latency` cycles after its last step; else 0.
    """

    act: Signal
    opposed: Signal
    step: Signal
    add: Signal
    step_next: Signal
    last_next: Signal
    result: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self._width = config.popcount_width
        self._delay = config.popcount_stages - 1
        super().__init__(
            {
                "act": In(self._width),
                "opposed": In(self._width),
                "step": In(1),
                "add": In(1),
                "step_next": In(1),
                "last_next": In(1),
                "result": Out(popcount_bits(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Count, accumulate."""
        m = Module()
        m.submodules.differences = differences = Differences(self._width, delay=self._delay)
        count = Signal.like(differences.n, reset_less=True)
        total = Signal.like(self.result)
        following = Signal.like(self.result)
        m.d.comb += [
            differences.a.eq(self.act),
            differences.b.eq(self.opposed),
            following.eq(total + count),
        ]
        with m.If(self.step):
            m.d.sync += count.eq(Mux(self.add, differences.n, 0))
        with m.If(self.step_next):
            m.d.sync += total.eq(Mux(self.last_next, 0, following))
        m.d.sync += self.result.eq(Mux(self.step_next & self.last_next, following, 0))
        observe(m, self)
        return m
