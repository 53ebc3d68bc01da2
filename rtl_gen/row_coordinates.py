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
        restart: In, early: the first tile is next. advance: In, late: the next tile is; what that loads is known without it.
        row_end: Out: the tile after this one starts a new output row (row-aligned tiles), unless `restart`.
        next_row_end: Out: the one after that does, unless it is a first one.
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
                "next_row_end": Out(1),
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
        next_x, x_after = Signal(COORDINATE_BITS), Signal(COORDINATE_BITS, init=1)
        next_y = Signal(COORDINATE_BITS)
        with m.If(self.setup):
            m.d.sync += [
                Cat(first_x).eq(Cat(first_x[1:], next_x)),
                Cat(first_y).eq(Cat(first_y[1:], next_y)),
                next_x.eq(x_after),
                x_after.eq(x_after + 1),
            ]
            with m.If(~conv.row_aligned & (x_after == conv.out_w)):
                m.d.sync += [next_x.eq(0), x_after.eq(1), next_y.eq(next_y + 1)]
        with m.Else():
            m.d.sync += [next_x.eq(0), x_after.eq(1), next_y.eq(0)]

        # Constants of the layer. Where a row's last tile but one begins: the next is known to be the last.
        last_but_one = Signal(signed(COORDINATE_BITS + 2))
        one_tile = Signal()
        lines, lines_wrapped = Signal(7), Signal(7)
        columns, columns_wrapped = Signal(7), Signal(signed(COORDINATE_BITS + 1))
        m.d.sync += [
            last_but_one.eq(conv.out_w - 2 * rows),
            one_tile.eq(conv.out_w <= rows),
            columns.eq(Mux(conv.row_aligned, rows, conv.row_mod)),
            columns_wrapped.eq(conv.row_mod - conv.out_w),
            lines.eq(Mux(conv.row_aligned, 0, conv.row_div)),
            lines_wrapped.eq(Mux(conv.row_aligned, 1, conv.row_div + 1)),
        ]
        first_of_row = Signal()
        m.d.comb += first_of_row.eq(self.restart | self.row_end)
        # What a tap adds to a coordinate: the same for all rows.
        tap_x, tap_y = Signal(signed(4)), Signal(signed(4))
        m.d.comb += [tap_x.eq(self.dx - conv.pad_left), tap_y.eq(self.dy - conv.pad_top)]
        valids: list[Signal] = []
        inside: list[Signal] = []
        for i in range(rows):
            x = Signal(COORDINATE_BITS, name=f"x_{i}")
            y = Signal(COORDINATE_BITS, name=f"y_{i}")
            # Of a linear tile, x in the next line, below 0 if it stays in its own.
            wrapped = Signal(signed(COORDINATE_BITS + 1), name=f"wrapped_{i}")
            wraps = Signal(name=f"wraps_{i}")
            if i == 0:
                m.d.comb += self.next_row_end.eq(
                    conv.row_aligned & Mux(first_of_row, one_tile, x >= last_but_one)
                )
            m.d.comb += [
                wrapped.eq(x + columns_wrapped),
                wraps.eq(Mux(conv.row_aligned, self.row_end, wrapped >= 0)),
            ]
            with m.If(self.advance):
                if i == 0:
                    m.d.sync += self.row_end.eq(self.next_row_end)
                m.d.sync += [
                    x.eq(Mux(first_of_row, first_x[i], Mux(wraps, wrapped, x + columns))),
                    y.eq(Mux(self.restart, first_y[i], y + Mux(wraps, lines_wrapped, lines))),
                ]

            # Modulo four times what they may be: below 0 is far beyond the input.
            in_x = Signal(COORDINATE_BITS + 2, name=f"in_x_{i}", reset_less=True)
            in_y = Signal(COORDINATE_BITS + 2, name=f"in_y_{i}", reset_less=True)
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
