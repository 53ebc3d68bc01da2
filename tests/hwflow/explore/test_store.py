"""The store of evaluated points: what is kept, and what an interruption leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwflow.errors import FlowError
from hwflow.explore.store import FILE, Store, point_key


def _filled(folder: Path, count: int) -> None:
    store = Store(folder)
    store.put([(f"k{n}", {"value": n}) for n in range(count)])
    store.close()


def _values(folder: Path) -> list[object]:
    store = Store(folder)
    try:
        found = [store.get(f"k{n}") for n in range(4)]
        assert len(store) == sum(each is not None for each in found)
        return [None if each is None else each["value"] for each in found]
    finally:
        store.close()


def test_results_are_there_again(tmp_path: Path) -> None:
    _filled(tmp_path, 3)
    assert _values(tmp_path) == [0, 1, 2, None]


@pytest.mark.parametrize("cut", [1, 5, 25])
def test_a_line_that_was_cut_off_is_dropped_and_written_over(tmp_path: Path, cut: int) -> None:
    _filled(tmp_path, 3)
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:-cut])
    assert _values(tmp_path) == [0, 1, None, None]
    _filled(tmp_path, 3)
    assert _values(tmp_path) == [0, 1, 2, None]
    assert all(line.startswith(b"{") for line in path.read_bytes().splitlines())


@pytest.mark.parametrize(
    "line", [b"garbage\n", b'{"key": 5, "result": {}}\n', b'{"key": "a"}\n', b"\xff\xfe\n"]
)
def test_from_a_damaged_line_on_nothing_is_believed(tmp_path: Path, line: bytes) -> None:
    _filled(tmp_path, 2)
    path = tmp_path / FILE
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + line + second)
    assert _values(tmp_path) == [0, None, None, None]
    assert path.read_bytes() == first


def test_a_store_that_cannot_be_written_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(FlowError, match=r"cannot be written .*; give another --out"):
        Store(tmp_path)


def test_keys_are_of_point_and_setup() -> None:
    one = point_key({"rows": 4}, "setup")
    assert one == point_key({"rows": 4}, "setup")
    assert len({one, point_key({"rows": 5}, "setup"), point_key({"rows": 4}, "other")}) == 3
