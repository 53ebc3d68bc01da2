"""The registers that a processing element's operands come from, as a unit of its own.

In the arrays they belong to the columns (rtl_gen/binary_array.py, rtl_gen/mac_array.py): on average one word of
activations and one of weights for every element, loaded at each of its steps. Characterised beside the elements.
"""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class OperandRegisters(wiring.Component):
    """Two words, one cycle later.

    Members:
        activations, weights: In, `bits` bits, taken when `step`.
        activations_out, weights_out: Out, those of the last step.
    """

    activations: Signal
    weights: Signal
    step: Signal
    activations_out: Signal
    weights_out: Signal

    def __init__(self, bits: int) -> None:
        super().__init__(
            {
                "activations": In(bits),
                "weights": In(bits),
                "step": In(1),
                "activations_out": Out(bits),
                "weights_out": Out(bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Registers with an enable."""
        m = Module()
        kept = [
            Signal.like(self.activations, name="kept_activations", reset_less=True),
            Signal.like(self.weights, name="kept_weights", reset_less=True),
        ]
        with m.If(self.step):
            m.d.sync += [kept[0].eq(self.activations), kept[1].eq(self.weights)]
        m.d.comb += [self.activations_out.eq(kept[0]), self.weights_out.eq(kept[1])]
        return m
