"""Accelerator targets: what is accepted, derived and refused."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hwflow import timing
from hwflow.config import AcceleratorConfig, load_target, target_names
from hwflow.errors import FlowError
from hwflow.isa import FIELDS, Op

SMALL = load_target("sim-small")


def changed(**values: object) -> AcceleratorConfig:
    return AcceleratorConfig.from_dict({**SMALL.to_dict(), **values}, source="test")


def test_shipped_targets_load_under_their_name() -> None:
    assert target_names() == [
        "ecp5-25f",
        "ecp5-4k",
        "ecp5-85f",
        "mid-4k",
        "sim-small",
        "ulx3s-85f",
        "zu7ev",
    ]
    for name in target_names():
        assert load_target(name).name == name


@pytest.mark.parametrize(
    ("name", "binary", "lanes", "macs", "beat"),
    [("zu7ev", 16384, 128, 1024, 32), ("mid-4k", 4096, 32, 128, 16), ("ecp5-85f", 4096, 8, 64, 8)],
)
def test_targets_have_the_sizes_of_the_design(
    name: str, binary: int, lanes: int, macs: int, beat: int
) -> None:
    config = load_target(name)
    got = config.binary_macs, config.vector_lanes, config.mac_lanes, config.memory_bytes
    assert got == (binary, lanes, macs, beat)


@given(st.integers(2, 32), st.sampled_from([1, 2]), st.integers(0, 10_000))
def test_consecutive_and_alternate_pixels_fall_into_distinct_banks(
    rows: int, stride: int, first: int
) -> None:
    config = dataclasses.replace(changed(rows=rows, memory_bytes=8, mac_depth=1), pixel_lanes=1)
    slots = {(first + n * stride) % config.banks for n in range(rows)}
    assert len(slots) == rows


@pytest.mark.parametrize(
    ("values", "field", "nearest"),
    [
        ({"cols": 12}, "cols", "8"),
        ({"cols": 100}, "cols", "64"),
        ({"rows": 1}, "rows", "2"),
        ({"rows": 33}, "rows", "32"),
        ({"popcount_width": 96}, "popcount_width", "64"),
        ({"rows": 6, "pixel_lanes": 4, "mac_depth": 2}, "pixel_lanes", "2"),
        ({"cols": 64}, "popcount_width", "64"),
        ({"popcount_width": 128, "memory_bytes": 8}, "memory_bytes", "16"),
        ({"weight_words": 8}, "weight_words", "16"),
        ({"channel_limit": 8}, "channel_limit", "16"),
        ({"channel_limit": 8192}, "channel_limit", "8176"),
        ({"line_pixels": 512}, "line_pixels", "511"),
    ],
)
def test_impossible_values_name_field_and_nearest(
    values: dict[str, int], field: str, nearest: str
) -> None:
    with pytest.raises(FlowError) as caught:
        changed(**values)
    message = str(caught.value)
    assert field in message
    assert f"nearest valid: {nearest}" in message.replace(" memory_bytes: ", ": ")
    assert "\n" not in message


def test_the_nearest_memory_width_is_possible() -> None:
    with pytest.raises(FlowError, match=r"nearest valid memory_bytes: (\d+)") as caught:
        changed(rows=2, cols=16, popcount_width=64, mac_depth=1, memory_bytes=32)
    width = int(str(caught.value).rsplit(" ", 1)[1])
    assert width == 16
    changed(rows=2, cols=16, popcount_width=64, mac_depth=1, memory_bytes=width)
    with pytest.raises(FlowError, match="raise mac_depth"):
        changed(rows=3, cols=8, popcount_width=64, mac_depth=1, memory_bytes=8)


def test_impossible_values_name_the_target() -> None:
    for values in ({"rows": 1}, {"cols": 12}, {"line_pixels": 512}):
        with pytest.raises(FlowError, match=f"target {SMALL.name}: "):
            changed(**values)


def test_a_key_that_is_no_text_is_refused() -> None:
    with pytest.raises(FlowError, match="unknown field 7"):
        AcceleratorConfig.from_dict({**SMALL.to_dict(), 7: 1}, source="test")  # pyright: ignore[reportArgumentType]  what is tested


def test_a_target_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bytes.yaml"
    path.write_bytes(b"rows: \xff")
    with pytest.raises(FlowError, match=r"bytes\.yaml is not UTF-8"):
        load_target(path)


def test_unknown_field_suggests_the_known_one() -> None:
    with pytest.raises(FlowError, match="'colums'; did you mean cols"):
        changed(colums=8)


@pytest.mark.parametrize("value", [8.0, "8", True, None])
def test_wrong_type_is_refused(value: object) -> None:
    with pytest.raises(FlowError, match="rows must be int"):
        changed(rows=value)


def test_missing_field_is_named() -> None:
    values = SMALL.to_dict()
    del values["main_rows"]
    with pytest.raises(FlowError, match="missing field 'main_rows'"):
        AcceleratorConfig.from_dict(values, source="test")


def test_yaml_file_round_trips(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(SMALL.to_dict()))
    assert load_target(path) == SMALL


@pytest.mark.parametrize(
    ("text", "message"),
    [("rows: [", "not valid YAML"), ("- 1", "YAML mapping"), ("", "YAML mapping")],
)
def test_broken_yaml_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(FlowError, match=message) as caught:
        load_target(path)
    assert "\n" not in str(caught.value)


def test_unknown_target_suggests_a_name() -> None:
    with pytest.raises(FlowError, match="'zu7eg'; did you mean zu7ev"):
        load_target("zu7eg")
    with pytest.raises(FlowError, match=r"missing\.yaml does not exist"):
        load_target("missing.yaml")


def test_zu7ev_has_the_memory_of_its_device() -> None:
    config = load_target("zu7ev")
    assert config.ring_bytes == 1 << 20
    assert config.on_chip_bytes <= 38 * (1 << 20) // 8
    assert config.stream_beats * config.memory_bytes == 2 * config.pixel_lanes * config.cols


def test_streams_come_together_and_hold_whole_beats() -> None:
    config = load_target("zu7ev")
    for field in ("long_words", "store_words"):
        assert getattr(dataclasses.replace(config, **{field: 4}), field) == 4
        with pytest.raises(FlowError, match=f"{field} 0 must be 4..4096; nearest valid: 4"):
            dataclasses.replace(config, **{field: 0})
    with pytest.raises(FlowError, match="no whole beats; nearest valid memory_bytes: 16"):
        dataclasses.replace(
            load_target("sim-small"), cols=8, memory_bytes=32, popcount_width=32, long_words=16,
            store_words=16, mac_depth=2,
        )  # fmt: skip


def test_the_store_fifo_takes_words_of_consecutive_cycles() -> None:
    config = dataclasses.replace(load_target("zu7ev"), rows=4, pixel_lanes=4, long_words=2)
    assert dataclasses.replace(config, store_words=3).row_groups == 1
    with pytest.raises(FlowError, match=r"store_words 2 must be 3\.\.4096; nearest valid: 3"):
        dataclasses.replace(config, store_words=2)


def test_a_matrix_vector_product_takes_no_more_steps_than_its_field_counts() -> None:
    values = {"rows": 2, "cols": 32, "mac_depth": 1, "popcount_width": 32}
    with pytest.raises(FlowError, match=r"raise mac_depth, .* nearest valid: 8190"):
        changed(**values, channel_limit=8191)
    widest = changed(**values, channel_limit=8190)
    steps = next(field for field in FIELDS[Op.FC] if field.name == "steps")
    assert math.ceil(widest.channel_limit / widest.fc_inputs) == steps.high


@pytest.mark.parametrize("cols", [8, 16, 32, 64])
def test_promised_scales_are_there_in_time(cols: int) -> None:
    """docs/architecture.md: the first pixel group of a binary CONV comes no sooner than the constants."""
    config = changed(cols=cols, popcount_width=64, mac_depth=8)
    assert timing.scale_promise_latency(config) <= 1 + timing.binary_group_latency(config)
