"""What a board's gateware can do: sizes of the link's hardware, and the answer to HELLO."""

from __future__ import annotations

from dataclasses import dataclass

from hwflow import isa
from hwflow.compiler.manifest import config_hash
from hwflow.config import AcceleratorConfig
from hwflow.errors import FlowError
from hwflow.host.protocol import (
    CAPABILITIES,
    DATA_LIMIT,
    HASH_BYTES,
    TARGET_BYTES,
    VERSION,
    WORD_BYTES,
    pack,
)
from rtl_gen.link.uart import SLOWEST

BUFFER_WORDS = 1024
"""Enough for every record of a network of 20 convolutions; 4 block RAMs of 2 kB."""
LEAST_WORDS = 32


@dataclass(frozen=True, kw_only=True)
class LinkConfig:
    """The host's link of a board.

    Raises:
        FlowError: a value the hardware cannot have.
    """

    divisor: int  # clock cycles a bit: clock_hz / baud rate
    clock_hz: int
    memory_beats: int  # beats that the memory behind the binding holds
    buffer_words: int = BUFFER_WORDS  # 64-bit words: results of a run, data of a frame
    gateware: bytes = bytes(HASH_BYTES)  # SHA-256 of what the bitstream was made from

    def __post_init__(self) -> None:
        if self.divisor < SLOWEST:
            raise FlowError(
                f"{self.divisor} clock cycles a bit are too few for the UART; lower the baud rate: "
                f"{SLOWEST} cycles are the least"
            )
        if self.memory_beats < 1:
            raise FlowError("a board's memory must hold at least one beat; raise memory_beats")
        words = self.buffer_words
        if words < LEAST_WORDS or words & (words - 1) or words >= 1 << 16:
            raise FlowError(
                f"buffer_words {words} must be a power of two {LEAST_WORDS}..32768; 1024 is usual"
            )
        if len(self.gateware) != HASH_BYTES:
            raise FlowError(f"the gateware's hash must have {HASH_BYTES} bytes")

    @property
    def data_bytes(self) -> int:
        """Most bytes of data in a frame."""
        return min(DATA_LIMIT, self.buffer_words * WORD_BYTES)


def capability_words(config: AcceleratorConfig, link: LinkConfig) -> list[int]:
    """The answer to HELLO from its second word on, as 64-bit words; the first has the nonce and `versions`."""
    numbers = pack(
        CAPABILITIES,
        {
            "clock_hz": link.clock_hz,
            "memory_bytes": link.memory_beats * config.memory_bytes,
            "buffer_words": link.buffer_words,
            "data_bytes": link.data_bytes,
            "beat_bytes": config.memory_bytes,
        },
    )
    name = config.name.encode()[:TARGET_BYTES].ljust(TARGET_BYTES, b"\0")
    text = numbers + name + bytes.fromhex(config_hash(config)) + link.gateware
    return [
        int.from_bytes(text[at : at + WORD_BYTES], "little")
        for at in range(0, len(text), WORD_BYTES)
    ]


def versions() -> int:
    """The upper half of the first word of a HELLO's answer."""
    return VERSION | isa.VERSION << 16
