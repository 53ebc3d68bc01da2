"""The vector lane and its constants in Amaranth's simulator (sim/benches/vector.py)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwflow import timing
from rtl_gen import lane
from sim.benches import vector
from tests.rtl_gen.control_bench import simulate_unit


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_lane_equals_numerics(seed: int) -> None:
    simulate_unit(vector.vector_lane(seed))


def test_fields_arrive_at_their_stage() -> None:
    simulate_unit(vector.lane_constants())


def test_latency_is_published() -> None:
    assert timing.vector_latency() == lane.Y_STAGE


@pytest.mark.parametrize("bits", [8, 16, 18])
def test_drawn_elements_reach_saturation(bits: int) -> None:
    """The random elements above do exercise both sides of every clamp."""
    t, y8, y16 = set[bool](), set[bool](), set[bool]()
    for seed in range(12):
        drawn = vector.draw(np.random.default_rng(seed), 120, 16)
        t |= set(drawn["want"].t_saturated.tolist())
        (y8 if drawn["layer"]["narrow"] else y16).update(drawn["want"].y_saturated.tolist())
    assert {18: t, 8: y8, 16: y16}[bits] == {False, True}
