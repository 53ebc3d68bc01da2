"""One processing element of the MAC array: 8 bits there, other widths for comparison."""

from __future__ import annotations

from functools import reduce
from operator import add

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from rtl_gen.interfaces import ACC_BITS
from rtl_gen.probe import observe


def mac_sum_bits(config: AcceleratorConfig, width: int = 8) -> int:
    """Bits of an element's sum, and of the sum over the rows: no longer matrix-vector product overflows them.

    A product has 2*`width` bits with its sign, `channel_limit` inputs are padded to whole steps. A convolution's sum has
    ACC_BITS.
    """
    inputs = -(-config.channel_limit // config.fc_inputs) * config.fc_inputs
    return max(ACC_BITS, 2 * width + (inputs - 1).bit_length())


class MacPE(wiring.Component):
    """Adds Km signed products a step.

    Args:
        config: the accelerator; Km is its `mac_depth`.
        width: bits of an operand and of a weight.

    Members:
        operands, weights: In, Km values of `width` bits (signed) each, operands of this cycle's step.
        step: In: a step is there. add: In: it counts; the operands of one that does not are 0, so that only an observer
            looks at it.
        step_next, last_next: In: step, last of the step one cycle earlier.
        result: Out, `mac_sum_bits`: the sum of the last finished tile, `timing.MAC_PE` cycles after its last step, kept
            until the next.
    """

    operands: Signal
    weights: Signal
    step: Signal
    add: Signal
    step_next: Signal
    last_next: Signal
    result: Signal

    def __init__(self, config: AcceleratorConfig, *, width: int = 8) -> None:
        self._depth, self._width = config.mac_depth, width
        self._sum = signed(mac_sum_bits(config, width))
        super().__init__(
            {
                "operands": In(width * self._depth),
                "weights": In(width * self._depth),
                "step": In(1),
                "add": In(1),
                "step_next": In(1),
                "last_next": In(1),
                "result": Out(self._sum),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Two stages: multiply and add, accumulate."""
        m = Module()
        depth, width = self._depth, self._width
        products: list[Signal] = []
        for index in range(depth):
            product = Signal(signed(2 * width), name=f"product_{index}")
            m.d.comb += product.eq(
                self.operands.word_select(index, width).as_signed()
                * self.weights.word_select(index, width).as_signed()
            )
            products.append(product)
        partial = Signal(signed(2 * width + (depth - 1).bit_length()), reset_less=True)
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
        observe(m, self)
        return m
