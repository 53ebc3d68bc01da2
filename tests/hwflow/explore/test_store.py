"""The store of evaluated points: what is kept, and what an interruption leaves."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from hwflow.errors import FlowError
from hwflow.explore.store import FILE, HEADER, Store, point_key


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
    assert path.read_bytes().count(b"\n") == 6
    assert all("crc" in json.loads(line) for line in path.read_bytes().splitlines()[1:])


def _damages(line: bytes) -> list[bytes]:
    """A line that is none, one of other hands, and one that parses but holds another number."""
    return [b"garbage\n", b'{"key": "k0", "result": {}}\n', line.replace(b'e": 0', b'e": 9')]


@pytest.mark.parametrize("kind", range(3))
def test_a_damaged_line_costs_its_own_point_only(tmp_path: Path, kind: int) -> None:
    _filled(tmp_path, 3)
    path = tmp_path / FILE
    header, first, *rest = path.read_bytes().splitlines(keepends=True)
    damaged = b"".join([header, _damages(first)[kind], *rest])
    path.write_bytes(damaged)
    with closing(Store(tmp_path)) as store:
        assert store.damaged == 1
    assert _values(tmp_path) == [None, 1, 2, None]
    assert path.read_bytes() == damaged
    with closing(Store(tmp_path)) as store:
        store.put([("k0", {"value": 0})])
    assert _values(tmp_path) == [0, 1, 2, None]


@pytest.mark.parametrize(
    "content", [b"a diary\n", b"\n", HEADER.replace(b"1", b"2"), b'{"key": "k0", "result": {}}\n']
)
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(FlowError, match=r"holds no points of this version .*; give another --out"):
        Store(tmp_path)
    assert (tmp_path / FILE).read_bytes() == content


@pytest.mark.parametrize("cut", [0, 1, len(HEADER) - 1])
def test_a_header_that_was_cut_off_is_written_again(tmp_path: Path, cut: int) -> None:
    (tmp_path / FILE).write_bytes(HEADER[:cut])
    _filled(tmp_path, 1)
    assert _values(tmp_path) == [0, None, None, None]


def test_what_is_no_number_is_not_written(tmp_path: Path) -> None:
    with closing(Store(tmp_path)) as store, pytest.raises(ValueError, match="not JSON compliant"):
        store.put([("k0", {"value": float("inf")})])
    assert (tmp_path / FILE).read_bytes() == HEADER


def test_a_store_that_cannot_be_written_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(FlowError, match=r"cannot be written .*; give another --out"):
        Store(tmp_path)


def test_keys_are_of_point_and_setup() -> None:
    one = point_key({"rows": 4}, "setup")
    assert one == point_key({"rows": 4}, "setup")
    assert len({one, point_key({"rows": 5}, "setup"), point_key({"rows": 4}, "other")}) == 3
