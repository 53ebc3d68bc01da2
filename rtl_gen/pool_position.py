"""Where the pixels of a group lie in the tensor, and what each of them does to the pool's windows.

Coordinates are counted from the padding: u = x + left, window p covers u = 2p..2p+2. So an even u closes
window u/2 - 1 and opens window u/2, an odd u is a window's middle, and the last column closes the window
that padding would close. Rows likewise.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig

_COORDINATE_BITS = 9


@dataclass(frozen=True)
class _Pixel:
    """Where a pixel some places on lies: in column `past` if it `wraps` into a row further, else x + columns.

    rows: rows further down if it does not wrap; down: if that is counted, too. first, last: of its row.
    """

    columns: Value
    past: Value
    wraps: Value
    rows: Value
    down: Value
    first: Value
    last: Value


class PoolPosition(wiring.Component):
    """Follows G consecutive raster pixels a cycle, wherever rows end: also several in one group.

    A group that is not full ends a row; the next one begins the next row, or the next tensor.

    Ports:
        clear: starts a tensor of width x height, padded by top, left; constant until the next clear.
        valid, mask: a group and its pixels, from lane 0 on. All outputs belong to it, one cycle later.
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
            pixel = self._pixel(m, lane, x)
            here, odd_x = Signal(name=f"here_{lane}"), Signal(name=f"odd_x_{lane}")
            first_y, odd_y = Signal(name=f"first_y_{lane}"), Signal(name=f"odd_y_{lane}")
            last_y = Signal(name=f"last_y_{lane}")
            # Both answers are there before it is known whether the pixel lies a row further down.
            same_row, next_row = below == pixel.rows, below == pixel.rows + 1
            m.d.comb += [
                here.eq(self.valid & self.mask[lane]),
                odd_x.eq(Mux(pixel.wraps, pixel.past[0], x[0] ^ pixel.columns[0]) ^ self.left),
                first_y.eq(top_row & (pixel.down == 0)),
                odd_y.eq(odd_row ^ pixel.down[0]),
                last_y.eq(Mux(pixel.wraps, next_row, same_row)),
                # A row's last pixel is in the row in which the wrap would be the next one.
                finals[lane].eq(here & pixel.last & same_row),
            ]
            m.d.sync += [
                self.first_x[lane].eq(pixel.first),
                self.odd_x[lane].eq(odd_x),
                self.closed[lane].eq(here & Mux(odd_x, pixel.last, ~pixel.first)),
                self.first_y[lane].eq(first_y),
                self.odd_y[lane].eq(odd_y),
                self.emit_y[lane].eq(Mux(odd_y, last_y, ~first_y)),
            ]
        final = Signal()
        m.d.comb += final.eq(finals.any())
        m.d.sync += self.final.eq(final)
        following = self._pixel(m, self.lanes, x)
        with m.If(self.clear | final):
            m.d.sync += [
                x.eq(0),
                below.eq(self.height - 1),
                top_row.eq(1),
                odd_row.eq(self.top),
            ]
        with m.Elif(self.valid & self.mask[-1]):
            m.d.sync += [
                x.eq(Mux(following.wraps, following.past, x + following.columns)),
                below.eq(below - following.down),
                top_row.eq(top_row & (following.down == 0)),
                odd_row.eq(odd_row ^ following.down[0]),
            ]
        with m.Elif(self.valid & self.mask[0]):
            m.d.sync += [x.eq(0), below.eq(below - 1), top_row.eq(0), odd_row.eq(~odd_row)]
        return m

    def _pixel(self, m: Module, lane: int, x: Signal) -> _Pixel:
        """The pixel `lane` on from the one in column x.

        The distance comes modulo the width from a table, so that one subtraction wraps it.
        """
        if lane == 0:
            zero = Const(0)
            end = Signal(_COORDINATE_BITS, name="last_column")
            m.d.sync += end.eq(self.width - 1)
            return _Pixel(zero, Const(0, signed(1)), zero, zero, zero, x == 0, x == end)
        columns = Signal(range(lane + 1), name=f"columns_{lane}")
        rows = Signal(range(lane + 1), name=f"rows_{lane}")
        begin = Signal(_COORDINATE_BITS, name=f"wraps_from_{lane}")
        end = Signal(_COORDINATE_BITS, name=f"last_from_{lane}")
        past = Signal(signed(_COORDINATE_BITS + 1), name=f"past_{lane}")
        wraps = Signal(name=f"wraps_{lane}")
        down = Signal(range(lane + 2), name=f"down_{lane}")
        with m.Switch(self.width):
            for width in range(1, lane + 1):
                with m.Case(width):
                    m.d.sync += [
                        columns.eq(lane % width),
                        rows.eq(lane // width),
                        begin.eq(width - lane % width),
                        end.eq(width - lane % width - 1),
                    ]
            with m.Default():
                m.d.sync += [
                    columns.eq(lane),
                    rows.eq(0),
                    begin.eq(self.width - lane),
                    end.eq(self.width - (lane + 1)),
                ]
        m.d.comb += [past.eq(x - begin), wraps.eq(past >= 0), down.eq(rows + wraps)]
        first = (x == begin) | ((x == 0) & (columns == 0))
        return _Pixel(columns, past, wraps, rows, down, first, x == end)
