"""The link protocol: every constant, and the codec of frames (docs/host-link.md). The RTL in rtl_gen/link imports it.

A frame is SYNC and then, with SYNC and ESCAPE escaped, its body and the body's CRC-32 (zlib's, u32). The body is
kind u8, sequence u16, length u16 (of the payload, bytes), payload. All numbers are little endian.
"""

from __future__ import annotations

import enum
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

VERSION = 2
"""Version of the protocol; any change of this file's tables raises it."""

BAUD = 2_000_000
"""Bits a second, unless told otherwise, also of the boards' bitstreams: most USB bridges can do it, and every clock that
is a multiple of 2 MHz divides to it; 8 data bits, no parity."""
ATTEMPTS = 8
"""Times that a host sends a request before it gives the link up."""

SYNC = 0x7E
"""Begins a frame and is nowhere else in one: whatever was lost before, the next frame is found."""
ESCAPE = 0x7D
"""The next byte is meant XOR FLIP."""
FLIP = 0x20
HEADER_BYTES = 5
CRC_BYTES = 4


class Kind(enum.IntEnum):
    """What a request wants; the answer's kind is that plus ANSWER."""

    HELLO = 1
    WRITE = 2
    READ = 3
    CHECK = 4
    RUN = 5
    RESULTS = 6
    STATUS = 7
    RESET = 8
    TALLY = 9


ANSWER = 0x80
"""Marks an answer; alone, with sequence 0, it answers a frame that came damaged."""


class Status(enum.IntEnum):
    """First byte of an answer's payload."""

    OK = 0
    REQUEST = 1  # unknown kind, or a payload of the wrong length
    SESSION = 2  # no HELLO since the device was reset
    SEQUENCE = 3  # an old number, or that of the last request with another content
    BUSY = 4  # the accelerator runs
    RANGE = 5  # outside the memory or the kept results, or more than a frame holds
    MEMORY = 6  # the memory answered with an error or not at all; accelerator and memory were reset
    MISMATCH = 7  # what the run was to read has another CRC
    NO_RESULTS = 8  # results of another run, or of one that is not over
    DAMAGED = 9  # the frame's CRC or length is wrong


class Flag(enum.IntFlag):
    """Second byte of an answer's payload."""

    BUSY = 1  # the accelerator does not take a run
    DONE = 2  # the results of `run` are kept
    ERROR = 4  # that run ended with an ERROR record
    OVERFLOW = 8  # it sent more words than the buffer holds; those beyond are lost
    DIFFERENT = 16  # a repetition had other signatures than the run before and ended the run


class Keep(enum.IntFlag):
    """Which words of a run are kept; LOGIT, END and ERROR records always are, whole."""

    LAYERS = 1  # the first word of LAYER records
    SCALARS = 2  # the first word of SCALAR records
    COUNTERS = 4  # the counters of the records kept


Fields = tuple[tuple[str, int], ...]
"""Names and bytes of a payload's unsigned numbers, in order."""

REQUESTS: Mapping[Kind, Fields] = {
    Kind.HELLO: (("nonce", 4),),
    Kind.WRITE: (("address", 4),),  # beats; whole beats follow
    Kind.READ: (("address", 4), ("beats", 2)),
    Kind.CHECK: (("address", 4), ("beats", 4)),
    Kind.RUN: (
        ("run", 4),  # number of the run, chosen by the host
        ("schedule", 4),  # beat of the first instruction
        ("address", 4),  # what the run reads and must have
        ("beats", 4),
        ("crc", 4),  # this CRC-32
        ("keep", 1),
        ("runs", 4),  # times that the frame is computed, one right after the other, at least 1
    ),
    Kind.RESULTS: (("run", 4), ("first", 2), ("count", 2)),
    Kind.STATUS: (),
    Kind.RESET: (),
    Kind.TALLY: (("run", 4),),
}
STATE: Fields = (("status", 1), ("flags", 1), ("words", 2), ("run", 4))
"""Begins every answer's payload; words: 64-bit words kept of run number `run`."""

TALLY_FIELDS: Fields = (("tally", 8), ("cycles", 8))
"""Follow in a TALLY's answer: runs that are over without an error; cycles from the first start to the last done."""

WORD_BYTES = 8
"""What follows is whole words of 8 bytes, and only where status is OK."""

