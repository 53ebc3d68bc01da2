"""The expressions that ONNX has no operator for, in two evaluators, against numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from onnx.reference import ReferenceEvaluator

from hwflow import numerics
from hwflow.onnx import arithmetic
from hwflow.onnx.network import IR_VERSION, OPSET
from hwflow.onnx.scope import Scope

Ints = npt.NDArray[Any]
SHIFTS = {np.dtype(np.int32): 30, np.dtype(np.int64): 62}
"""Largest shift of each type."""


def model(
    graph: Scope, result: str, kind: type[np.generic], shape: list[Any], out_shape: list[Any]
) -> bytes:
    """A checked model of one input x (N, *shape) and the value `result`, both of type `kind`."""
    element = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    x = helper.make_tensor_value_info("x", element, ["N", *shape])
    y = helper.make_tensor_value_info(result, element, ["N", *out_shape])
    constants = list(graph.initialisers.values())
    made = helper.make_model(
        helper.make_graph(graph.nodes, "test", [x], [y], constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(made, full_check=True)
    return made.SerializeToString()


def session(data: bytes) -> Any:
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])


class Shift:
    """`shift_right` of x (N, 1) by every shift of the type at once: (N, shifts)."""

    def __init__(self, kind: type[np.generic], *, rounded: bool) -> None:
        graph, self.k = Scope(), np.arange(SHIFTS[np.dtype(kind)] + 1).astype(kind)
        result = arithmetic.shift_right(graph, "shifted", "x", self.k, rounded=rounded)
        data = model(graph, result, kind, [1], [len(self.k)])
        self.runtime = session(data)
        self.reference = ReferenceEvaluator(onnx.load_from_string(data))

    def check(self, x: Ints, wanted: Ints, where: Ints | None = None) -> None:
        """Compares where x + half fits."""
        for evaluator in (self.runtime, self.reference):
            found = evaluator.run(None, {"x": x})[0]
            assert found.dtype == x.dtype
            chosen = np.ones(found.shape, bool) if where is None else where
            np.testing.assert_array_equal(found[chosen], wanted[chosen])


FLOOR = {kind: Shift(kind, rounded=False) for kind in (np.int32, np.int64)}
ROUND = {kind: Shift(kind, rounded=True) for kind in (np.int32, np.int64)}


def extremes(kind: type[Any]) -> st.SearchStrategy[int]:
    """Values of the type, often near its ends, 0, or a power of two or half of one."""
    limits = np.iinfo(kind)
    lo, hi = int(limits.min), int(limits.max)
    powers = st.builds(
        lambda bit, sign, near: min(max(sign * (1 << bit) + near, lo), hi),
        st.integers(0, limits.bits - 1),
        st.sampled_from([1, -1]),
        st.integers(-2, 2),
    )
    near_ends = st.sampled_from([lo, lo + 1, lo + 2, hi - 2, hi - 1, hi])
    return st.one_of(st.integers(lo, hi), near_ends, powers)


@pytest.mark.parametrize("kind", [np.int32, np.int64])
@settings(max_examples=60)
@given(data=st.data())
def test_shift_is_numpys_for_every_value(kind: type[Any], data: st.DataObject) -> None:
    values = data.draw(st.lists(extremes(kind), min_size=1, max_size=50))
    x = np.array(values, kind).reshape(-1, 1)
    FLOOR[kind].check(x, x >> FLOOR[kind].k)


@pytest.mark.parametrize("kind", [np.int32, np.int64])
@settings(max_examples=60)
@given(data=st.data())
def test_rounded_shift_is_rsr_wherever_the_half_fits(kind: type[Any], data: st.DataObject) -> None:
    values = data.draw(st.lists(extremes(kind), min_size=1, max_size=50))
    x, k = np.array(values, kind).reshape(-1, 1), ROUND[kind].k
    half = (np.ones_like(k) << k) >> 1
    fits = x <= np.iinfo(kind).max - half
    with np.errstate(over="ignore"):
        ROUND[kind].check(x, numerics.rsr(x, k), fits)
    # In Python's own integers, whatever numpy does.
    exact = (int(values[0]) + (1 << 4 >> 1)) >> 4
    if values[0] <= int(np.iinfo(kind).max) - 8:
        found = ROUND[kind].runtime.run(None, {"x": x[:1]})[0]
        assert int(found[0, 4]) == exact


def test_a_shift_that_divides_only_is_caught() -> None:
    """Div truncates: without Mod in front of it, values below 0 go up."""
    shift, graph = Shift(np.int32, rounded=False), Scope()
    graph.op("Div", "shifted", "x", graph.constant("divisor", np.int32(1) << shift.k))
    shift.runtime = session(model(graph, "shifted", np.int32, [1], [len(shift.k)]))
    x = np.array([[-1], [5]], np.int32)
    with pytest.raises(AssertionError):
        shift.check(x, x >> shift.k)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (5, 2), (7, 8), (9, 9)])
def test_pool(size: tuple[int, int], bits: int) -> None:
    graph = Scope()
    result = arithmetic.average_pool(graph, "pooled", "x", size, bits)
    out = [numerics.same_padding(n, 3, 2)[0] for n in size]
    runtime = session(model(graph, result, np.int32, [3, *size], [3, *out]))
    rng = np.random.default_rng(0)
    x = rng.choice([-32768, 32768, 32767, -5, 0, 77], (4, *size, 3)).astype(np.int32)
    x[0], x[1] = 32767, -32768
    found = runtime.run(None, {"x": x.transpose(0, 3, 1, 2)})[0]
    np.testing.assert_array_equal(found.transpose(0, 2, 3, 1), numerics.average_pool(x, bits))
