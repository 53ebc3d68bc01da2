"""The channel constants of one column: small memories read just before the stage that uses them.

Each group of constants has a memory of its own, addressed by the channel group of the elements in that
stage, so consecutive channel groups follow one another without copies of all constants.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from rtl_gen import lane
from rtl_gen.delay import delayed
from rtl_gen.interfaces import GROUP_BITS
from rtl_gen.ram import Ram

CONSTANTS = {
    "alpha": signed(16),
    "alpha_shift": unsigned(5),
    "bias": signed(lane.BIAS_BITS),
    "p": signed(14),
    "n": signed(14),
    "out_shift": unsigned(5),
    "q": signed(24),
}
"""A channel's constants as they are stored."""


class LaneConstants(wiring.Component):
    """Constants of channels j, C + j, 2C + j, ... for a column j; row = channel // C.

    Ports:
        write, row, and the fields: a write takes one cycle. A row must not be written while it is in use.
        cg1, cg3, cg5, cg8: the channel group of the element in stage 1, 3, 5, 8 of the lane.
        Outputs: each in the stage in which the lane samples it (rtl_gen/lane.py).
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.depth = max(config.channel_groups_limit, 2)
        super().__init__(
            {
                "write": In(1),
                "row": In(GROUP_BITS),
                **{f"new_{name}": In(shape) for name, shape in CONSTANTS.items()},
                "cg1": In(GROUP_BITS),
                "cg3": In(GROUP_BITS),
                "cg5": In(GROUP_BITS),
                "cg8": In(GROUP_BITS),
                **{name: Out(shape) for name, shape in CONSTANTS.items()},
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Four memories; two shifts wait in registers for their stage."""
        m = Module()

        def memory(name: str, stage: Value, *fields: str) -> list[Value]:
            """Outputs of a memory that holds `fields` and is read for the element in `stage`."""
            new = [Value.cast(getattr(self, f"new_{field}")) for field in fields]
            width = sum(map(len, new))
            # A column's few words of less than 32 bits would leave a block RAM of its own nearly empty.
            m.submodules[name] = ram = Ram(width, self.depth, distributed=width < 32)
            m.d.comb += [
                ram.read_enable.eq(1),
                ram.read_address.eq(stage),
                ram.write_enable.eq(self.write),
                ram.write_address.eq(self.row),
                ram.write_data.eq(Cat(*new)),
            ]
            found: list[Value] = []
            at = 0
            for value in new:
                found.append(ram.read_data[at : at + len(value)])
                at += len(value)
            return found

        def waiting(value: Value, cycles: int, name: str) -> Value:
            return delayed(m, value, cycles, name, reset_less=True)[-1]

        alpha, alpha_shift = memory("scale", self.cg1, "alpha", "alpha_shift")
        (bias,) = memory("bias", self.cg3, "bias")
        p, n, out_shift = memory("slopes", self.cg5, "p", "n", "out_shift")
        (q,) = memory("offset", self.cg8, "q")
        wait_alpha_shift = lane.ALPHA_SHIFT_STAGE - lane.ALPHA_STAGE
        wait_out_shift = lane.OUT_SHIFT_STAGE - lane.SLOPE_STAGE
        m.d.comb += [
            self.alpha.eq(alpha),
            self.alpha_shift.eq(waiting(alpha_shift, wait_alpha_shift, "alpha_shift")),
            self.bias.eq(bias),
            self.p.eq(p),
            self.n.eq(n),
            self.out_shift.eq(waiting(out_shift, wait_out_shift, "out_shift")),
            self.q.eq(q),
        ]
        return m
