"""One processing element of the 8-bit MAC array."""

from __future__ import annotations

from functools import reduce
from operator import add

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from rtl_gen.interfaces import ACC_BITS


def mac_sum_bits(config: AcceleratorConfig) -> int:
    """Bits of an element's sum, and of the sum over the rows: no longer matrix-vector product overflows them.

    A product has 16 bits with its sign, `channel_limit` inputs are padded to whole steps. A convolution's sum has ACC_BITS.
    """
    inputs = -(-config.channel_limit // config.fc_inputs) * config.fc_inputs
    return max(ACC_BITS, 16 + (inputs - 1).bit_length())


class MacPE(wiring.Component):
    """Adds Km signed products a step.

    Members:
        operands, weights: In, Km bytes (s8) each, operands of this cycle's step.
        step: In: a step is there.
        step_next, last_next: In: step, last of the step one cycle earlier.
        result: Out, `mac_sum_bits`: the sum of the last finished tile, `timing.MAC_PE` cycles after its last step, kept
            until the next.
    """

    operands: Signal
    weights: Signal
    step: Signal
    step_next: Signal
    last_next: Signal
    result: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self._depth = config.mac_depth
        self._sum = signed(mac_sum_bits(config))
        super().__init__(
            {
                "operands": In(8 * self._depth),
                "weights": In(8 * self._depth),
                "step": In(1),
                "step_next": In(1),
                "last_next": In(1),
                "result": Out(self._sum),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Two stages: multiply and add, accumulate."""
        m = Module()
        depth = self._depth
        products: list[Signal] = []
        for index in range(depth):
            product = Signal(signed(16), name=f"product_{index}")
            m.d.comb += product.eq(
                self.operands.word_select(index, 8).as_signed()
                * self.weights.word_select(index, 8).as_signed()
            )
            products.append(product)
        partial = Signal(signed(16 + (depth - 1).bit_length()), reset_less=True)
        total = Signal(self._sum)
        following = Signal(self._sum)
        result = Signal(self._sum, reset_less=True)
        m.d.comb += following.eq(total + partial)
        with m.If(self.step):
            m.d.sync += partial.eq(reduce(add, products))
        # Clearing before enabling: a register's own reset does it, without a LUT a bit.
        with m.If(self.step_next & self.last_next):
            m.d.sync += [total.eq(0), result.eq(following)]
        with m.Elif(self.step_next):
            m.d.sync += total.eq(following)
        m.d.comb += self.result.eq(result)
        return m
