"""Traces in other formats: numbers as bfloat16, the steps on 4-bit operands."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from hwflow.errors import FlowError
from sim.energy.traces import PARTS, REST, as_bfloat16, as_nibbles, packed, signed, to_bits
from sim.recording import Trace

ELEMENT = {"operands": 8, "weights": 8, "step": 1, "add": 1, "step_next": 1, "last_next": 1}
ARRAY = {"step": 1, "last": 1, "matvec": 1, "narrow": 1}
NARROW = {**ELEMENT, "operands": 4, "weights": 4}


def flags(cycles: int, *at: int) -> np.ndarray:
    found = np.zeros((cycles, 1), np.uint8)
    found[list(at)] = 1
    return found


def test_ports_come_back_from_a_packed_trace() -> None:
    rng = np.random.default_rng(1)
    widths = {"a": 3, "b": 40, "c": 1, "d": 64}
    ports = {name: rng.integers(0, 2, (50, width), np.uint8) for name, width in widths.items()}
    trace = packed("x", widths, ports)
    for name in widths:
        assert np.array_equal(trace.bits(name), ports[name])
        assert np.array_equal(trace.bits(name, 7, 20), ports[name][7:20])
        assert np.array_equal(trace.flag(name), ports[name][:, 0] == 1)
    assert np.array_equal(trace.flag("d", 63), ports["d"][:, 63] == 1)


def test_numbers_to_bits_and_back() -> None:
    values = np.array([[-8, 7], [0, -1], [3, -4]])
    assert np.array_equal(signed(to_bits(values, 4), 4), values)


def test_every_s8_is_the_same_number_in_bfloat16() -> None:
    numbers = np.arange(-128, 128)
    ports: dict[str, Any] = {"operands": to_bits(numbers, 8), "weights": to_bits(-numbers, 8)}
    widths = {**ELEMENT, "operands": 16, "weights": 16}
    made = as_bfloat16(packed("pe", ELEMENT, ports), widths)
    words = made.bits("operands").astype(np.int64) @ (1 << np.arange(16))
    assert np.array_equal(
        words.astype(np.uint16).view(ml_dtypes.bfloat16).astype(np.int64), numbers
    )


def product(operands: list[int]) -> tuple[Trace, Trace]:
    """An array that makes a sum of the first half of `operands` and one of the second, one step every other cycle."""
    count = len(operands)
    cycles = 2 * count + 4
    at = [2 * n for n in range(count)]
    array = packed(
        "array",
        ARRAY,
        {
            "step": flags(cycles, *at),
            "matvec": flags(cycles, *at),
            "narrow": flags(cycles, *at),
            "last": flags(cycles, at[count // 2 - 1], at[-1]),
        },
    )
    values = np.zeros((cycles, 2), np.int64)
    values[[n + 1 for n in at]] = [(value, 7 - n % 15) for n, value in enumerate(operands)]
    element = packed(
        "pe", ELEMENT, {"operands": to_bits(values[:, :1], 8), "weights": to_bits(values[:, 1:], 8)}
    )
    return array, element


def test_steps_on_nibbles_follow_one_another() -> None:
    operands = [1, -7, 3, 0, 5, -2, 7, -1]
    array, element = product(operands)
    made = as_nibbles(array, [element, element], NARROW)
    step = made.flag("step")
    assert signed(made.bits("operands"), 4)[step, 0].tolist() == operands * 2
    assert signed(made.bits("weights"), 4)[step, 0].tolist() == [7, 6, 5, 4, 3, 2, 1, 0] * 2
    # Two sums of each of the two elements, their ends one cycle later; then the operands stay.
    assert np.flatnonzero(made.flag("last_next") & made.flag("step_next")).size == 4
    assert made.cycles == 4 * (4 + REST) and PARTS >= 4
    assert np.array_equal(
        made.bits("operands", 4, 4 + REST), np.repeat(made.bits("operands", 3, 4), REST, 0)
    )


def test_a_product_of_operands_beyond_four_bits_is_left_out() -> None:
    array, element = product([1, 2, 3, 4, 15, 0, 2, 9])
    made = as_nibbles(array, [element], NARROW)
    assert signed(made.bits("operands"), 4)[made.flag("step"), 0].tolist() == [1, 2, 3, 4]


def test_a_recording_without_such_steps_is_refused() -> None:
    array, element = product([15, 15, 15, 15])
    with pytest.raises(FlowError, match=r"no step on 4-bit operands.*--images"):
        as_nibbles(array, [element], NARROW)
