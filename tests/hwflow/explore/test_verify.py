"""A design of a search against synthesis and the RTL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hwflow.explore.evaluate import Evaluator, Setup
from hwflow.explore.space import Space
from hwflow.explore.verify import COMPARED, Verified, verify, wrong_cycles
from models.integer.random import random_images


@pytest.mark.slow
def test_a_wrong_prediction_of_a_right_design_is_seen(setup: Setup, space: Space) -> None:
    pytest.importorskip("amaranth_boards", reason="boards come with the extra `board`")
    pytest.importorskip("pyosys", reason="synthesis comes with the extra `board`")
    like = {"rows": 2, "cols": 8, "popcount_width": 16, "pixel_lanes": 1, "memory_bytes": 8}
    point = next(p for p in space.points(5000, 1) if all(p[name] == like[name] for name in like))
    setup = replace(setup, latency=21)
    result = Evaluator(setup).point(point)
    told: list[str] = []
    found = verify(
        {**result, "cycles": result["cycles"] + 1},
        setup.network,
        random_images(3, 1, setup.network.image_shape)[0],
        board="ulx3s-85f",
        block_ram=True,
        latency=setup.latency,
        clock_mhz=40,
        told=told.append,
    )
    # Every stored value and logit is the integer network's.
    assert found.differences == (
        f"cycles: {result['cycles']:,} in RTL, {result['cycles'] + 1:,} predicted",
    )
    assert found.measured["cycles"] == result["cycles"]
    assert not found.equal
    assert found.fits
    assert abs(found.error("block_rams")) < 0.1
    assert told[0] == "an image through the RTL"


def test_errors_are_relative_to_what_was_measured() -> None:
    measured = dict.fromkeys(COMPARED, 200) | {"multipliers": 0}
    predicted = dict.fromkeys(COMPARED, 190) | {"lut4": 220}
    one = Verified(
        config={}, predicted=predicted, measured=measured, equal=True, differences=(), fits=True, yosys="0"
    )  # fmt: skip
    assert one.to_dict()["errors"] == {
        "cycles": -0.05, "lut4": 0.1, "flip_flops": -0.05, "block_rams": -0.05, "multipliers": 0.0,
    }  # fmt: skip
    assert one.to_dict()["evidence"]["cycles"] == "rtl-sim"


def test_cycles_in_front_of_sdram_are_an_estimate() -> None:
    assert wrong_cycles(1000, 1000, exact=True) is None
    assert wrong_cycles(1000, 1001, exact=True) == "cycles: 1,001 in RTL, 1,000 predicted"
    assert wrong_cycles(950, 1000, exact=False) is None
    assert wrong_cycles(250, 1000, exact=False) == "cycles: 1,000 in RTL, 250 predicted"
