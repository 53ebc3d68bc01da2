"""The simulated memory: its timing, and the byte order in which the harness loads files."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from hwflow.errors import FlowError
from hwflow.sdram import SdramTiming

MAXIMUM_STALL = 240
"""Stalls are chances out of 256; more would hardly ever answer."""


@dataclass(frozen=True, kw_only=True)
class MemoryTiming:
    """How the memory and the reader of the result stream behave.

    latency: cycles from an accepted request to its first beat; bandwidth: beats a cycle, at most 1;
    stall, result_stall: chance of 256 that a cycle answers no beat and accepts no request, or takes no
    result word; seed: of those chances. error_at: number of the beat of the run, from 0, that comes with an
    error, or -1; silent_at: number of the beat before which the memory does nothing for silent_for cycles, or -1.

    Raises:
        FlowError: a value out of range, with the nearest valid one.
    """

    latency: int = 8
    bandwidth: Fraction = Fraction(1)
    stall: int = 0
    result_stall: int = 0
    seed: int = 1
    error_at: int = -1
    silent_at: int = -1
    silent_for: int = 0

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("latency", self.latency, 1, 100_000),
            ("stall", self.stall, 0, MAXIMUM_STALL),
            ("result_stall", self.result_stall, 0, MAXIMUM_STALL),
            ("seed", self.seed, 0, 2**31 - 1),
            ("error_at", self.error_at, -1, 2**31 - 1),
            ("silent_at", self.silent_at, -1, 2**31 - 1),
            ("silent_for", self.silent_for, 0, 2**31 - 1),
        ):
            if not low <= value <= high:
                nearest = min(max(value, low), high)
                raise FlowError(
                    f"memory {name} {value} must be {low}..{high}; nearest valid: {nearest}"
                )
        if not 0 < self.bandwidth <= 1 or self.bandwidth.denominator > 10_000:
            raise FlowError(
                f"memory bandwidth {self.bandwidth} beats a cycle must be above 0 and at most 1, "
                "with a denominator up to 10000; nearest valid: 1"
            )

    def plusargs(self) -> dict[str, int]:
        """The harness's options."""
        return {
            "latency": self.latency,
            "beats": self.bandwidth.numerator,
            "per": self.bandwidth.denominator,
            "stall": self.stall,
            "result_stall": self.result_stall,
            "seed": self.seed,
            "error_at": self.error_at,
            "silent_at": self.silent_at,
            "silent_for": self.silent_for,
        }

    @property
    def expected_bandwidth(self) -> Fraction:
        """Beats a cycle that a long read gets in the mean: of `bandwidth`, what the stalls leave."""
        return self.bandwidth * Fraction(256 - self.stall, 256)

    @property
    def exact(self) -> bool:
        """Whether nothing is left to chance and nothing fails, so that a model can know every cycle."""
        regular = not self.stall and not self.result_stall
        return regular and self.error_at < 0 and self.silent_at < 0


def about(sdram: SdramTiming) -> MemoryTiming:
    """A memory of fixed latency that is about as fast as an SDRAM: latency of an open row, bandwidth of a stream."""
    bandwidth = sdram.stream_bandwidth.limit_denominator(10_000)
    return MemoryTiming(latency=sdram.open_latency, bandwidth=bandwidth)


def for_fread(image: bytes, beat_bytes: int) -> bytes:
    """`image` (little-endian beats) with the bytes of every beat reversed: $fread puts the first byte on top.

    The last beat is filled with zeros.
    """
    padded = image + bytes(-len(image) % beat_bytes)
    # Reversing everything reverses the bytes of each beat and the order of beats; the latter is undone.
    backwards = padded[::-1]
    beats = [backwards[i : i + beat_bytes] for i in range(0, len(backwards), beat_bytes)]
    return b"".join(reversed(beats))