TARGET_BYTES = 26
HASH_BYTES = 32
HELLO_FIELDS: Fields = (("nonce", 4), ("protocol", 2), ("isa", 2))
CAPABILITIES: Fields = (
    ("clock_hz", 4),
    ("memory_bytes", 4),
    ("buffer_words", 2),
    ("data_bytes", 2),
    ("beat_bytes", 2),
)
"""Follow in a HELLO's answer; then the target's name (UTF-8, zeros behind), its SHA-256, and the gateware's."""
HELLO_BYTES = (
    sum(size for _, size in (*HELLO_FIELDS, *CAPABILITIES)) + TARGET_BYTES + 2 * HASH_BYTES
)

DATA_LIMIT = 2048
"""Most bytes of data in a frame; a device may hold less (`data_bytes`)."""
WINDOW = 1 << 15
"""A sequence number is new if it is less than so many ahead of the last, modulo 2**16; else old."""


def fields_bytes(fields: Fields) -> int:
    """Bytes of the fields."""
    return sum(size for _, size in fields)


def pack(fields: Fields, values: Mapping[str, int]) -> bytes:
    """`values` by name as a payload's bytes; OverflowError where one does not fit."""
    return b"".join(values[name].to_bytes(size, "little") for name, size in fields)


def unpack(fields: Fields, data: bytes) -> dict[str, int]:
    """The numbers at the beginning of `data`, which must be long enough."""
    values: dict[str, int] = {}
    at = 0
    for name, size in fields:
        values[name] = int.from_bytes(data[at : at + size], "little")
        at += size
    return values


@dataclass(frozen=True)
class Frame:
    """A request or an answer."""

    kind: int
    sequence: int
    payload: bytes

    @property
    def body(self) -> bytes:
        """Header and payload."""
        return struct.pack("<BHH", self.kind, self.sequence, len(self.payload)) + self.payload

    @property
    def crc(self) -> int:
        """CRC-32 of the body."""
        return zlib.crc32(self.body)

    def encode(self) -> bytes:
        """The frame's bytes on the link."""
        body = self.body + self.crc.to_bytes(CRC_BYTES, "little")
        escaped = body.replace(bytes([ESCAPE]), bytes([ESCAPE, ESCAPE ^ FLIP]))
        return bytes([SYNC]) + escaped.replace(bytes([SYNC]), bytes([ESCAPE, SYNC ^ FLIP]))


class FrameReader:
    """Finds frames in a stream of bytes; what is not inside a frame is dropped."""

    def __init__(self, limit: int = WORD_BYTES + DATA_LIMIT) -> None:
        self._limit = limit
        self._inside = self._escaped = False
        self._body = bytearray()

    def reset(self) -> None:
        """Forget the frame that has begun."""
        self._inside = self._escaped = False

    def feed(self, data: bytes) -> list[Frame | None]:
        """The frames that end in `data`, in order; None for one that is damaged."""
        found: list[Frame | None] = []
        for byte in data:
            if byte == SYNC:
                self._inside, self._escaped = True, False
                self._body.clear()
            elif not self._inside:
                continue
            elif byte == ESCAPE:
                self._escaped = True
            else:
                self._body.append(byte ^ FLIP if self._escaped else byte)
                self._escaped = False
                if len(self._body) >= HEADER_BYTES and (end := self._end()) is not None:
                    found.append(end)
                    self._inside = False
                elif len(self._body) >= HEADER_BYTES and not self._possible():
                    found.append(None)
                    self._inside = False
        return found

    def _length(self) -> int:
        return int.from_bytes(self._body[3:5], "little")

    def _possible(self) -> bool:
        return (
            self._length() <= self._limit
            and len(self._body) < HEADER_BYTES + self._length() + CRC_BYTES
        )

    def _end(self) -> Frame | None:
        """The frame, if it is whole and its CRC right."""
        size = HEADER_BYTES + self._length()
        if self._length() > self._limit or len(self._body) != size + CRC_BYTES:
            return None
        body = bytes(self._body[:size])
        if zlib.crc32(body) != int.from_bytes(self._body[size:], "little"):
            return None
        return Frame(body[0], int.from_bytes(body[1:3], "little"), body[HEADER_BYTES:])
