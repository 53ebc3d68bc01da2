"""Counting ones: of a word, and of the difference of two words."""

from __future__ import annotations

import importlib.resources

from amaranth.hdl import ClockSignal, Instance, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl_gen import instances
from rtl_gen.delay import delayed


class Popcount(wiring.Component):
    """`n` = number of ones in `a`.

    A `$countones` module (popcount.sv) in Verilog, an adder tree in Amaranth's simulator; both run the same bench
    (sim/benches/arrays.py).

    Members:
        a: In, `width` bits.
        n: Out, 0..width.
    """

    a: Signal
    n: Signal

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__({"a": In(width), "n": Out(range(width + 1))})

    def elaborate(self, platform: object) -> Module:
        """A `$countones` instance, or its behavioural twin."""
        m = Module()
        if instances.emitting():
            text = (importlib.resources.files("rtl_gen") / "popcount.sv").read_text()
            instances.source("hwflow_popcount", text)
            m.submodules.count = Instance(
                "hwflow_popcount", p_WIDTH=self.width, p_OUT=len(self.n), i_a=self.a, o_n=self.n
            )
            return m
        m.d.comb += self.n.eq(_tree(m, list(self.a)))
        return m


class Differences(wiring.Component):
    """`n` = number of bits in which `a` and `b` differ, `delay` (0 or 1) cycles later.

    A module of its own (differences.sv) in Verilog, so that a technology can have a better one
    (rtl_gen/synthesis/carry_popcount.py, whose register is half way).

    Members:
        a, b: In, `width` bits.
        n: Out, 0..width.
    """

    a: Signal
    b: Signal
    n: Signal

    def __init__(self, width: int, *, delay: int = 0) -> None:
        self.width, self.delay = width, delay
        super().__init__({"a": In(width), "b": In(width), "n": Out(range(width + 1))})

    def elaborate(self, platform: object) -> Module:
        """A `$countones` instance, or its behavioural twin."""
        m = Module()
        if instances.emitting():
            text = (importlib.resources.files("rtl_gen") / "differences.sv").read_text()
            instances.source("hwflow_differences", text)
            m.submodules.count = Instance(
                "hwflow_differences",
                p_WIDTH=self.width,
                p_OUT=len(self.n),
                p_DELAY=self.delay,
                i_clk=ClockSignal(),
                i_a=self.a,
                i_b=self.b,
                o_n=self.n,
            )
            return m
        count = Signal.like(self.n)
        m.d.comb += [
            count.eq(_tree(m, list(self.a ^ self.b))),
            self.n.eq(delayed(m, count, self.delay, "count")[-1]),
        ]
        return m


def _tree(m: Module, level: list[Value]) -> Value:
    """Sum of one-bit values by an adder tree."""
    depth = 0
    while len(level) > 1:
        pairs: list[Value] = []
        for i in range(0, len(level) - 1, 2):
            total = Signal(depth + 2, name=f"sum{depth}_{i // 2}")
            m.d.comb += total.eq(level[i] + level[i + 1])
            pairs.append(total)
        level = pairs + level[2 * len(pairs) :]
        depth += 1
    return level[0]
