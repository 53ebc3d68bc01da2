"""Division of a slot by the number of banks: multiplication by a reciprocal, exact for every slot."""

from __future__ import annotations

from amaranth.hdl import Value

READ_SLOT_BITS = 17
"""A tap's slot plus `slot_offset`: up to 2**16 - 1 inside the tensor, and a few rows of padding on each side."""


def slot_offset(banks: int) -> int:
    """A multiple of `banks` that makes every tap's slot non-negative: padding is at most 3 rows of 511 pixels and 3."""
    return -(-(3 * 511 + 3) // banks) * banks


def reciprocal(bits: int, banks: int) -> tuple[int, int, int]:
    """(m, s, width): for n < 2**bits, n // banks is the low `width` bits of (n * m) >> s.

    With s = bits + ceil(log2 banks) and m = ceil(2**s / banks), m*banks exceeds 2**s by less than 2**(s - bits), so
    floor(n*m / 2**s) is exact for n < 2**bits (Granlund and Montgomery 1994, theorem 4.2).
    """
    shift = bits + (banks - 1).bit_length()
    return -(-(1 << shift) // banks), shift, max(1, bits - banks.bit_length() + 1)


def remainder(slot: Value, q: Value, banks: int) -> Value:
    """`slot - q * banks`, which is below `banks`: by the low bits, which are all of it, and without a multiplier."""
    bits = (banks - 1).bit_length()
    low = slot[:bits]
    for at in range(bits):
        if banks >> at & 1:
            low = (low - (q[:bits] << at))[:bits]
    return low


def quotient(slot: Value, banks: int) -> Value:
    """`slot // banks`, combinational."""
    multiplier, shift, width = reciprocal(len(slot), banks)
    return ((slot * multiplier) >> shift)[:width]
