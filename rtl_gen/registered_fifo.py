"""Queues whose flags are registers, for what goes on from there in the same cycle."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.delay import successor


def _members(width: int) -> dict[str, wiring.Member]:
    return {
        "w_data": In(width),
        "w_en": In(1),
        "w_rdy": Out(1, init=1),
        "r_data": Out(width),
        "r_en": In(1),
        "r_rdy": Out(1),
    }


class RegisteredFIFO(wiring.Component):
    """First in, first out; readable in the cycle after the write, as amaranth.lib.fifo.SyncFIFO.

    That one compares its level with 0 and with its depth in the cycle in which it is asked, and the answer goes on to
    other units.

    Args:
        width: bits of an entry.
        depth: entries, at least 2.

    Members: `w_data`, `w_en` In, ignored without `w_rdy` Out, a register; `r_data` Out, the oldest entry, valid with
    `r_rdy` Out, a register; `r_en` In removes it.
    """

    def __init__(self, *, width: int, depth: int) -> None:
        self._width, self._depth = width, depth
        super().__init__(_members(width))

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        depth = self._depth
        m.submodules.storage = storage = memory.Memory(shape=self._width, depth=depth, init=[])
        write, read = storage.write_port(), storage.read_port(domain="comb")
        level = Signal(range(depth + 1))
        push, pull = Signal(), Signal()
        m.d.comb += [
            push.eq(self.w_en & self.w_rdy),
            pull.eq(self.r_en & self.r_rdy),
            write.data.eq(self.w_data),
            write.en.eq(push),
            self.r_data.eq(read.data),
        ]
        produce, consume = Signal(range(depth)), Signal(range(depth))
        m.d.comb += [write.addr.eq(produce), read.addr.eq(consume)]
        with m.If(push):
            m.d.sync += produce.eq(successor(produce, depth))
        with m.If(pull):
            m.d.sync += consume.eq(successor(consume, depth))
        # `w_en` and `r_en` come late in the cycle: they choose, and nothing is computed from them.
        with m.If(push ^ pull):
            m.d.sync += [
                level.eq(Mux(pull, level - 1, level + 1)),
                self.r_rdy.eq(~pull | (level != 1)),
                self.w_rdy.eq(pull | (level != depth - 1)),
            ]
        return m


class BufferedRegisteredFIFO(wiring.Component):
    """The same with `r_data` in a register, readable two cycles after the write, as amaranth.lib.fifo.SyncFIFOBuffered.

    Args:
        width: bits of an entry.
        depth: entries with the one in the register, at least 3.

    Members: those of RegisteredFIFO.
    """

    def __init__(self, *, width: int, depth: int) -> None:
        self._inner = RegisteredFIFO(width=width, depth=depth - 1)
        super().__init__(_members(width))

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        m.submodules.inner = inner = self._inner
        oldest = Signal(len(self.r_data), reset_less=True)
        m.d.comb += [
            inner.w_data.eq(self.w_data),
            inner.w_en.eq(self.w_en),
            self.w_rdy.eq(inner.w_rdy),
            inner.r_en.eq(~self.r_rdy | self.r_en),
            self.r_data.eq(oldest),
        ]
        with m.If(inner.r_en):
            m.d.sync += [oldest.eq(inner.r_data), self.r_rdy.eq(inner.r_rdy)]
        return m
