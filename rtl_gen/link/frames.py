"""Frames of hwflow/host/protocol.py in hardware: from the receiver's bytes, and into bytes to send."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import enum, stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from hwflow.host.protocol import CRC_BYTES, ESCAPE, FLIP, HEADER_BYTES, SYNC

HEADER_BITS = 8 * HEADER_BYTES
CRC_BITS = 8 * CRC_BYTES
LENGTH_BITS = 16


class _State(enum.Enum, shape=3):
    HUNT = 0
    HEADER = 1
    LENGTH = 2
    PAYLOAD = 3
    CRC = 4
    END = 5


class FrameDecoder(wiring.Component):
    """Finds frames in bytes, unescapes them and checks their CRC.

    Args:
        limit: most bytes of a payload; a frame that claims more is damaged.

    Members: `valid`, `byte` In: a byte came, at most every other cycle. `enable` In: else frames are not begun, and one
    that has begun is forgotten. `kind`, `sequence`, `length` Out: the header, from two cycles before the first byte of the
    payload on; `payload` Out pulses with `data` and its `index`. `done` Out pulses after a frame's last byte: `crc` is
    its CRC, from the cycle before; `damaged` in its place if the CRC or the length is wrong. All are registers.
    """

    enable: Signal
    valid: Signal
    byte: Signal
    kind: Signal
    sequence: Signal
    length: Signal
    payload: Signal
    data: Signal
    index: Signal
    crc: Signal
    done: Signal
    damaged: Signal

    def __init__(self, limit: int) -> None:
        self._limit = limit
        super().__init__(
            {
                "enable": In(1),
                "valid": In(1),
                "byte": In(8),
                "kind": Out(8),
                "sequence": Out(16),
                "length": Out(LENGTH_BITS),
                "payload": Out(1),
                "data": Out(8),
                "index": Out(LENGTH_BITS),
                "crc": Out(CRC_BITS),
                "done": Out(1),
                "damaged": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        m.submodules.check = check = CRC32_ISO_HDLC().create()
        state = Signal(_State)
        # A byte is told apart in the cycle in which it comes; what it is part of, a cycle later.
        escaped, plain, synced, value = Signal(), Signal(), Signal(), Signal(8)
        header = Signal(HEADER_BITS)
        left, last = Signal(LENGTH_BITS), Signal()  # bytes of the part under way; there is one
        count = Signal(LENGTH_BITS)  # of the payload's
        ended = Signal()
        m.d.sync += [
            plain.eq(self.valid & (self.byte != SYNC) & (self.byte != ESCAPE)),
            synced.eq(self.valid & (self.byte == SYNC)),
            value.eq(Mux(escaped, self.byte ^ FLIP, self.byte)),
            self.payload.eq(0),
            self.data.eq(value),
            self.index.eq(count),
            self.done.eq(ended & check.match_detected),
            self.damaged.eq(ended & ~check.match_detected),
        ]
        m.d.comb += [
            check.data.eq(value),
            check.start.eq(synced),
            check.valid.eq(plain),
            Cat(self.kind, self.sequence, self.length).eq(header),
        ]
        with m.If(self.valid):
            m.d.sync += escaped.eq(self.byte == ESCAPE)
        with m.If(plain):
            m.d.sync += [left.eq(left - 1), last.eq(left == 2)]
        with m.Switch(state):
            with m.Case(_State.HEADER), m.If(plain):
                m.d.sync += header.eq(Cat(header[8:], value))
                with m.If(last):
                    m.d.sync += state.eq(_State.LENGTH)
            with m.Case(_State.LENGTH):
                # Between two bytes: the header is complete.
                m.d.sync += [
                    state.eq(_State.PAYLOAD),
                    left.eq(self.length),
                    last.eq(self.length == 1),
                    count.eq(0),
                ]
                with m.If(self.length == 0):
                    m.d.sync += [state.eq(_State.CRC), left.eq(CRC_BYTES)]
                with m.If(self.length > self._limit):
                    m.d.sync += [self.damaged.eq(self.enable), state.eq(_State.HUNT)]
            with m.Case(_State.PAYLOAD), m.If(plain):
                m.d.sync += [self.payload.eq(self.enable), count.eq(count + 1)]
                with m.If(last):
                    m.d.sync += [state.eq(_State.CRC), left.eq(CRC_BYTES)]
            with m.Case(_State.CRC), m.If(plain):
                m.d.sync += self.crc.eq(Cat(self.crc[8:], value))
                with m.If(last):
                    m.d.sync += state.eq(_State.END)
            with m.Case(_State.END):
                m.d.comb += ended.eq(self.enable)
                m.d.sync += state.eq(_State.HUNT)
        with m.If(~self.enable):
            m.d.sync += state.eq(_State.HUNT)
        with m.Elif(synced):
            m.d.sync += [state.eq(_State.HEADER), left.eq(HEADER_BYTES), last.eq(0)]
        return m


class FrameEncoder(wiring.Component):
    """Sends frames: SYNC, the header, `length` bytes of payload, the CRC; escaped.

    Members: `start` In, taken while `idle`, with `kind`, `sequence`, `length`; `payload` In stream; `bytes` Out stream, a
    byte at most every third cycle; `idle` Out: the last one has been taken.
    """

    start: Signal
    kind: Signal
    sequence: Signal
    length: Signal
    idle: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1),
                "kind": In(8),
                "sequence": In(16),
                "length": In(LENGTH_BITS),
                "payload": In(stream.Signature(8)),
                "bytes": Out(stream.Signature(8)),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        m.submodules.check = check = CRC32_ISO_HDLC().create()
        out = self.bytes
        # The next byte and whether there is one; `taken` into `held`, where it stays until it is sent.
        value, offered, taken = Signal(8), Signal(), Signal()
        held, full, seen = Signal(8), Signal(), Signal()
        bare, counts = Signal(), Signal()  # `held` is the SYNC itself; is what the CRC is of
        escaping = Signal()  # an escape is being sent
        header, crc = Signal(HEADER_BITS), Signal(CRC_BITS)
        left, last, none = Signal(LENGTH_BITS), Signal(), Signal()  # bytes of the part; one; none
        m.d.comb += [
            taken.eq(offered & ~full),
            check.data.eq(held),
            check.valid.eq(full & ~seen & counts),
        ]
        with m.If(~full):
            m.d.sync += [held.eq(value), full.eq(offered), seen.eq(0)]
        with m.Elif(~seen):
            special = ~bare & ((held == SYNC) | (held == ESCAPE))
            m.d.sync += [
                seen.eq(1),
                out.valid.eq(1),
                out.payload.eq(Mux(special, ESCAPE, held)),
                escaping.eq(special),
            ]
        with m.Elif(out.ready):
            m.d.sync += [out.payload.eq(held ^ FLIP), escaping.eq(0)]
            with m.If(~escaping):
                m.d.sync += [out.valid.eq(0), full.eq(0)]
        with m.If(taken):
            m.d.sync += [left.eq(left - 1), last.eq(left == 2), none.eq(last)]
        with m.FSM(name="encoder"):
            with m.State("IDLE"):
                m.d.comb += [self.idle.eq(~full), check.start.eq(1)]
                with m.If(self.start):
                    m.d.sync += header.eq(Cat(self.kind, self.sequence, self.length))
                    m.next = "SYNC"
            with m.State("SYNC"):
                m.d.comb += [value.eq(SYNC), offered.eq(1)]
                m.d.sync += [bare.eq(1), counts.eq(0)]
                with m.If(taken):
                    m.d.sync += [left.eq(HEADER_BYTES), last.eq(0)]
                    m.next = "HEADER"
            with m.State("HEADER"):
                m.d.comb += [value.eq(header[:8]), offered.eq(1)]
                with m.If(taken):
                    m.d.sync += [header.eq(header.rotate_right(8)), bare.eq(0), counts.eq(1)]
                    with m.If(last):
                        # Rotated by all but one byte: the length lies at both ends.
                        length = Cat(header[-8:], header[:8])
                        m.d.sync += [left.eq(length), last.eq(length == 1), none.eq(length == 0)]
                        m.next = "PAYLOAD"
            with m.State("PAYLOAD"):
                m.d.comb += [
                    value.eq(self.payload.payload),
                    offered.eq(self.payload.valid & ~none),
                    self.payload.ready.eq(~full & ~none),
                ]
                with m.If(none & ~full):
                    m.d.sync += [crc.eq(check.crc), left.eq(CRC_BYTES), last.eq(0)]
                    m.next = "CRC"
            with m.State("CRC"):
                m.d.comb += [value.eq(crc[:8]), offered.eq(1)]
                with m.If(taken):
                    m.d.sync += [crc.eq(crc >> 8), counts.eq(0)]
                    with m.If(last):
                        m.next = "IDLE"
        return m
