"""A UART, 8 data bits, no parity, one stop bit, low bits first; `divisor` clock cycles a bit."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

SLOWEST = 4
"""Least divisor: the start bit is seen up to a cycle late, and a bit is sampled near its middle."""
DATA_BITS = 8


def check_divisor(divisor: int) -> None:
    """Raises ValueError for a divisor that the receiver cannot work with."""
    if divisor < SLOWEST:
        raise ValueError(f"a bit must take at least {SLOWEST} clock cycles, not {divisor}")


class UartReceiver(wiring.Component):
    """Bytes from the line. `rx` In, asynchronous, idle high; `valid` Out pulses with `byte`.

    A byte whose stop bit is low is dropped, and nothing is received until the line is high again.
    """

    rx: Signal
    valid: Signal
    byte: Signal

    def __init__(self, divisor: int) -> None:
        check_divisor(divisor)
        self._divisor = divisor
        super().__init__({"rx": In(1, init=1), "valid": Out(1), "byte": Out(DATA_BITS)})

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        line = Signal(init=1)
        m.submodules.synchroniser = FFSynchronizer(self.rx, line, init=1)
        count = Signal(range(self._divisor + self._divisor // 2))
        left = Signal(range(DATA_BITS + 1))
        with m.If(count != 0):
            m.d.sync += count.eq(count - 1)
        with m.FSM(name="receiver"):
            with m.State("IDLE"), m.If(~line):
                # From here, a cycle into the start bit, to the middle of the first data bit.
                m.d.sync += [count.eq(self._divisor + self._divisor // 2 - 1), left.eq(DATA_BITS)]
                m.next = "BITS"
            with m.State("BITS"), m.If(count == 0):
                with m.If(left != 0):
                    m.d.sync += self.byte.eq(Cat(self.byte[1:], line))
                    m.d.sync += [count.eq(self._divisor - 1), left.eq(left - 1)]
                with m.Elif(line):
                    m.d.comb += self.valid.eq(1)
                    m.next = "IDLE"
                with m.Else():
                    m.next = "BROKEN"
            with m.State("BROKEN"), m.If(line):
                m.next = "IDLE"
        return m


class UartTransmitter(wiring.Component):
    """Bytes onto the line. `bytes` In stream; `tx` Out, idle high."""

    tx: Signal

    def __init__(self, divisor: int) -> None:
        check_divisor(divisor)
        self._divisor = divisor
        super().__init__({"bytes": In(stream.Signature(DATA_BITS)), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        # The bits to send, the present one lowest; the line is idle when only the last stop bit is left.
        frame = Signal(DATA_BITS + 2, init=1)
        left = Signal(range(DATA_BITS + 3))
        count = Signal(range(self._divisor))
        m.d.comb += [self.tx.eq(frame[0]), self.bytes.ready.eq(left == 0)]
        with m.If(left == 0), m.If(self.bytes.valid):
            m.d.sync += [
                frame.eq(Cat(Const(0, 1), self.bytes.payload, Const(1, 1))),
                left.eq(DATA_BITS + 2),
                count.eq(self._divisor - 1),
            ]
        with m.Elif(count == 0):
            m.d.sync += [
                frame.eq(Cat(frame[1:], Const(1, 1))),
                left.eq(left - 1),
                count.eq(self._divisor - 1),
            ]
        with m.Else():
            m.d.sync += count.eq(count - 1)
        return m
