"""Cuts the word of an output group out of a long shortcut that repeats after any number of channels."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from rtl_gen.interfaces import GROUP_BITS
from rtl_gen.residual_memory import rotate

LAST_BITS = 7


class RepeatPosition(wiring.Component):
    """Where output group after output group begins in a tensor of C*(groups - 1) + last_columns channels.

    The tensor repeats; an output group of C columns begins in column `offset` of channel group `cg`.

    Members: `clear` begins a layer; `advance` In: the group is over; `groups`, `last_columns` In, constant in a layer;
    `cg`, `offset` Out, in the cycle after; `last`, `before_last` Out: `cg` is the tensor's last group, the one before.
    """

    clear: Signal
    advance: Signal
    groups: Signal
    last_columns: Signal
    cg: Signal
    offset: Signal
    last: Signal
    before_last: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self._cols = config.cols
        super().__init__(
            {
                "clear": In(1),
                "advance": In(1),
                "groups": In(GROUP_BITS),
                "last_columns": In(LAST_BITS),
                "cg": Out(GROUP_BITS),
                "offset": Out(range(config.cols)),
                "last": Out(1),
                "before_last": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A group further is C channels further: the offset changes only where the tensor begins again."""
        m = Module()
        again = Signal()
        last, before_last = Signal.like(self.groups), Signal.like(self.groups)
        m.d.sync += [last.eq(self.groups - 1), before_last.eq(self.groups - 2)]
        m.d.comb += [
            self.last.eq(self.cg == last),
            self.before_last.eq(self.cg == before_last),
            again.eq(self.last | (self.before_last & (self.offset >= self.last_columns))),
        ]
        with m.If(self.clear):
            m.d.sync += [self.cg.eq(0), self.offset.eq(0)]
        with m.Elif(self.advance):
            m.d.sync += [
                self.cg.eq(Mux(again, 0, self.cg + 1)),
                self.offset.eq(Mux(again, self.offset - self.last_columns, self.offset)),
            ]
        return m


class ChannelAlign(wiring.Component):
    """G output words from the words of two neighbouring channel groups and the first C channels of the tensor.

    Output column j is channel cg*C + offset + j of the tensor, which begins again after its last channel. Channels
    cg*C + offset .. cg*C + C - 1 lie in `here`, at their columns, the following ones in `after`, and those that begin
    again in `heads`, where the tensor's channel 0 lies in column last_columns % C: so all columns need one rotation.

    Members: `here`, `after`, `heads` In, G words each; `last_columns` In, constant in a layer, two cycles ahead;
    `offset`, `last`, `before_last` In, of RepeatPosition; `words` Out, in the same cycle.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        bits = config.pixel_lanes * config.residual_word_bits
        super().__init__(
            {
                "here": In(bits),
                "after": In(bits),
                "heads": In(bits),
                "last_columns": In(LAST_BITS),
                "offset": In(range(config.cols)),
                "last": In(1),
                "before_last": In(1),
                "words": Out(bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Choose each column's source, then rotate."""
        m = Module()
        cols = self._config.cols
        beyond = Signal(cols)  # columns of the tensor's last word that hold no channel
        m.d.sync += beyond.eq(Cat(self.last_columns <= column for column in range(cols)))
        turn = Signal.like(self.offset)
        m.d.comb += turn.eq(-self.offset)
        following, again = Signal(cols), Signal(cols)
        m.d.comb += [
            # The offset never exceeds the last column, which is therefore always of `here`.
            following.eq(Cat(column < self.offset for column in range(cols - 1))),
            again.eq(
                Mux(self.last, following | beyond, Mux(self.before_last, following & beyond, 0))
            ),
        ]
        bits, word = self._config.residual_bits, self._config.residual_word_bits
        for lane in range(self._config.pixel_lanes):
            here, after, heads = (
                source.word_select(lane, word) for source in (self.here, self.after, self.heads)
            )
            chosen: list[Value] = []
            for column in range(cols):
                elements = [w.word_select(column, bits) for w in (here, after, heads)]
                plain = Mux(following[column], elements[1], elements[0])
                chosen.append(Mux(again[column], elements[2], plain))
            aligned = rotate(m, Cat(*chosen), turn, bits, f"lane_{lane}")
            m.d.comb += self.words.word_select(lane, word).eq(aligned)
        return m
