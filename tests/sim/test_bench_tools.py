"""Packing of structs and the streams of the cocotb benches."""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.hdl import signed
from amaranth.lib import data
from hypothesis import given
from hypothesis import strategies as st

from sim import bench_tools, runner

HERE = Path(__file__).parent
LAYOUT = data.StructLayout({"flag": 1, "lanes": data.ArrayLayout(signed(7), 4), "count": 9})


@given(
    st.integers(0, 1), st.lists(st.integers(-64, 63), min_size=4, max_size=4), st.integers(0, 511)
)
def test_pack_agrees_with_amaranth(flag: int, lanes: list[int], count: int) -> None:
    value = {"flag": flag, "lanes": lanes, "count": count}
    word = bench_tools.pack(LAYOUT, value)
    assert word == LAYOUT.const(value).as_bits()
    assert bench_tools.unpack(LAYOUT, word) == value


def test_pack_refuses() -> None:
    assert bench_tools.pack(LAYOUT, {"count": 1}) == 1 << 29
    with pytest.raises(KeyError, match="colour"):
        bench_tools.pack(LAYOUT, {"colour": 1})
    with pytest.raises(ValueError, match="does not fit"):
        bench_tools.pack(LAYOUT, {"lanes": [64]})
    with pytest.raises(ValueError, match="5 elements"):
        bench_tools.pack(LAYOUT, {"lanes": [0] * 5})


def test_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    model = runner.build("stream_buffer", [HERE / "stream_buffer.sv"], "stream_buffer")
    runner.run(model, "bench_stream", folder=tmp_path).check()
