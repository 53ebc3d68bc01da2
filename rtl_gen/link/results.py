"""Keeps the results of a run for the host, which reads them when and as often as it likes."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwflow import isa
from hwflow.host.protocol import Keep

KIND_BITS = 8


class ResultKeeper(wiring.Component):
    """Chooses the words of the result stream to keep and counts them; never stalls the stream.

    Args:
        depth: words of the buffer, a power of two.

    Members: `clear` In, before a run, with `keep` In (protocol.Keep), which then must not change; `results` In stream of
    64-bit words; `write`, `address`, `data` Out: the buffer's write port; `words` Out kept; `overflow` Out: more were to be;
    `signed` Out, pulse, with `signed_value` Out: the signature of a LAYER or END record, kept or not.
    """

    clear: Signal
    keep: Signal
    write: Signal
    address: Signal
    data: Signal
    words: Signal
    overflow: Signal
    signed: Signal
    signed_value: Signal

    def __init__(self, depth: int) -> None:
        self._depth = depth
        super().__init__(
            {
                "clear": In(1),
                "keep": In(8),
                "results": In(stream.Signature(64)),
                "write": Out(1),
                "address": Out(range(depth)),
                "data": Out(64),
                "words": Out(range(depth + 1)),
                "overflow": Out(1),
                "signed": Out(1),
                "signed_value": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        # Two registers between the accelerator and the buffer: a word, and what it is if it begins a record.
        arrived, word = Signal(), Signal(64)
        told, is_layer, is_scalar, is_end = Signal(), Signal(), Signal(), Signal()
        wanted, counters = (
            Signal(),
            Signal(),
        )  # a word that begins a record; the others of its record
        kind = word[:KIND_BITS]
        layers, scalars = ((self.keep & flag) != 0 for flag in (Keep.LAYERS, Keep.SCALARS))
        m.d.comb += self.results.ready.eq(1)
        m.d.sync += [
            arrived.eq(self.results.valid),
            word.eq(self.results.payload),
            told.eq(arrived),
            self.data.eq(word),
            is_layer.eq(kind == isa.Record.LAYER),
            is_scalar.eq(kind == isa.Record.SCALAR),
            is_end.eq(kind == isa.Record.END),
            wanted.eq(1),
            counters.eq((self.keep & Keep.COUNTERS) != 0),
        ]
        with m.Switch(kind):
            with m.Case(isa.Record.LAYER):
                m.d.sync += wanted.eq(layers)
            with m.Case(isa.Record.SCALAR):
                m.d.sync += wanted.eq(scalars)
            with m.Case(isa.Record.END):
                m.d.sync += counters.eq(1)

        longest = max(len(isa.LAYER_COUNTERS), len(isa.SCALAR_COUNTERS), len(isa.END_COUNTERS))
        # Words of a record to come; there are some.
        left, inside = Signal(range(longest + 1)), Signal()
        rest, kept = Signal(), Signal()
        full = self.words[-1]
        m.d.comb += [
            kept.eq(told & Mux(inside, rest, wanted)),
            self.signed.eq(told & ~inside & (is_layer | is_end)),
            self.signed_value.eq(self.data[32:]),
            self.write.eq(kept & ~full),
            self.address.eq(self.words),
        ]
        with m.If(told):
            with m.If(inside):
                m.d.sync += [left.eq(left - 1), inside.eq(left != 1)]
            with m.Else():
                m.d.sync += [inside.eq(is_layer | is_scalar | is_end), rest.eq(wanted & counters)]
                for begins, names in (
                    (is_layer, isa.LAYER_COUNTERS),
                    (is_scalar, isa.SCALAR_COUNTERS),
                    (is_end, isa.END_COUNTERS),
                ):
                    with m.If(begins):
                        m.d.sync += left.eq(len(names))
        with m.If(self.write):
            m.d.sync += self.words.eq(self.words + 1)
        with m.If(kept & full):
            m.d.sync += self.overflow.eq(1)
        with m.If(self.clear):
            m.d.sync += [self.words.eq(0), self.overflow.eq(0), inside.eq(0)]
        return m
