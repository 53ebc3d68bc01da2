"""The 3x3 mean with stride 2 of a stored tensor, from its pixels in raster order (docs/numerics.md, shortcuts).

Coordinates are counted from the padding: u = x + left, window p covers u = 2p..2p+2. So an even u closes
window u/2 - 1 and opens window u/2, an odd u is a window's middle, and the last column closes the window
that padding would close. Rows likewise, with the row sums of a window kept in a line memory.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from hwflow.numerics import POOL_RECIPROCAL, RECIPROCAL_SHIFT, STORED_BITS
from rtl_gen.interfaces import GROUP_BITS, ROW_BITS, SLOT_BITS
from rtl_gen.lane import saturated

LATENCY = 4
"""Cycles from a window's last pixel to its mean."""

_TWO_BITS = STORED_BITS + 1
_THREE_BITS = STORED_BITS + 2
_SIX_BITS = STORED_BITS + 3
_NINE_BITS = STORED_BITS + 4
_PRODUCT_BITS = _NINE_BITS + POOL_RECIPROCAL.bit_length()


class Pool(wiring.Component):
    """Takes a pixel of C channels a cycle; restarts by itself at each channel group.

    Ports:
        clear: starts a layer. width, height of the tensor; top, left: padding; groups: of the pooled tensor.
        valid, pixel: the pixels of channel group 0 in slot order, then those of group 1, ...
        mean_valid, mean: a pooled pixel, with its slot, cg and row - base of bank 0 in the pool memory;
            bank = slot % G is left to the slot's low bits.
    """

    clear: Signal
    width: Signal
    height: Signal
    top: Signal
    left: Signal
    groups: Signal
    valid: Signal
    mean_valid: Signal
    slot: Signal
    cg: Signal
    row: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self.cols, self.pixels = config.cols, config.pixel_lanes
        self.line = max((config.line_pixels + 1) // 2, 2)
        word = data.ArrayLayout(signed(STORED_BITS), self.cols)
        super().__init__(
            {
                "clear": In(1),
                "width": In(9),
                "height": In(9),
                "top": In(1),
                "left": In(1),
                "groups": In(GROUP_BITS),
                "valid": In(1),
                "pixel": In(word),
                "mean_valid": Out(1),
                "mean": Out(word),
                "slot": Out(SLOT_BITS),
                "cg": Out(GROUP_BITS),
                "row": Out(ROW_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Stage 1 closes windows along x, stage 2 along y, stages 3 and 4 divide by nine."""
        m = Module()
        x, y = Signal(9), Signal(9)
        column = Signal(range(self.line))
        last_x, last_y, odd_x, odd_y, close = Signal(), Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            last_x.eq(x + 1 == self.width),
            last_y.eq(y + 1 == self.height),
            odd_x.eq(x[0] ^ self.left),
            odd_y.eq(y[0] ^ self.top),
            close.eq(self.valid & Mux(odd_x, last_x, x != 0)),
        ]
        with m.If(self.valid):
            m.d.sync += x.eq(Mux(last_x, 0, x + 1))
            with m.If(last_x):
                m.d.sync += [y.eq(Mux(last_y, 0, y + 1)), column.eq(0)]
            with m.Elif(close):
                m.d.sync += column.eq(column + 1)

        # What belongs to the closed windows' stage.
        closed, first_row, open_row, emit_row, final = (
            Signal(),
            Signal(),
            Signal(),
            Signal(),
            Signal(),
        )
        closed_column = Signal.like(column)
        m.d.sync += [
            closed.eq(close),
            closed_column.eq(column),
            first_row.eq(y == 0),
            open_row.eq(~odd_y),
            emit_row.eq(Mux(odd_y, last_y, y != 0)),
            final.eq(last_x & last_y),
        ]
        # A row of one window reads the sums written in the cycle before: hence transparent.
        m.submodules.line = line = Memory(shape=self.cols * _SIX_BITS, depth=self.line, init=[])
        write = line.write_port()
        read = line.read_port(transparent_for=(write,))
        m.d.comb += [
            read.addr.eq(column),
            read.en.eq(1),
            write.addr.eq(closed_column),
            write.en.eq(closed),
        ]
        kept: list[Value] = []
        for channel in range(self.cols):

            def wide(name: str, bits: int, channel: int = channel) -> Signal:
                return Signal(signed(bits), name=f"{name}_{channel}")

            value = self.pixel[channel]
            partial, across, three = (
                wide("partial", _TWO_BITS),
                wide("across", _THREE_BITS),
                wide("three", _THREE_BITS),
            )
            m.d.comb += across.eq(Mux(x == 0, 0, partial) + value)
            with m.If(self.valid):
                m.d.sync += [partial.eq(Mux(odd_x, across, value)), three.eq(across)]
            before = read.data.word_select(channel, _SIX_BITS).as_signed()
            total, nine = wide("total", _NINE_BITS), wide("nine", _NINE_BITS)
            product = wide("product", _PRODUCT_BITS)
            m.d.comb += total.eq(three + Mux(first_row, 0, before))
            kept.append(Mux(open_row, three, total)[:_SIX_BITS])
            rounded = wide("rounded", _PRODUCT_BITS + 1 - RECIPROCAL_SHIFT)
            m.d.comb += rounded.eq((product + (1 << (RECIPROCAL_SHIFT - 1))) >> RECIPROCAL_SHIFT)
            m.d.sync += [
                nine.eq(total),
                product.eq(nine * POOL_RECIPROCAL),
                self.mean[channel].eq(saturated(rounded, STORED_BITS)),
            ]
        m.d.comb += write.data.eq(Cat(*kept))
        self._addresses(m, closed & emit_row, final)
        return m

    def _addresses(self, m: Module, emitted: Value, final: Value) -> None:
        """Slot, channel group and row of the means, counted one stage before they are there."""
        valid2, valid3, final2, final3 = Signal(), Signal(), Signal(), Signal()
        slot, cg, row = Signal(SLOT_BITS), Signal(GROUP_BITS), Signal(ROW_BITS)
        m.d.sync += [
            valid2.eq(emitted),
            final2.eq(final),
            valid3.eq(valid2),
            final3.eq(final2),
            self.mean_valid.eq(valid3),
            self.slot.eq(slot),
            self.cg.eq(cg),
            self.row.eq(row),
        ]
        with m.If(self.clear):
            m.d.sync += [slot.eq(0), cg.eq(0), row.eq(0)]
        with m.Elif(valid3 & final3):
            m.d.sync += [slot.eq(0), cg.eq(cg + 1), row.eq(cg + 1)]
        with m.Elif(valid3):
            m.d.sync += slot.eq(slot + 1)
            last_bank = (
                slot[: (self.pixels - 1).bit_length()].all() if self.pixels > 1 else Const(1)
            )
            with m.If(last_bank):
                m.d.sync += row.eq(row + self.groups)
