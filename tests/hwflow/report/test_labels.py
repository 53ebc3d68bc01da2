"""Labels on the roofline."""

from __future__ import annotations

from typing import Any

from hwflow.report.labels import point_labels


def point(layer: int, intensity: float, rate: float) -> dict[str, Any]:
    return {"layer": str(layer), "intensity": intensity, "rate": rate}


def test_points_on_one_another_share_a_label() -> None:
    found = point_labels([point(n, 100, 500) for n in range(7)] + [point(9, 4, 500)])
    assert [each["text"] for each in found] == ["9", "0, 1, 2 +4"]


def test_crowded_labels_give_way_to_the_slower_layer() -> None:
    rows = [point(1, 100, 1000), point(2, 105, 1200), point(3, 100, 200), point(4, 800, 1000)]
    assert {each["text"] for each in point_labels(rows)} == {"1", "3", "4"}


def test_nothing_is_labelled_without_points() -> None:
    assert point_labels([]) == []
