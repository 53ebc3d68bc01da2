"""Pages that are made from the code are what the code makes; the formats they state are those that are read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.generate.__main__ import DOCS, MADE
from hwflow import bit_fields, isa
from hwflow.host.results import decode_results


@pytest.mark.parametrize("name", MADE)
def test_committed(name: str) -> None:
    assert (DOCS / name).read_text() == MADE[name](), "run `python -m docs.generate`"


def word(record: isa.Record, **values: int) -> bytes:
    packed = bit_fields.pack(isa.RECORD_FIELDS[record], {"kind": record, **values})
    return packed.to_bytes(8, "little")


@given(st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1), st.integers(-(2**31), 2**31 - 1))
def test_records_are_read_as_described(layer: int, signature: int, logit: int) -> None:
    numbers = {kind: range(len(isa.RECORD_COUNTERS[kind])) for kind in isa.Record}
    counters = {
        kind: b"".join(n.to_bytes(8, "little") for n in numbers[kind]) for kind in isa.Record
    }
    stream = word(isa.Record.LAYER, layer=layer, zero=0, signature=signature)
    stream += counters[isa.Record.LAYER]
    stream += word(isa.Record.SCALAR, layer=layer, wide=layer & 1) + counters[isa.Record.SCALAR]
    stream += word(isa.Record.LOGIT, **{"class": 0, "zero": 0, "value": logit})
    stream += word(isa.Record.END, zero=0, signature=signature) + counters[isa.Record.END]
    stream += word(
        isa.Record.ERROR, layer=layer, fault=2, destination=isa.INSTRUCTIONS, address=signature
    )
    frame, failed = decode_results(stream, 1)
    assert (frame.layers[0].layer, frame.layers[0].signature) == (layer, signature)
    assert list(frame.layers[0].counters.values()) == list(numbers[isa.Record.LAYER])
    assert (frame.scalars[0].layer, frame.scalars[0].wide) == (layer, bool(layer & 1))
    assert (frame.logits.tolist(), frame.signature) == ([logit], signature)
    assert failed.error is not None
    found = (failed.error.fault, failed.error.destination, failed.error.layer, failed.error.address)
    assert found == (2, isa.INSTRUCTIONS, layer, signature)


def test_a_page_that_is_behind_the_code_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    later = {**isa.RECORD_COUNTERS, isa.Record.END: {**isa.END_COUNTER_MEANINGS, "more": "new"}}
    monkeypatch.setattr(isa, "RECORD_COUNTERS", later)
    assert (DOCS / "records.md").read_text() != MADE["records.md"]()
