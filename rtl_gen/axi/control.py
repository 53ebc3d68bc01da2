"""The registers of hwflow.registers behind AXI4-Lite."""

from __future__ import annotations

from collections.abc import Mapping

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwflow.registers import (
    REGISTERS,
    WORD_BITS,
    WORD_BYTES,
    Access,
    Register,
)
from rtl_gen.axi.bus import LITE_WRITE, OKAY, SLVERR, Lite

Constants = Mapping[str, tuple[int, ...]]
"""Values by register name, one each of its `count`."""


def layout(register: Register) -> data.StructLayout:
    """The fields of a register, without the bits between them."""
    return data.StructLayout({field.name: field.bits for field in register.fields})


class Registers(wiring.Component):
    """AXI4-Lite slave: one read and one write at a time, each in the cycle after its last part has come.

    An address without a register is answered with SLVERR and nothing happens. The two lowest address bits are ignored.
    Members: `bus`; for every register that is not in `constants`, by its name in lower case and with its fields:
    read-only ones In; read-write ones Out; write-only ones Out, pulses; those that are cleared by writing 1 Out, and
    `<name>_set` In, pulses, which win over a write.
    """

    def __init__(self, constants: Constants) -> None:
        self._constants = constants
        members: dict[str, wiring.Member] = {"bus": In(Lite())}
        for register in REGISTERS:
            if register.name in constants:
                continue
            assert register.count == 1, "only constants are repeated"
            name = register.name.lower()
            access = register.fields[0].access
            assert all(field.access is access for field in register.fields)
            members[name] = (In if access is Access.READ else Out)(layout(register))
            if access is Access.CLEAR:
                members[f"{name}_set"] = In(layout(register))
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        """The two directions."""
        m = Module()
        self._read(m)
        self._write(m)
        return m

    def _value(self, register: Register, index: int) -> Value:
        """What a read of one of the registers gives."""
        if register.name in self._constants:
            return Const(self._constants[register.name][index], WORD_BITS)
        if register.fields[0].access is Access.PULSE:
            return Const(0, WORD_BITS)
        member = getattr(self, register.name.lower())
        parts: list[Value] = []
        at = 0
        for field in register.fields:
            parts += [Const(0, field.low - at), Value.cast(member[field.name])]
            at = field.low + field.bits
        return Cat(*parts, Const(0, WORD_BITS - at))

    def _read(self, m: Module) -> None:
        address, answer = self.bus.ar, self.bus.r
        asked = Signal()
        where = Signal.like(address.payload)
        m.d.comb += address.ready.eq(~asked)
        with m.If(address.valid & address.ready):
            m.d.sync += [asked.eq(1), where.eq(address.payload)]
        with m.If(answer.valid & answer.ready):
            m.d.sync += answer.valid.eq(0)
        with m.If(asked & ~answer.valid):
            m.d.sync += [asked.eq(0), answer.valid.eq(1)]
            with m.Switch(where[2:]):
                for register in REGISTERS:
                    for index, offset in enumerate(register.offsets):
                        with m.Case(offset // WORD_BYTES):
                            m.d.sync += [
                                answer.payload.data.eq(self._value(register, index)),
                                answer.payload.response.eq(OKAY),
                            ]
                with m.Default():
                    m.d.sync += [answer.payload.data.eq(0), answer.payload.response.eq(SLVERR)]

    def _write(self, m: Module) -> None:
        address, word, answer = self.bus.aw, self.bus.w, self.bus.b
        asked, given, write = Signal(), Signal(), Signal()
        where, held = Signal.like(address.payload), Signal(LITE_WRITE)
        mask = Signal(WORD_BITS)
        m.d.comb += [
            address.ready.eq(~asked),
            word.ready.eq(~given),
            write.eq(asked & given & ~answer.valid),
            mask.eq(Cat(bit.replicate(8) for bit in held.strobe)),
        ]
        with m.If(address.valid & address.ready):
            m.d.sync += [asked.eq(1), where.eq(address.payload)]
        with m.If(word.valid & word.ready):
            m.d.sync += [given.eq(1), held.eq(word.payload)]
        with m.If(answer.valid & answer.ready):
            m.d.sync += answer.valid.eq(0)
        with m.If(write):
            m.d.sync += [asked.eq(0), given.eq(0), answer.valid.eq(1), answer.payload.eq(SLVERR)]

        for register in REGISTERS:
            here = Signal(name=f"write_{register.name.lower()}")
            words = [offset // WORD_BYTES for offset in register.offsets]
            m.d.comb += here.eq(write & where[2:].matches(*words))
            with m.If(here):
                m.d.sync += answer.payload.eq(OKAY)
            access = register.fields[0].access
            if access is Access.READ:
                continue
            member = getattr(self, register.name.lower())
            for field in register.fields:
                part = Value.cast(member[field.name])
                value = held.data[field.low : field.low + field.bits]
                enable = mask[field.low : field.low + field.bits]
                if access is Access.PULSE:
                    m.d.sync += part.eq(Mux(here, value & enable, 0))
                elif access is Access.CLEAR:
                    arrived = getattr(self, f"{register.name.lower()}_set")[field.name]
                    m.d.sync += part.eq(part & ~Mux(here, value & enable, 0) | arrived)
                else:
                    with m.If(here):
                        m.d.sync += part.eq(part & ~enable | value & enable)
