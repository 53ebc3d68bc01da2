"""The resource model: what it counts, what it refuses, what it says of designs that it does not know."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwflow.config import AcceleratorConfig, load_target
from hwflow.errors import FlowError
from hwflow.explore.resources import estimate


def changed(**fields: Any) -> AcceleratorConfig:
    return dataclasses.replace(load_target("ecp5-25f"), **fields)


def test_units_add_up() -> None:
    found = estimate(load_target("ulx3s-85f"))
    assert found.lut4 == sum(unit.lut4 for unit in found.units.values())
    assert found.flip_flops == sum(unit.flip_flops for unit in found.units.values())
    assert found.block_rams == sum(unit.block_rams for unit in found.units.values())
    assert not found.extrapolated


def test_an_image_in_block_ram_adds_its_blocks() -> None:
    config = load_target("ulx3s-85f")
    with_image = estimate(config, memory_beats=113_248 // config.memory_bytes)
    assert with_image.block_rams == estimate(config).block_rams + 56
    assert with_image.lut4 == estimate(config).lut4


@pytest.mark.parametrize(
    "fields", [{"long_words": 8, "store_words": 8}, {"head_rows": 64}], ids=["streams", "heads"]
)
def test_what_was_never_synthesised_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(FlowError, match=f"knows no design with {next(iter(fields))}"):
        estimate(changed(**fields))


def test_fields_beyond_the_fitted_designs_are_named() -> None:
    found = estimate(changed(rows=32, mac_depth=8))
    assert found.extrapolated == ("rows", "mac_depth")


GROWING = (
    *("rows", "cols", "popcount_width", "pixel_lanes", "mac_depth", "weight_words"),
    *("main_rows", "side_rows", "pool_rows", "bit_rows", "byte_rows"),
)


@given(
    st.sampled_from(GROWING),
    st.sampled_from((4, 8, 12)),
    st.sampled_from((8, 16)),
    st.sampled_from((1, 2)),
)
def test_twice_of_anything_takes_no_less(field: str, rows: int, cols: int, lanes: int) -> None:
    """But for LUT4 where a memory goes to block RAM, and where both kinds of features then share a memory."""
    config = changed(rows=rows, cols=cols, pixel_lanes=lanes, mac_depth=2)
    more = dataclasses.replace(config, **{field: 2 * getattr(config, field)})
    one, two = estimate(config), estimate(more)
    assert two.multipliers >= one.multipliers - (2 if more.shared_features else 0)
    if more.shared_features == config.shared_features:
        assert two.block_rams >= one.block_rams
        if two.block_rams == one.block_rams:
            assert two.lut4 >= one.lut4
            assert two.flip_flops >= one.flip_flops


def test_ranges_are_those_of_the_designs_that_a_unit_was_fitted_to() -> None:
    seen = dataclasses.replace(load_target("ulx3s-85f"), rows=4, mac_depth=2)
    assert estimate(seen).extrapolated == ()
    # Features were fitted to 12 rows, to K 128 and G 4; the 8-bit array, the binary array and the lanes were not.
    beyond = dataclasses.replace(
        seen, rows=12, cols=16, popcount_width=128, pixel_lanes=4, mac_depth=4, memory_bytes=64
    )
    assert estimate(beyond).extrapolated == (
        *("rows", "memory_bytes", "popcount_width", "pixel_lanes"),
    )
