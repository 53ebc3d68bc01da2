"""Stored elements of fewer than 16 bits where all have 16: signatures, traces, external memory."""

from __future__ import annotations

from amaranth.hdl import Cat, Value

from hwflow.numerics import STORED_BITS


def widened(elements: Value, bits: int) -> Value:
    """Elements of `bits` bits, one after the other, each sign-extended to 16."""
    if bits == STORED_BITS:
        return elements
    words = (elements.word_select(at, bits) for at in range(len(elements) // bits))
    return Cat(*(Cat(word, word[-1].replicate(STORED_BITS - bits)) for word in words))


def narrowed(elements: Value, bits: int) -> Value:
    """The low `bits` bits of elements of 16, which hold their values."""
    if bits == STORED_BITS:
        return elements
    words = (elements.word_select(at, STORED_BITS) for at in range(len(elements) // STORED_BITS))
    return Cat(*(word[:bits] for word in words))
