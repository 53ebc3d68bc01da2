"""Integers made of named bit fields, first field in the lowest bits: instructions and constant records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hwflow.errors import FlowError


@dataclass(frozen=True)
class Field:
    """One field: name, width in bits, meaning (for docs and schema), signedness.

    maximum: largest value that the hardware takes, where that is less than what the bits hold.
    """

    name: str
    bits: int
    doc: str
    signed: bool = False
    maximum: int | None = None

    @property
    def low(self) -> int:
        """Smallest value."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """Largest value."""
        return self.maximum if self.maximum is not None else (1 << (self.bits - self.signed)) - 1


def pack(fields: tuple[Field, ...], values: Mapping[str, int]) -> int:
    """Pack named values into one integer, first field in the lowest bits.

    Raises:
        FlowError: a missing, unknown or out-of-range value.
    """
    unknown = set(values) - {f.name for f in fields}
    if unknown:
        raise FlowError(f"unknown field {sorted(unknown)[0]!r}")
    word, at = 0, 0
    for field in fields:
        if field.name not in values:
            raise FlowError(f"missing field {field.name!r}")
        value = int(values[field.name])
        if not field.low <= value <= field.high:
            raise FlowError(f"field {field.name} = {value} does not fit {field.low}..{field.high}")
        word |= (value & ((1 << field.bits) - 1)) << at
        at += field.bits
    return word


def unpack(fields: tuple[Field, ...], word: int) -> dict[str, int]:
    """Inverse of `pack`; bits above the last field must be zero.

    Raises:
        FlowError: stray bits above the last field.
    """
    values: dict[str, int] = {}
    for field in fields:
        raw = word & ((1 << field.bits) - 1)
        values[field.name] = (
            raw - (1 << field.bits) if field.signed and raw >> (field.bits - 1) else raw
        )
        word >>= field.bits
    if word:
        raise FlowError("stray bits above the last field")
    return values
