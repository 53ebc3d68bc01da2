"""The scalar engine's parts in Amaranth's simulator (sim/benches/scalar.py)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rtl_gen.vector_memory import vector_words
from sim.benches import scalar
from tests.rtl_gen.control_bench import simulate_unit, small_config


@settings(max_examples=12)
@given(
    st.integers(0, 2**32),
    st.sampled_from([0, 1, 2, 5, 9, 15]),
    st.sampled_from([(-7, 7), (0, 15), (0, 32768), (-(2**23), 2**23 - 1)]),
)
def test_scalar_unit(seed: int, acc_shift: int, limits: tuple[int, int]) -> None:
    simulate_unit(scalar.scalar_unit(seed, acc_shift, limits))


@settings(max_examples=8)
@given(st.integers(0, 2**32))
def test_affine_unit(seed: int) -> None:
    simulate_unit(scalar.affine_unit(seed))


def test_logit_signature() -> None:
    simulate_unit(scalar.logit_signature())


def test_vector_memory_of_rows_not_a_power_of_two() -> None:
    assert vector_words(small_config(rows=6, cols=16, mac_depth=2, pixel_lanes=2)) == 6
    simulate_unit(scalar.vector_memory())
