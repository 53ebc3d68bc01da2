"""The SDRAM's data bus: words of beats out at a WRITE, beats of words in after a READ."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwflow.sdram import SdramTiming
from rtl_gen.bindings.sdram_layouts import ISSUED
from rtl_gen.delay import delayed

MASKED = 0b11
"""Both bytes of the bus."""


class SdramData(wiring.Component):
    """Serves what is `issued`.

    Members: `issued` In (sdram_layouts.ISSUED); `started` In: the chip has its mode; `beat` In, the oldest one to
    write, `beat_take` Out, a register, removes it in the cycle after its first word; `written` Out: it is on its way to
    the chip and in front of every later read; `dq_o`, `dq_oe`, `dqm` Out registers and `dq_i` In, the pins; `data` Out
    {valid, data, error}, a beat read. Beats beyond the memory's end are read with `error`, and masked and never `written`.
    """

    def __init__(self, timing: SdramTiming) -> None:
        self._timing = timing
        bits = 8 * timing.memory_bytes
        super().__init__(
            {
                "issued": In(ISSUED),
                "started": In(1),
                "beat": In(bits),
                "beat_take": Out(1),
                "written": Out(1),
                "dq_o": Out(16),
                "dq_oe": Out(1),
                "dqm": Out(2, init=MASKED),
                "dq_i": In(16),
                "data": Out(data.StructLayout({"valid": 1, "data": bits, "error": 1})),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        self._elaborate_write(m)
        self._elaborate_read(m)
        return m

    def _elaborate_write(self, m: Module) -> None:
        issued, burst = self.issued, self._timing.burst
        # That a burst is issued is known late: it chooses a word, and the rest of the beat moves a cycle later.
        rest = Signal(len(self.beat) - 16, reset_less=True)
        begun, stepped = Signal(), Signal()  # in the cycle before: a beat; a word went out
        left = Signal(range(burst))
        word, writing = Signal(16), Signal()
        m.d.sync += [begun.eq(issued.begin), stepped.eq(writing)]
        m.d.comb += [
            writing.eq(issued.write | (left != 0)),
            self.beat_take.eq(begun),
        ]
        with m.If(issued.begin):
            m.d.comb += word.eq(self.beat[:16])
        with m.Elif(begun):
            m.d.comb += word.eq(self.beat[16:])
        with m.Else():
            m.d.comb += word.eq(Mux(stepped, rest[16:], rest))
        with m.If(begun):
            m.d.sync += rest.eq(self.beat[16:])
        with m.Elif(stepped):
            m.d.sync += rest.eq(rest[16:])
        m.d.sync += self.written.eq(issued.write & issued.last & ~issued.beyond)
        with m.If(issued.write):
            m.d.sync += [
                left.eq(burst - 1),
                self.dqm.eq(Mux(issued.beyond, MASKED, 0)),
            ]
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.Else():
            m.d.sync += self.dqm.eq(Mux(self.started, 0, MASKED))
        with m.If(writing):
            m.d.sync += self.dq_o.eq(word)
        m.d.sync += self.dq_oe.eq(writing)

    def _elaborate_read(self, m: Module) -> None:
        timing, issued = self._timing, self.issued
        word = Signal(16)
        m.d.sync += word.eq(self.dq_i)
        began = Signal(2)
        m.d.comb += began.eq(Cat(issued.read, issued.beyond))
        first = delayed(m, began, timing.capture_latency, "first_word")[-1]
        left = Signal(range(timing.burst))
        index = Signal(range(timing.beat_words))
        words = Signal(len(self.beat) - 16, reset_less=True)
        beyond = Signal()
        taken = Signal()
        m.d.comb += taken.eq(first[0] | (left != 0))
        m.d.sync += self.data.valid.eq(taken & (index == timing.beat_words - 1))
        with m.If(first[0]):
            m.d.sync += [left.eq(timing.burst - 1), beyond.eq(first[1])]
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.If(taken):
            m.d.sync += [
                index.eq(index + 1),
                words.eq(Cat(words, word)[16:]),
                self.data.data.eq(Cat(words, word)),
                self.data.error.eq(beyond),
            ]
