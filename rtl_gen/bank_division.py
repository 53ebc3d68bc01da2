"""Division of a slot by the number of banks: multiplication by a reciprocal, exact for every slot."""

from __future__ import annotations

from amaranth.hdl import Value

READ_SLOT_BITS = 17
"""A tap's slot plus `slot_offset`: up to 2**16 - 1 inside the tensor, and a few rows of padding on each side."""


def slot_offset(banks: int) -> int:
    """A multiple of `banks` that makes every tap's slot non-negative: padding is at most 3 rows of 511 pixels and 3."""
    return -(-(3 * 511 + 3) // banks) * banks


def quotient(slot: Value, banks: int) -> Value:
    """`slot // banks`, combinational.

    With s = bits + ceil(log2 banks) and m = ceil(2**s / banks), m*banks exceeds 2**s by less than 2**(s - bits), so
    floor(slot*m / 2**s) is exact for slot < 2**bits (Granlund and Montgomery 1994, theorem 4.2).
    """
    shift = len(slot) + (banks - 1).bit_length()
    multiplier = -(-(1 << shift) // banks)
    return ((slot * multiplier) >> shift)[: max(1, len(slot) - banks.bit_length() + 1)]
