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
    that has begun is forgotten. `kind`, `sequence`, `length` Out: the header, from the first byte of the payload on;
    `payload` Out pulses with `data` and its `index`. `done` Out pulses after a frame's last byte: `crc` is its CRC;
    `damaged` in its place if the CRC or the length is wrong.
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
        escaped, plain, value = Signal(), Signal(), Signal(8)
        count = Signal(LENGTH_BITS)
        header = Signal(HEADER_BITS)
        m.d.comb += [
            value.eq(Mux(escaped, self.byte ^ FLIP, self.byte)),
            plain.eq(self.valid & (self.byte != SYNC) & (self.byte != ESCAPE)),
            check.data.eq(value),
            check.start.eq(self.valid & (self.byte == SYNC)),
            check.valid.eq(plain),
            Cat(self.kind, self.sequence, self.length).eq(header),
            self.index.eq(count),
            self.data.eq(value),
        ]
        with m.If(self.valid):
            m.d.sync += escaped.eq(self.byte == ESCAPE)
        with m.If(plain):
            m.d.sync += count.eq(count + 1)
        with m.Switch(state):
            with m.Case(_State.HEADER), m.If(plain):
                m.d.sync += header.eq(Cat(header[8:], value))
                with m.If(count == HEADER_BYTES - 1):
                    m.d.sync += [count.eq(0), state.eq(_State.LENGTH)]
            with m.Case(_State.LENGTH):
                # Between two bytes: the header is complete.
                m.d.sync += state.eq(Mux(self.length == 0, _State.CRC, _State.PAYLOAD))
                with m.If(self.length > self._limit):
                    m.d.comb += self.damaged.eq(self.enable)
                    m.d.sync += state.eq(_State.HUNT)
            with m.Case(_State.PAYLOAD), m.If(plain):
                m.d.comb += self.payload.eq(self.enable)
                with m.If(count == self.length - 1):
                    m.d.sync += [count.eq(0), state.eq(_State.CRC)]
            with m.Case(_State.CRC), m.If(plain):
                m.d.sync += self.crc.eq(Cat(self.crc[8:], value))
                with m.If(count == CRC_BYTES - 1):
                    m.d.sync += state.eq(_State.END)
            with m.Case(_State.END):
                m.d.comb += [
                    self.done.eq(self.enable & check.match_detected),
                    self.damaged.eq(self.enable & ~check.match_detected),
                ]
                m.d.sync += state.eq(_State.HUNT)
        with m.If(~self.enable):
            m.d.sync += state.eq(_State.HUNT)
        with m.Elif(self.valid & (self.byte == SYNC)):
            m.d.sync += [state.eq(_State.HEADER), count.eq(0)]
        return m


class FrameEncoder(wiring.Component):
    """Sends frames: SYNC, the header, `length` bytes of payload, the CRC; escaped.

    Members: `start` In, taken while `idle`, with `kind`, `sequence`, `length`; `payload` In stream; `bytes` Out stream.
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
        # What is sent next, unescaped, and whether there is something; `sent` when it is gone.
        value, offered, sent = Signal(8), Signal(), Signal()
        special, flipped = Signal(), Signal()
        header, crc = Signal(HEADER_BITS), Signal(CRC_BITS)
        left = Signal(LENGTH_BITS)
        m.d.comb += [
            special.eq((value == SYNC) | (value == ESCAPE)),
            out.valid.eq(offered),
            out.payload.eq(Mux(~special, value, Mux(flipped, value ^ FLIP, ESCAPE))),
            sent.eq(offered & out.ready & (~special | flipped)),
            check.data.eq(value),
        ]
        with m.If(offered & out.ready):
            m.d.sync += flipped.eq(special & ~flipped)
        with m.FSM(name="encoder"):
            with m.State("IDLE"):
                m.d.comb += [self.idle.eq(1), check.start.eq(1)]
                with m.If(self.start):
                    m.d.sync += header.eq(Cat(self.kind, self.sequence, self.length))
                    m.next = "SYNC"
            with m.State("SYNC"):
                m.d.comb += [out.valid.eq(1), out.payload.eq(SYNC)]
                m.d.sync += left.eq(HEADER_BYTES)
                with m.If(out.ready):
                    m.next = "HEADER"
            with m.State("HEADER"):
                m.d.comb += [value.eq(header[:8]), offered.eq(1), check.valid.eq(sent)]
                with m.If(sent):
                    m.d.sync += [header.eq(header.rotate_right(8)), left.eq(left - 1)]
                    with m.If(left == 1):
                        # Rotated by all but one byte: the length lies at both ends.
                        m.d.sync += left.eq(Cat(header[-8:], header[:8]))
                        m.next = "PAYLOAD"
            with m.State("PAYLOAD"):
                m.d.comb += [
                    value.eq(self.payload.payload),
                    offered.eq(self.payload.valid & (left != 0)),
                    self.payload.ready.eq(sent),
                    check.valid.eq(sent),
                ]
                with m.If(sent):
                    m.d.sync += left.eq(left - 1)
                with m.If(left == 0):
                    m.d.sync += [crc.eq(check.crc), left.eq(CRC_BYTES)]
                    m.next = "CRC"
            with m.State("CRC"):
                m.d.comb += [value.eq(crc[:8]), offered.eq(1)]
                with m.If(sent):
                    m.d.sync += [crc.eq(crc >> 8), left.eq(left - 1)]
                    with m.If(left == 1):
                        m.next = "IDLE"
        return m
