"""Fronts and orders of designs."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hwflow.explore.pareto import OBJECTIVES, front, objectives, ranked

Result = dict[str, Any]


def _result(number: int, values: list[int], feasible: bool = True) -> Result:
    named = dict(zip(OBJECTIVES, values, strict=True))
    return {"config": {"n": number}, "feasible": feasible, "binary_macs": values[1], **named}


results = st.lists(
    st.tuples(st.lists(st.integers(0, 4), min_size=6, max_size=6), st.booleans()), max_size=25
).map(lambda rows: [_result(n, values, feasible) for n, (values, feasible) in enumerate(rows)])


def _beats(a: Result, b: Result) -> bool:
    costs = [(sign * a[name], sign * b[name]) for name, sign in OBJECTIVES.items()]
    return all(x <= y for x, y in costs) and any(x < y for x, y in costs)


@settings(max_examples=40)
@given(results)
def test_the_front_is_what_nothing_beats(found: list[Result]) -> None:
    best = front(found)
    feasible = [each for each in found if each["feasible"]]
    for each in best:
        assert each["feasible"]
        assert not any(_beats(other, each) for other in feasible)
    for each in feasible:
        equal = any(all(each[n] == kept[n] for n in OBJECTIVES) for kept in best)
        assert equal or any(_beats(kept, each) for kept in best)
    points = [tuple(each[name] for name in OBJECTIVES) for each in best]
    assert len(points) == len(set(points))


@settings(max_examples=40)
@given(results, st.randoms(use_true_random=False))
def test_front_and_order_do_not_depend_on_the_order_of_results(
    found: list[Result], draw: Any
) -> None:
    shuffled = list(found)
    draw.shuffle(shuffled)
    assert front(shuffled) == front(found)
    assert ranked(shuffled) == ranked(found)


def test_the_order_is_frames_then_luts_and_a_least_of_macs_holds() -> None:
    slow, small, large = (
        _result(n, values)
        for n, values in enumerate(([1, 1, 0, 0, 0, 0], [2, 3, 9, 9, 9, 0], [2, 4, 0, 0, 0, 0]))
    )
    assert ranked([slow, large, small]) == [small, large, slow]
    assert ranked([slow, large, small], 4) == [large]
    assert (
        ranked([{"feasible": False, "config": {}, "reasons": [{"kind": "network", "what": "x"}]}])
        == []
    )


def test_an_objective_that_was_not_evaluated_is_none() -> None:
    full, less = _result(0, [1] * 6), _result(1, [2] * 6)
    assert objectives([full, less]) == list(OBJECTIVES)
    less["energy"] = None
    assert "energy" not in objectives([full, less])
    assert front([full, less])
    assert front([]) == objectives([]) == []
