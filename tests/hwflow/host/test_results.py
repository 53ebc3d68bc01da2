"""Decoding of the result stream."""

from __future__ import annotations

import struct

import pytest

from hwflow import isa
from hwflow.errors import FlowError
from hwflow.host.results import FrameRecords, decode_results


def record(kind: isa.Record, tag: int, value: int, counters: list[int], wide: int = 0) -> bytes:
    head = int(kind) | tag << 8 | wide << 24 | (value & 0xFFFFFFFF) << 32
    return struct.pack(f"<{1 + len(counters)}Q", head, *counters)


def a_frame(logits: list[int]) -> bytes:
    layer = list(range(100, 100 + len(isa.LAYER_COUNTERS)))
    words = record(isa.Record.LAYER, 3, 0xCAFE0001, layer)
    words += record(isa.Record.SCALAR, 4, 0, [7, 9, 2, 1 << 40, 5], wide=1)
    for index, logit in reversed(list(enumerate(logits))):
        words += record(isa.Record.LOGIT, index, logit, [])
    return words + record(isa.Record.END, 0, 0x12345678, list(range(len(isa.END_COUNTERS))))


def check(frame: FrameRecords, logits: list[int]) -> None:
    (layer,) = frame.layers
    assert (layer.layer, layer.signature) == (3, 0xCAFE0001)
    assert list(layer.counters) == list(isa.LAYER_COUNTERS)
    assert layer.counters["saturated_y"] == 100 + len(isa.LAYER_COUNTERS) - 1
    (scalar,) = frame.scalars
    assert scalar.wide
    assert scalar.counters["useful"] == 1 << 40
    assert frame.logits.tolist() == logits
    assert frame.signature == 0x12345678
    assert frame.counters["cycles"] == 0


def test_decodes_frames() -> None:
    frames = decode_results(a_frame([5, -6, 1 << 22]) + a_frame([-(1 << 23), 0, 1]), 3)
    check(frames[0], [5, -6, 1 << 22])
    check(frames[1], [-(1 << 23), 0, 1])
    assert decode_results(b"", 3) == []


def test_start_and_end_are_cycles_of_the_layer() -> None:
    (frame,) = decode_results(a_frame([1]), 1)
    counters = frame.layers[0].counters
    assert (counters["start"], counters["end"]) == (100, 101)
    assert frame.layers[0].cycles == 2


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (b"123", "not whole words"),
        (a_frame([1, 2])[:-8], "ends within the record"),
        (a_frame([1, 2]) + record(isa.Record.LOGIT, 0, 1, []), "ends within a frame"),
        (
            record(isa.Record.LOGIT, 0, 1, [])
            + record(isa.Record.END, 0, 0, [0] * len(isa.END_COUNTERS)),
            "no logit of class 1",
        ),
        (record(isa.Record.LOGIT, 2, 1, []), "word 0 is the logit of class 2, but there are 2"),
        (2 * record(isa.Record.LOGIT, 1, 1, []), "word 1 is the second logit of class 1"),
        (struct.pack("<Q", 99), "is no record"),
    ],
)
def test_refuses(stream: bytes, message: str) -> None:
    with pytest.raises(FlowError, match=message):
        decode_results(stream, 2)
