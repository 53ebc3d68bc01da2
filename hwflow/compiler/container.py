"""The 64-byte header that starts schedule.bin and memory.bin."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from hwflow.errors import FlowError
from hwflow.isa import VERSION

HEADER_BYTES = 64
HASH_BYTES = 10
SCHEDULE_MAGIC = b"HWFLOWSC"
MEMORY_MAGIC = b"HWFLOWMI"
FIELDS: tuple[tuple[str, str, str], ...] = (
    ("magic", "8s", "`HWFLOWSC` (schedule.bin) or `HWFLOWMI` (memory.bin)"),
    ("version", "I", "version of the format (`isa.VERSION`)"),
    ("crc", "I", "CRC-32 of the whole file with these four bytes as zero"),
    ("beat_bytes", "I", "B, bytes of a beat"),
    ("instructions", "I", "how many there are"),
    ("schedule_address", "I", "beat of the first instruction in memory.bin"),
    ("image_address", "I", "first beat of the image area"),
    ("image_beats", "I", "beats of the image area"),
    ("spill_beats", "I", "beats of the spill area, which follows the image"),
    ("length", "I", "of the file in bytes"),
    ("network_hash", f"{HASH_BYTES}s", "first 10 bytes of the network's SHA-256"),
    ("config_hash", f"{HASH_BYTES}s", "first 10 bytes of the target's SHA-256"),
)
"""Name, format (of Python's struct; I: u32) and meaning of what the header holds, in its order."""
_LAYOUT = struct.Struct("<" + "".join(kind for _, kind, _ in FIELDS))
_CRC_AT = 12
assert _LAYOUT.size == HEADER_BYTES


@dataclass(frozen=True, kw_only=True)
class Header:
    """What the first 64 bytes hold, little endian, beside version, CRC and length: FIELDS."""

    magic: bytes
    beat_bytes: int
    instructions: int
    schedule_address: int
    image_address: int
    image_beats: int
    spill_beats: int
    network_hash: bytes
    config_hash: bytes


def seal(header: Header, body: bytes) -> bytes:
    """Header and body as a file's bytes."""
    head = _LAYOUT.pack(
        header.magic, VERSION, 0, header.beat_bytes, header.instructions,
        header.schedule_address, header.image_address, header.image_beats,
        header.spill_beats, HEADER_BYTES + len(body), header.network_hash, header.config_hash,
    )  # fmt: skip
    crc = zlib.crc32(head + body)
    return head[:_CRC_AT] + struct.pack("<I", crc) + head[_CRC_AT + 4 :] + body


def unseal(data: bytes, magic: bytes, source: str) -> tuple[Header, bytes]:
    """The header and body of a file named `source` in messages.

    Raises:
        FlowError: cut short, another kind of file, another version, or a CRC that differs.
    """
    remedy = "run `hwflow lower` again"
    if len(data) < HEADER_BYTES:
        raise FlowError(f"{source}: {len(data)} bytes, shorter than its header; {remedy}")
    (found, version, crc, beat, count, schedule, image, beats, spill, length, network, config) = (
        _LAYOUT.unpack(data[:HEADER_BYTES])
    )
    if found != magic:
        raise FlowError(f"{source}: starts with {found!r}, expected {magic!r}; {remedy}")
    if version != VERSION:
        raise FlowError(f"{source}: version {version}, this release reads {VERSION}; {remedy}")
    if length != len(data):
        raise FlowError(f"{source}: {len(data)} bytes, its header says {length}; {remedy}")
    zeroed = data[:_CRC_AT] + bytes(4) + data[_CRC_AT + 4 :]
    if zlib.crc32(zeroed) != crc:
        raise FlowError(f"{source}: its content does not match its CRC; {remedy}")
    header = Header(
        magic=found, beat_bytes=beat, instructions=count, schedule_address=schedule,
        image_address=image, image_beats=beats, spill_beats=spill, network_hash=network, config_hash=config,
    )  # fmt: skip
    return header, data[HEADER_BYTES:]
