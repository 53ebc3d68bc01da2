"""Where the pixels of a group lie in the tensor, and what each of them does to the pool's windows.

Coordinates are counted from the padding: u = x + left, window p covers u = 2p..2p+2. So an even u closes
window u/2 - 1 and opens window u/2, an odd u is a window's middle, and the last column closes the window
that padding would close. Rows likewise.
"""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig

_COORDINATE_BITS = 9


class PoolPosition(wiring.Component):
    """Follows G consecutive raster pixels a cycle, wherever rows end: also several in one group.

    A group that is not full ends a row; the next one begins the next row, or the next tensor.

    Ports:
        clear: starts a tensor of width x height, padded by top, left; constant until the next clear.
        valid, mask: a group and its pixels, from lane 0 on. All outputs belong to it, in the same cycle.
        first_x, odd_x: x = 0, u odd. closed: the pixel exists and closes a window along x.
        first_y, odd_y, emit_y: y = 0, u odd, the row closes windows along y. final: the tensor ends.
    """

    clear: Signal
    width: Signal
    height: Signal
    top: Signal
    left: Signal
    valid: Signal
    mask: Signal
    first_x: Signal
    odd_x: Signal
    closed: Signal
    first_y: Signal
    odd_y: Signal
    emit_y: Signal
    final: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self.lanes = config.pixel_lanes
        flags = ("first_x", "odd_x", "closed", "first_y", "odd_y", "emit_y")
        super().__init__(
            {
                "clear": In(1),
                "width": In(_COORDINATE_BITS),
                "height": In(_COORDINATE_BITS),
                "top": In(1),
                "left": In(1),
                "valid": In(1),
                "mask": In(self.lanes),
                **{flag: Out(self.lanes) for flag in flags},
                "final": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Kept are the first lane's column, the rows below it, and whether its row is the first or odd."""
        m = Module()
        x, below = Signal(_COORDINATE_BITS), Signal(_COORDINATE_BITS)
        top_row, odd_row = Signal(), Signal()
        finals = Signal(self.lanes)
        for lane in range(self.lanes):
            columns, past, down = self._lane(m, lane, x)
            last_x, here = Signal(name=f"last_x_{lane}"), Signal(name=f"here_{lane}")
            odd_x, first_x = self.odd_x[lane], self.first_x[lane]
            last_y = Signal(name=f"last_y_{lane}")
            m.d.comb += [
                here.eq(self.valid & self.mask[lane]),
                last_x.eq(past == -1),
                last_y.eq(below == down),
                first_x.eq((past == 0) | ((x == 0) & (columns == 0))),
                odd_x.eq(Mux(past >= 0, past[0], x[0] ^ columns[0]) ^ self.left),
                self.first_y[lane].eq(top_row & (down == 0)),
                self.odd_y[lane].eq(odd_row ^ down[0]),
                self.closed[lane].eq(here & Mux(odd_x, last_x, ~first_x)),
                self.emit_y[lane].eq(Mux(self.odd_y[lane], last_y, ~self.first_y[lane])),
                finals[lane].eq(here & last_x & last_y),
            ]
        m.d.comb += self.final.eq(finals.any())
        columns, past, down = self._lane(m, self.lanes, x)
        with m.If(self.clear | self.final):
            m.d.sync += [
                x.eq(0),
                below.eq(self.height - 1),
                top_row.eq(1),
                odd_row.eq(self.top),
            ]
        with m.Elif(self.valid & self.mask[-1]):
            m.d.sync += [
                x.eq(Mux(past >= 0, past, x + columns)),
                below.eq(below - down),
                top_row.eq(top_row & (down == 0)),
                odd_row.eq(odd_row ^ down[0]),
            ]
        with m.Elif(self.valid & self.mask[0]):
            m.d.sync += [x.eq(0), below.eq(below - 1), top_row.eq(0), odd_row.eq(~odd_row)]
        return m

    def _lane(self, m: Module, lane: int, x: Signal) -> tuple[Signal, Signal, Signal]:
        """(columns, past, down): `lane` pixels on, the column is `past` if that is not negative, else x + columns.

        The distance comes modulo the width from a table, so that one subtraction wraps it; down: rows further.
        """
        columns = Signal(range(max(lane + 1, 2)), name=f"columns_{lane}")
        rows = Signal(range(max(lane + 1, 2)), name=f"rows_{lane}")
        offset = Signal(signed(_COORDINATE_BITS + 1), name=f"offset_{lane}")
        past = Signal(signed(_COORDINATE_BITS + 1), name=f"past_{lane}")
        down = Signal(range(lane + 2), name=f"down_{lane}")
        with m.Switch(self.width):
            for width in range(1, lane + 1):
                with m.Case(width):
                    m.d.sync += [
                        columns.eq(lane % width),
                        rows.eq(lane // width),
                        offset.eq(lane % width - width),
                    ]
            with m.Default():
                m.d.sync += [columns.eq(lane), rows.eq(0), offset.eq(lane - self.width)]
        m.d.comb += [past.eq(x + offset), down.eq(rows + (past >= 0))]
        return columns, past, down
