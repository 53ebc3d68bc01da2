"""Output coordinates of a tile's R pixels and which of their taps lie inside the input."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from rtl_gen.interfaces import CONV

COORDINATE_BITS = 10
"""Up to 511 and one tile beyond."""


class RowCoordinates(wiring.Component):
    """Registers (x, y) of R output pixels, stepped tile by tile.

    Members:
        conv: In, stable.
        setup: In, high for R cycles: the first tile's coordinates are computed, a row a cycle.
        restart: In: load the first tile; advance: In: next tile (restart wins).
        row_end: Out: the next tile starts a new output row (row-aligned tiles).
        dy, dx: In, the tap. pixels, unmasked: Out, R bits each, `timing.ROW_TEST` cycles after dy, dx:
            the pixel exists; its tap is inside the input as well.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._rows = config.rows
        super().__init__(
            {
                "conv": In(CONV),
                "setup": In(1),
                "restart": In(1),
                "advance": In(1),
                "row_end": Out(1),
                "dy": In(3),
                "dx": In(3),
                "pixels": Out(config.rows),
                "unmasked": Out(config.rows),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Set-up chain, coordinate registers, tap test."""
        m = Module()
        conv, rows = self.conv, self._rows
        first_x = [Signal(COORDINATE_BITS, name=f"first_x_{i}") for i in range(rows)]
        first_y = [Signal(COORDINATE_BITS, name=f"first_y_{i}") for i in range(rows)]
        next_x = Signal(COORDINATE_BITS)
        next_y = Signal(COORDINATE_BITS)
        with m.If(self.setup):
            m.d.sync += [
                Cat(first_x).eq(Cat(first_x[1:], next_x)),
                Cat(first_y).eq(Cat(first_y[1:], next_y)),
                next_x.eq(next_x + 1),
            ]
            with m.If(~conv.row_aligned & (next_x + 1 == conv.out_w)):
                m.d.sync += [next_x.eq(0), next_y.eq(next_y + 1)]
        with m.Else():
            m.d.sync += [next_x.eq(0), next_y.eq(0)]

        # Where a row's last tile begins, and what a tap adds to a coordinate: the same for all rows.
        last_x = Signal(signed(COORDINATE_BITS + 1))
        m.d.sync += last_x.eq(conv.out_w - rows)
        tap_x, tap_y = Signal(signed(4)), Signal(signed(4))
        m.d.comb += [tap_x.eq(self.dx - conv.pad_left), tap_y.eq(self.dy - conv.pad_top)]
        valids: list[Signal] = []
        inside: list[Signal] = []
        for i in range(rows):
            x = Signal(COORDINATE_BITS, name=f"x_{i}")
            y = Signal(COORDINATE_BITS, name=f"y_{i}")
            moved = Signal(COORDINATE_BITS, name=f"moved_{i}")
            m.d.comb += moved.eq(x + conv.row_mod)
            if i == 0:
                m.d.comb += self.row_end.eq(x >= last_x)
            with m.If(self.restart):
                m.d.sync += [x.eq(first_x[i]), y.eq(first_y[i])]
            with m.Elif(self.advance & conv.row_aligned):
                m.d.sync += [x.eq(Mux(self.row_end, first_x[i], x + rows)), y.eq(y + self.row_end)]
            with m.Elif(self.advance):
                wrap = moved >= conv.out_w
                m.d.sync += [
                    x.eq(Mux(wrap, moved - conv.out_w, moved)),
                    y.eq(y + conv.row_div + wrap),
                ]

            # Modulo four times what they may be: below 0 is far beyond the input.
            in_x = Signal(COORDINATE_BITS + 2, name=f"in_x_{i}")
            in_y = Signal(COORDINATE_BITS + 2, name=f"in_y_{i}")
            valid = Signal(name=f"valid_{i}")
            m.d.sync += [
                valid.eq((x < conv.out_w) & (y < conv.out_h)),
                in_x.eq(Mux(conv.stride2, x << 1, x) + tap_x),
                in_y.eq(Mux(conv.stride2, y << 1, y) + tap_y),
            ]
            valids.append(valid)
            inside.append(valid & (in_x < conv.in_w) & (in_y < conv.in_h))
        m.d.sync += [self.pixels.eq(Cat(valids)), self.unmasked.eq(Cat(inside))]
        return m
