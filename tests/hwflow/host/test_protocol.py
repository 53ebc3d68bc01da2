"""The link protocol's codec: any frames through any line come out whole, damaged or not at all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hwflow.host.protocol import (
    CAPABILITIES,
    ESCAPE,
    HELLO_BYTES,
    REQUESTS,
    SYNC,
    WORD_BYTES,
    Frame,
    FrameReader,
    pack,
    unpack,
)

FRAMES = st.builds(
    Frame,
    st.integers(0, 255),
    st.integers(0, 65535),
    st.binary(max_size=60) | st.just(b"\x7e\x7d" * 9),
)


@given(st.lists(FRAMES, max_size=6), st.data())
def test_frames_come_back_however_they_are_cut(frames: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(frame.encode() for frame in frames)
    reader, found = FrameReader(), list[Frame | None]()
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += reader.feed(stream[:size])
        stream = stream[size:]
    assert found == frames


@given(FRAMES, FRAMES, st.binary(max_size=80), st.integers(0, 200))
def test_a_frame_after_noise_is_found(first: Frame, second: Frame, noise: bytes, cut: int) -> None:
    reader = FrameReader()
    found = reader.feed(first.encode()[:cut] + noise + second.encode())
    assert found[-1] == second


@given(FRAMES, st.integers(0, 10_000), st.integers(1, 255))
def test_a_corrupted_byte_is_never_a_frame(frame: Frame, at: int, flip: int) -> None:
    data = bytearray(frame.encode())
    data[at % len(data)] ^= flip
    assert [one for one in FrameReader().feed(bytes(data)) if one is not None] == []


@given(FRAMES)
def test_sync_is_only_at_the_beginning(frame: Frame) -> None:
    data = frame.encode()
    assert data[0] == SYNC
    assert SYNC not in data[1:]
    assert data[-1] != ESCAPE


def test_a_frame_that_claims_too_much_is_damaged() -> None:
    reader = FrameReader(limit=4)
    assert reader.feed(Frame(1, 2, bytes(5)).encode()) == [None]
    assert reader.feed(Frame(1, 2, bytes(4)).encode()) == [Frame(1, 2, bytes(4))]


def test_numbers() -> None:
    for fields in (CAPABILITIES, *REQUESTS.values()):
        values = {name: (37 * index + 5) % 256 for index, (name, _) in enumerate(fields)}
        assert unpack(fields, pack(fields, values)) == values
    assert HELLO_BYTES % WORD_BYTES == 0
