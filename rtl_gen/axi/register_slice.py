"""Registers a stream in both directions."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class RegisterSlice(wiring.Component):
    """Two entries: `valid`, `payload` and `ready` all come from registers, at a payload a cycle."""

    def __init__(self, shape: Any) -> None:
        super().__init__(
            {"entry": In(stream.Signature(shape)), "exit": Out(stream.Signature(shape))}
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        spare = Signal.like(self.entry.payload)
        waiting = Signal()
        m.d.comb += self.entry.ready.eq(~waiting)
        with m.If(self.exit.ready | ~self.exit.valid):
            m.d.sync += [
                self.exit.payload.eq(Mux(waiting, _bits(spare), _bits(self.entry.payload))),
                self.exit.valid.eq(waiting | self.entry.valid),
                waiting.eq(0),
            ]
        with m.Elif(self.entry.valid & ~waiting):
            m.d.sync += [spare.eq(self.entry.payload), waiting.eq(1)]
        return m


def _bits(value: Any) -> Any:
    """A view's bits, or the value."""
    return value.as_value() if hasattr(value, "as_value") else value
