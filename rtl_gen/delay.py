"""Small helpers of pipelines and rings: delayed values and counters."""

from __future__ import annotations

import itertools

from amaranth.hdl import Cat, Module, Mux, Signal, Value, ValueCastable


def delayed(
    m: Module, value: Value | ValueCastable, cycles: int, name: str, *, reset_less: bool = False
) -> list[Signal]:
    """`value` after 0..cycles clock cycles, as plain bit vectors: element n is n cycles old.

    The registers are not enabled: the pipelines they accompany never stall. reset_less: for what means nothing
    where a valid bit beside it says so.
    """
    stages = [
        Signal.like(Value.cast(value), name=f"{name}_{n}", reset_less=reset_less)
        for n in range(cycles + 1)
    ]
    m.d.comb += stages[0].eq(Value.cast(value))
    for before, after in itertools.pairwise(stages):
        m.d.sync += after.eq(before)
    return stages


def registered(m: Module, value: Value, name: str) -> Signal:
    """`value` one cycle later, in a register of its own: for what stays for many cycles, decoded once, near its use."""
    register = Signal.like(value, name=name)
    m.d.sync += register.eq(value)
    return register


def successor(counter: Signal, count: int) -> Value:
    """The next value of a counter that runs over 0..count-1 and wraps; keeps the counter's width."""
    if count & (count - 1) == 0:
        return (counter + 1)[: len(counter)]
    return Mux(counter == count - 1, 0, (counter + 1)[: len(counter)])


def change(up: Value, down: Value) -> Value:
    """+1, 0 or -1 for a counter: of two bits, so that one adder counts both ways."""
    return Cat(up ^ down, down & ~up).as_signed()
