"""The instruction set: encoding, decoding and what is refused."""

from __future__ import annotations

import hashlib
from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwflow import bit_fields, isa
from hwflow.errors import FlowError


def values_of(fields: tuple[bit_fields.Field, ...]) -> st.SearchStrategy[dict[str, int]]:
    return st.fixed_dictionaries({f.name: st.integers(f.low, f.high) for f in fields})


def instructions() -> st.SearchStrategy[dict[str, int]]:
    return st.one_of(
        values_of(fields).map(lambda values, op=op: {**values, "op": int(op)})
        for op, fields in isa.FIELDS.items()
    )


@given(instructions())
def test_decode_inverts_encode(values: dict[str, int]) -> None:
    data = isa.encode(values)
    assert len(data) == isa.INSTRUCTION_BYTES
    assert isa.decode(data) == values


@given(values_of(isa.CONSTANT_FIELDS))
def test_constant_records_round_trip(values: dict[str, int]) -> None:
    word = bit_fields.pack(isa.CONSTANT_FIELDS, values)
    assert word < 1 << isa.CONSTANT_BITS
    assert bit_fields.unpack(isa.CONSTANT_FIELDS, word) == values


def test_every_instruction_fits_and_starts_with_opcode_and_layer() -> None:
    assert set(isa.FIELDS) == set(isa.Op)
    for fields in isa.FIELDS.values():
        assert [f.name for f in fields[:2]] == ["op", "layer"]
        assert sum(f.bits for f in fields) <= 8 * isa.INSTRUCTION_BYTES
        assert len({f.name for f in fields}) == len(fields)
    assert sum(f.bits for f in isa.CONSTANT_FIELDS) <= isa.CONSTANT_BITS


def test_first_field_is_in_the_lowest_bits() -> None:
    data = isa.encode({"op": isa.Op.END, "layer": 0x1234})
    assert data[:3] == bytes([isa.Op.END, 0x34, 0x12])
    assert not any(data[3:])


@given(st.sampled_from([f for fields in isa.FIELDS.values() for f in fields if f.name != "op"]))
def test_values_beyond_a_field_are_refused(field: bit_fields.Field) -> None:
    fields = next(fields for fields in isa.FIELDS.values() if field in fields)
    values = {f.name: max(f.low, 0) for f in fields}
    for bad in (field.low - 1, field.high + 1):
        with pytest.raises(FlowError, match=f"{field.name} = {bad} does not fit"):
            bit_fields.pack(fields, {**values, field.name: bad})


def test_missing_unknown_and_stray_are_named() -> None:
    with pytest.raises(FlowError, match="missing field 'layer'"):
        isa.encode({"op": isa.Op.END})
    with pytest.raises(FlowError, match="unknown field 'colour'"):
        isa.encode({"op": isa.Op.END, "layer": 0, "colour": 1})
    with pytest.raises(FlowError, match="unknown opcode 99"):
        isa.encode({"op": 99, "layer": 0})
    end = isa.encode({"op": isa.Op.END, "layer": 0})
    with pytest.raises(FlowError, match="stray bits"):
        isa.decode(end[:-1] + b"\x80")
    with pytest.raises(FlowError, match="unknown opcode 0"):
        isa.decode(bytes(isa.INSTRUCTION_BYTES))
    with pytest.raises(FlowError, match="has 64 bytes, got 63"):
        isa.decode(end[:-1])


def test_tables_change_only_with_the_version() -> None:
    """A build of other tables must be refused by its version: raise isa.VERSION, then note the digest here."""
    tables = {
        "fields": {op.name: [astuple(f)[:2] for f in fields] for op, fields in isa.FIELDS.items()},
        "constants": [astuple(f)[:2] for f in isa.CONSTANT_FIELDS],
        "enums": [
            [(e.name, int(e)) for e in kind]
            for kind in (isa.Op, isa.Ring, isa.Residual, isa.Store, isa.FcDest, isa.Record)
        ],
        "counters": [isa.LAYER_COUNTERS, isa.SCALAR_COUNTERS, isa.END_COUNTERS],
    }
    digest = hashlib.sha256(repr(tables).encode()).hexdigest()[:16]
    assert (isa.VERSION, digest) == (3, "545f942a0ebed681")
