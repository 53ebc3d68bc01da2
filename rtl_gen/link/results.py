"""Keeps the results of a run for the host, which reads them when and as often as it likes."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
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
        arrived, word = Signal(), Signal(64)
        longest = max(len(isa.LAYER_COUNTERS), len(isa.SCALAR_COUNTERS), len(isa.END_COUNTERS))
        left = Signal(range(longest + 1))
        rest, kept = Signal(), Signal()
        m.d.comb += self.results.ready.eq(1)
        # A register between the accelerator and the buffer.
        m.d.sync += [
            arrived.eq(self.results.valid),
            word.eq(self.results.payload),
        ]
        counters = (self.keep & Keep.COUNTERS) != 0
        with m.If(left != 0):
            m.d.comb += kept.eq(rest)
        with m.Else(), m.Switch(word[:KIND_BITS]):
            with m.Case(isa.Record.LAYER):
                m.d.comb += kept.eq((self.keep & Keep.LAYERS) != 0)
            with m.Case(isa.Record.SCALAR):
                m.d.comb += kept.eq((self.keep & Keep.SCALARS) != 0)
            with m.Default():
                m.d.comb += kept.eq(1)
        m.d.comb += self.signed_value.eq(word[32:])
        with m.If(arrived):
            with m.If(left != 0):
                m.d.sync += left.eq(left - 1)
            with m.Else(), m.Switch(word[:KIND_BITS]):
                with m.Case(isa.Record.LAYER):
                    m.d.comb += self.signed.eq(1)
                    m.d.sync += [left.eq(len(isa.LAYER_COUNTERS)), rest.eq(kept & counters)]
                with m.Case(isa.Record.SCALAR):
                    m.d.sync += [left.eq(len(isa.SCALAR_COUNTERS)), rest.eq(kept & counters)]
                with m.Case(isa.Record.END):
                    m.d.comb += self.signed.eq(1)
                    m.d.sync += [left.eq(len(isa.END_COUNTERS)), rest.eq(1)]
        m.d.comb += [
            self.write.eq(arrived & kept & (self.words != self._depth)),
            self.address.eq(self.words),
            self.data.eq(word),
        ]
        with m.If(self.write):
            m.d.sync += self.words.eq(self.words + 1)
        with m.If(arrived & kept & (self.words == self._depth)):
            m.d.sync += self.overflow.eq(1)
        with m.If(self.clear):
            m.d.sync += [self.words.eq(0), self.overflow.eq(0), left.eq(0)]
        return m
