"""Signature of the logits: the sum of the CRC-32 of one message a class (docs/numerics.md)."""

from __future__ import annotations

import zlib

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

MESSAGE_BYTES = 9
"""index (u32), logit (s32), one zero byte; all little endian."""

_ZERO = zlib.crc32(bytes(MESSAGE_BYTES))
_EFFECTS = [zlib.crc32((1 << bit).to_bytes(MESSAGE_BYTES, "little")) ^ _ZERO for bit in range(64)]
"""Change of the CRC when a message bit is set: a CRC of fixed length is affine over GF(2)."""


class LogitSignature(wiring.Component):
    """Sum modulo 2**32 of the CRC-32 of (index, logit, 0) over all logits since `restart`.

    Members: `restart` In; `valid`, `index` (u16), `logit` (s32) In; `total` Out, two cycles later.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "restart": In(1),
                "valid": In(1),
                "index": In(16),
                "logit": In(signed(32)),
                "total": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        crc = Signal(32)
        crc_valid = Signal()
        message = {**dict(enumerate(self.index)), **dict(enumerate(self.logit, start=32))}
        bits = []
        for bit in range(32):
            chosen = (value for n, value in message.items() if _EFFECTS[n] >> bit & 1)
            bits.append(Cat(chosen).xor() ^ (_ZERO >> bit & 1))
        m.d.sync += [crc.eq(Cat(bits)), crc_valid.eq(self.valid)]
        with m.If(self.restart):
            m.d.sync += self.total.eq(0)
        with m.Elif(crc_valid):
            m.d.sync += self.total.eq(self.total + crc)
        return m
