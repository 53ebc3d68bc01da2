"""Reconciliation of ACE, schedule and counters: agreement passes, every planted surplus is named."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

from hwflow.ace import AceReport, count
from hwflow.compiler.counts import LayerCounts
from hwflow.compiler.lower import lower
from hwflow.config import load_target
from hwflow.errors import FlowError
from hwflow.reconcile import CONV_COUNTERS, CYCLE_COUNTERS, TRAFFIC, FrameCounters, reconcile
from models.integer.random import random_network, small_config

CONFIG = small_config()
Counters = dict[str, Any]


@pytest.fixture(scope="module")
def report() -> AceReport:
    return count(CONFIG)


@pytest.fixture(scope="module")
def counts() -> list[LayerCounts]:
    return lower(random_network(3, CONFIG), load_target("sim-small")).counts()


def frame_of(counts: list[LayerCounts]) -> Counters:
    """What hardware would report that executes the schedule, with some stalls."""
    layers: Counters = {}
    scalars: Counters = {}
    at = 40
    for entry in counts:
        if entry.unit == "conv":
            record = {name: getattr(entry, name) for name in CONV_COUNTERS}
            record |= dict.fromkeys(CYCLE_COUNTERS[1:], 3)
            cycles = sum(record[name] for name in CYCLE_COUNTERS)
            layers[entry.layer] = record | {"start": at, "end": at + cycles - 1}
            at += cycles + 5
        elif entry.macs_class:
            useful, padding = entry.useful, entry.k_padding
            record = {"steps": entry.issue, "useful": useful}
            record["padding"] = padding + entry.channel_padding
            scalars.setdefault(entry.layer, []).append(record)
    traffic = {
        f"bytes_{kind}": sum(e.bytes.get(kind, 0) for e in counts if e.unit == "load")
        for kind in TRAFFIC
    }
    return {"layers": layers, "scalars": scalars, "frame": {"cycles": at + 100, **traffic}}


def test_schedule_explains_every_operation(report: AceReport, counts: list[LayerCounts]) -> None:
    result = reconcile(report, counts)
    assert result.ok, result.problems
    assert sum(row.ace for row in result.operations) == report.total_ace
    assert sum(row.executed_ace for row in result.operations) == report.total_ace
    assert sum(row.masked for row in result.operations) > 0
    for row in result.operations:
        assert row.useful + row.masked == row.ace_macs
        parts = (row.k_padding, row.channel_padding, row.pixel_padding)
        assert row.slots == row.ace_macs + sum(parts)


def test_counters_that_agree_are_accepted(report: AceReport, counts: list[LayerCounts]) -> None:
    frame = FrameCounters(**frame_of(counts))
    result = reconcile(report, counts, [frame, frame])
    assert result.ok, result.problems
    assert result.images == 2
    total = sum(row.before + row.cycles for row in result.cycles) + result.after
    assert total == frame.frame["cycles"]
    assert json.loads(json.dumps(result.to_dict()))["ok"] is True


def drop_layer(frame: Counters) -> None:
    del frame["layers"][4]


def drop_product(frame: Counters) -> None:
    frame["scalars"][4].pop()


def add_product(frame: Counters) -> None:
    frame["scalars"][4].append(dict(frame["scalars"][4][0]))


def bump(kind: str, layer: int, counter: str) -> Callable[[Counters], None]:
    def change(frame: Counters) -> None:
        record = frame[kind][layer]
        (record[0] if kind == "scalars" else record)[counter] += 1

    return change


def bump_traffic(frame: Counters) -> None:
    frame["frame"]["bytes_weights"] += 16


def overlap(frame: Counters) -> None:
    for name in ("start", "end"):
        frame["layers"][3][name] -= 10


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        *((bump("layers", 3, name), f"layer 3 resblock0-2 conv: {name} is")
          for name in CONV_COUNTERS),
        (bump("layers", 3, "drain"), "layer 3 resblock0-2: -1 of"),
        (bump("layers", 3, "end"), "layer 3 resblock0-2: 1 of"),
        (bump("scalars", 4, "useful"), "layer 4 resblock0-3 se-hidden: useful is"),
        (bump("scalars", 8, "padding"), "layer 8 dense dense: padding is"),
        (bump_traffic, "memory traffic, weights"),
        (drop_layer, "layer 4 resblock0-3 conv: the hardware reported nothing"),
        (drop_product, "layer 4 resblock0-3 se-scale: the hardware reported nothing"),
        (add_product, "a matrix-vector product of layer 4, which the schedule does not have"),
        (overlap, "began before the layer before it ended"),
    ],
)  # fmt: skip
def test_each_surplus_is_named(
    change: Callable[[Counters], None], problem: str, report: AceReport, counts: list[LayerCounts]
) -> None:
    frame = frame_of(counts)
    change(frame)
    result = reconcile(report, counts, [FrameCounters(**frame)])
    assert not result.ok
    assert any(problem in line and line.startswith("image 0: ") for line in result.problems)


@pytest.mark.parametrize("name", ["useful", "masked", "k_padding", "issue"])
def test_a_wrong_schedule_count_is_unexplained(
    name: str, report: AceReport, counts: list[LayerCounts]
) -> None:
    at = next(i for i, e in enumerate(counts) if e.unit == "conv" and e.layer == 3)
    wrong = dataclasses.replace(counts[at], **{name: getattr(counts[at], name) + 1})
    result = reconcile(report, [*counts[:at], wrong, *counts[at + 1 :]])
    assert not result.ok
    assert all("layer 3 conv-resblock0-2" in line for line in result.problems)


def test_another_network_is_refused(counts: list[LayerCounts]) -> None:
    other = small_config(stages=((1, 8, 1),))
    with pytest.raises(FlowError, match="the schedule is not of network"):
        reconcile(count(other), counts)


def test_classes_sum_up_the_operations(report: AceReport, counts: list[LayerCounts]) -> None:
    result = reconcile(report, counts)
    assert [row.bits for row in result.classes] == [1, 4, 8]
    assert {row.bits: row.macs for row in result.classes} == report.macs()
    for row in result.classes:
        assert row.macs == row.useful + row.masked + row.elided
        assert row.ace == row.executed_ace
        assert row.unexplained == 0
    assert sum(row.ace for row in result.classes) == report.total_ace


def test_elementwise_operations_are_all_named(report: AceReport, counts: list[LayerCounts]) -> None:
    result = reconcile(report, counts)
    reference = {name: n for row in result.elementwise for name, n in row.reference.items()}
    assert reference == report.elementwise_totals()
    executed = {name: n for row in result.elementwise for name, n in row.executed.items()}
    assert sum(executed.values()) == sum(sum(entry.elementwise.values()) for entry in counts)
    assert reference["long_shortcut"] == executed["add long shortcut"]

    strange = dataclasses.replace(counts[0], elementwise={"rotate": 5})
    problems = reconcile(report, [strange, *counts[1:]]).problems
    assert "elementwise: 5 executed 'rotate' are in no fusion" in problems


def test_bytes_are_measured_where_there_is_an_image(
    report: AceReport, counts: list[LayerCounts]
) -> None:
    without = reconcile(report, counts).traffic
    assert [row.kind for row in without] == list(TRAFFIC)
    assert all(row.measured is None for row in without)
    assert all(row.scheduled > 0 for row in without if "spill" not in row.kind)
    frame = FrameCounters(**frame_of(counts))
    for row in reconcile(report, counts, [frame]).traffic:
        assert row.measured == row.scheduled
