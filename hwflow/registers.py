"""The control registers of the AXI top: one table, from which RTL, document, C header and SVD are made.

A register has 32 bits. Its fields say which bits mean something; the others read as 0 and ignore writes.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from hwflow import isa

WORD_BYTES = 4
WORD_BITS = 8 * WORD_BYTES
ADDRESS_BITS = 12
"""The registers take 4 KB, the least that AXI interconnects map."""

ID = int.from_bytes(b"HWFL", "big")
MAP_VERSION = 0x0001_0000
"""Upper half: changes that old software must refuse; lower half: additions."""
HASH_WORDS = 8
"""Words of a SHA-256, the first four bytes of it in word 0, big endian: as hexadecimal text reads."""


class Access(enum.Enum):
    """What software can do with a field, and what the hardware makes of it."""

    READ = "read-only"  # writes are ignored
    WRITE = "read-write"
    PULSE = "write-only"  # writing 1 asks for something once; reads as 0
    CLEAR = "write 1 to clear"  # set by hardware


@dataclass(frozen=True)
class Field:
    """Bits `low`..`low + bits - 1` of a register; `reset` is None where it depends on the hardware generated."""

    name: str
    low: int
    bits: int
    access: Access
    reset: int | None
    meaning: str


@dataclass(frozen=True)
class Register:
    """`count` registers from byte `offset` on, one after the other, all with the same fields."""

    name: str
    offset: int
    meaning: str
    fields: tuple[Field, ...]
    count: int = 1

    @property
    def offsets(self) -> range:
        """Byte offset of each."""
        return range(self.offset, self.offset + WORD_BYTES * self.count, WORD_BYTES)

    @property
    def reset(self) -> int | None:
        """Value after reset; None where it depends on the hardware generated."""
        values = [None if f.reset is None else f.reset << f.low for f in self.fields]
        return sum(value for value in values if value is not None) if None not in values else None

    @property
    def word(self) -> Field | None:
        """The field that fills the register, where one does."""
        return self.fields[0] if self.fields[0].bits == WORD_BITS else None

    def instances(self) -> Iterator[tuple[str, int]]:
        """(name, offset) of each; numbered where there are several."""
        for index, offset in enumerate(self.offsets):
            yield (f"{self.name}_{index}" if self.count > 1 else self.name), offset


def _word(
    name: str,
    offset: int,
    meaning: str,
    access: Access = Access.READ,
    reset: int | None = 0,
    count: int = 1,
) -> Register:
    field = Field("value", 0, WORD_BITS, access, reset, meaning)
    return Register(name, offset, meaning, (field,), count)


def _flags(access: Access, *flags: tuple[str, str]) -> tuple[Field, ...]:
    """Fields of one bit, 0 after reset, from bit 0 on: (name, meaning)."""
    return tuple(
        Field(name, low, 1, access, 0, meaning) for low, (name, meaning) in enumerate(flags)
    )


REGISTERS: tuple[Register, ...] = (
    _word("ID", 0x000, "`HWFL` in ASCII, first letter in the highest byte", reset=ID),
    _word(
        "MAP_VERSION",
        0x004,
        "version of this map: upper half incompatible changes, lower half additions",
        reset=MAP_VERSION,
    ),
    _word("ISA_VERSION", 0x008, "version of schedule and memory image", reset=isa.VERSION),
    Register(
        "FEATURES",
        0x00C,
        "what the hardware was generated with",
        (
            Field("memory_bytes", 0, 8, Access.READ, None, "bytes of a beat of the memory port"),
            Field("spill", 8, 1, Access.READ, None, "activations can be in external memory"),
        ),
    ),
    _word(
        "TARGET_HASH",
        0x010,
        "SHA-256 of the target: `config_hash` of a build's manifest must be equal",
        reset=None,
        count=HASH_WORDS,
    ),
    _word(
        "BUILD_HASH",
        0x030,
        "SHA-256 of the accelerator's Verilog: `accelerator_sha256` of accelerator_axi.json",
        reset=None,
        count=HASH_WORDS,
    ),
    Register(
        "CONTROL",
        0x050,
        "requests",
        _flags(
            Access.PULSE,
            ("start", "begin a frame with the addresses as they are now; ignored while `busy`"),
            ("reset", "abandon the frame: `resetting` until the memory has answered all it owes"),
            ("clear", "clear the sticky bits of STATUS"),
        ),
    ),
    Register(
        "STATUS",
        0x054,
        "state of the frame; the bits from `done` on stay until `start`, `clear` or `reset`",
        _flags(
            Access.READ,
            ("busy", "a frame is under way, or the memory owes answers"),
            ("resetting", "CONTROL.reset is under way"),
            ("done", "the frame has ended and all its results are in memory"),
            ("error", "the frame ended with an ERROR record, the last of the results"),
            ("read_error", "a read was answered with an error (RRESP is not OKAY)"),
            ("write_error", "a write of activations was answered with an error (BRESP)"),
            ("result_error", "a write of results was answered with an error (BRESP)"),
            ("result_overflow", "the result buffer was too small; results beyond it are lost"),
            ("start_ignored", "`start` came while `busy`"),
        ),
    ),
    Register(
        "DMA",
        0x058,
        "what the memory owes",
        (
            Field("reads", 0, 12, Access.READ, 0, "beats requested and not answered"),
            Field("writes", 12, 12, Access.READ, 0, "beats written and not acknowledged"),
            Field("results_waiting", 24, 1, Access.READ, 0, "results are not in memory yet"),
        ),
    ),
    _word(
        "SCHEDULE_ADDRESS",
        0x060,
        "first beat of the schedule, counted from MEMORY_BASE (`schedule_address` of the manifest)",
        Access.WRITE,
    ),
    _word(
        "MEMORY_BASE_LOW",
        0x068,
        "byte address of the memory image; a multiple of `memory_bytes`: lower bits are ignored",
        Access.WRITE,
    ),
    _word("MEMORY_BASE_HIGH", 0x06C, "its upper half", Access.WRITE),
    _word(
        "RESULT_BASE_LOW",
        0x070,
        "byte address of the result buffer; a multiple of `memory_bytes`: lower bits are ignored",
        Access.WRITE,
    ),
    _word("RESULT_BASE_HIGH", 0x074, "its upper half", Access.WRITE),
    _word(
        "RESULT_SIZE",
        0x078,
        "bytes of the result buffer; a multiple of `memory_bytes`: what is beyond one is not used",
        Access.WRITE,
    ),
    _word(
        "RESULT_BYTES",
        0x07C,
        "bytes of this frame's results, 8 a word; `done` says that they are in memory",
    ),
    Register(
        "IRQ_ENABLE",
        0x080,
        "which bits of IRQ_STATUS drive `irq`",
        _flags(
            Access.WRITE,
            ("done", "the end of a frame"),
            ("error", "an error"),
        ),
    ),
    Register(
        "IRQ_STATUS",
        0x084,
        "why there is an interrupt",
        _flags(
            Access.CLEAR,
            ("done", "a frame has ended (with STATUS.done)"),
            ("error", "STATUS.error, write_error, result_error or result_overflow was set"),
        ),
    ),
    _word(
        "CYCLES_LOW",
        0x088,
        "cycles from `start` to `done`, or until now; while `busy` read HIGH, LOW, HIGH until both HIGH agree",
    ),
    _word("CYCLES_HIGH", 0x08C, "its upper half"),
    _word("FRAMES", 0x090, "frames that ended without an error since `aresetn`"),
    _word("FRAMES_FAILED", 0x094, "frames that ended otherwise, those that were reset included"),
)


def by_name() -> dict[str, Register]:
    """The registers by name."""
    return {register.name: register for register in REGISTERS}


def hash_words(digest: str) -> tuple[int, ...]:
    """A SHA-256 in hexadecimal as the values of its HASH_WORDS registers."""
    return tuple(int(digest[8 * n : 8 * n + 8], 16) for n in range(HASH_WORDS))
