"""When the scalar engine issues an output: the next of an instruction's, once all it needs is there."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from rtl_gen.interfaces import GROUP_BITS
from rtl_gen.token_counter import TokenCounter

COUNT_BITS = 16
TOKEN_BITS = GROUP_BITS + 1


class ScalarIssue(wiring.Component):
    """Counts the outputs of an instruction, in groups of C, from `start` on.

    `issue` goes to all of the engine in its cycle: what it depends on is in registers, one for each need.

    Members: `start` In, pulse, with `count` of outputs. What each of them needs, held from `start` to its issue: `sums` In:
    a sum token for its group; `records` In: `record_there`; `products` In: `product_there`; `logits` In: `room`; `scales`
    In: nothing, but a group of them is promised. `sum_token` In: a group's sums are there; `clear` In forgets these. `room`
    In: for a logit that is issued in the next cycle. `record_level` In: how many records are there. `issue` Out: the next
    output is; `number` Out: which; `take_record` Out: with its record; `last` Out: it is the last one; `group_end` Out: the
    last one of its group. `promise` Out: from this issue on nothing holds up its group.
    """

    start: Signal
    count: Signal
    sums: Signal
    records: Signal
    products: Signal
    logits: Signal
    scales: Signal
    sum_token: Signal
    clear: Signal
    record_level: Signal
    record_there: Signal
    product_there: Signal
    room: Signal
    issue: Signal
    number: Signal
    take_record: Signal
    last: Signal
    group_end: Signal
    promise: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self._cols = config.cols
        needs = ("sums", "records", "products", "logits", "scales")
        there = ("sum_token", "clear", "record_there", "product_there", "room")
        super().__init__(
            {
                "start": In(1),
                "count": In(COUNT_BITS),
                **dict.fromkeys((*needs, *there), In(1)),
                "record_level": In(range(config.constant_words + 1)),
                "issue": Out(1),
                "number": Out(COUNT_BITS),
                "take_record": Out(1),
                "last": Out(1),
                "group_end": Out(1),
                "promise": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        cols = self._cols
        m.submodules.sum_tokens = sum_tokens = TokenCounter(TOKEN_BITS)
        left = Signal(COUNT_BITS)  # outputs not yet issued
        more = Signal()  # there are some
        group_left = Signal(range(cols + 1))  # of these, in the group
        behind = Signal(COUNT_BITS)  # of these, in the groups that follow
        begun = Signal()  # the group's first output is issued
        has_sum, has_room = Signal(), Signal()
        records, products = Signal(), Signal()
        m.d.comb += [
            self.issue.eq(
                more
                & has_sum
                & has_room
                & (~records | self.record_there)
                & (~products | self.product_there)
            ),
            self.take_record.eq(self.issue & records),
            sum_tokens.give.eq(self.sum_token),
            sum_tokens.take.eq(self.issue & self.sums & ~begun),
            sum_tokens.clear.eq(self.clear),
        ]
        begins = Signal()  # the next cycle's output is the first of its group, or there is none
        m.d.comb += begins.eq(self.start | Mux(self.issue, self.group_end, ~begun))
        m.d.sync += [
            begun.eq(~begins),
            has_sum.eq(~self.sums | sum_tokens.coming | ~begins),
            has_room.eq(~self.logits | self.room),
        ]
        with m.If(self.issue):
            m.d.sync += [
                self.number.eq(self.number + 1),
                left.eq(left - 1),
                more.eq(~self.last),
                self.last.eq(left == 2),
                self.group_end.eq((Mux(self.group_end, behind, group_left - 1) == 1) | (cols == 1)),
                group_left.eq(group_left - 1),
            ]
            with m.If(self.group_end):
                self._group(m, behind, group_left, behind)
        with m.If(self.start):
            m.d.sync += [
                self.number.eq(0),
                left.eq(self.count),
                more.eq(self.count != 0),
                self.last.eq(self.count == 1),
                self.group_end.eq((self.count == 1) | (cols == 1)),
                records.eq(self.records),
                products.eq(self.products),
            ]
            self._group(m, self.count, group_left, behind)

        # With records for the whole group there, nothing holds its outputs up any more: its scale is promised.
        promises = Signal()  # a promise for the group is still to be made
        m.d.comb += self.promise.eq(self.issue & promises & (self.record_level >= group_left))
        with m.If(self.issue):
            m.d.sync += promises.eq(
                Mux(self.group_end, self.products & self.scales, promises & ~self.promise)
            )
        with m.If(self.start):
            m.d.sync += promises.eq(self.products & self.scales)
        return m

    def _group(self, m: Module, outputs: Signal, group_left: Signal, behind: Signal) -> None:
        """Split the outputs that are left into the next group and those behind it."""
        more = outputs > self._cols
        m.d.sync += [
            group_left.eq(Mux(more, self._cols, outputs)),
            behind.eq(Mux(more, outputs - self._cols, 0)),
        ]
