"""The gathered document: figures agree with where they come from, and nothing is invented."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from hwflow.compiler.program import Program
from hwflow.cycle_model import simulate_cycles
from hwflow.cycle_model.shares import frame_shares
from hwflow.isa import CYCLE_COUNTERS
from hwflow.report.document import EVIDENCE, present
from hwflow.report.gather import Sources, gather
from hwflow.report.headline import headlines
from hwflow.report.sections.memory import section as memory_section
from hwflow.report.timeline import WAITS
from models.config import PokeBNNConfig


def test_the_timeline_adds_up_to_the_counters(program: Program, document: dict[str, Any]) -> None:
    frame = simulate_cycles(program.instructions, program.config)
    found = document["parts"]["timeline"]
    totals = {name: sum(layer.cycles[name] for layer in frame.layers) for name in CYCLE_COUNTERS}
    for phase, text in WAITS.items():
        assert sum(found["waits"][text]) == totals[phase], phase
    steps = sum(scalar.steps for scalar in frame.scalars)
    busy = {name: sum(bins) for name, bins in found["units"].items()}
    macs = {each["layer"] for each in program.instructions if each.get("mac")}
    issued = {
        kind: sum(la.cycles["issue"] for la in frame.layers if (la.layer in macs) is kind)
        for kind in (True, False)
    }
    assert busy["binary array"] == issued[False]
    assert busy["MAC array"] == issued[True] + steps
    assert busy["memory port"] >= frame_shares(program).port_beats
    assert found["cycles"] == frame.total + 1
    longest = max(max(bins) for group in ("units", "waits") for bins in found[group].values())
    assert longest <= found["bin_cycles"]


def test_watching_changes_nothing(program: Program) -> None:
    seen: list[object] = []
    assert frame_shares(program, observe=seen.append) == frame_shares(program)
    assert len(seen) == frame_shares(program).total + 1


def test_every_shortcut_of_the_network_is_there(
    counted: PokeBNNConfig, document: dict[str, Any]
) -> None:
    shortcuts = document["parts"]["network"]["shortcuts"]
    convs = counted.poke_convs()
    kinds = [each["kind"] for each in shortcuts]
    assert kinds.count("local") == len(convs)
    assert kinds.count("long") == sum(conv.r1_shape is not None for conv in convs)
    assert all(each["from"] == each["to"] - 1 for each in shortcuts if each["kind"] == "local")
    assert all(each["from"] < each["to"] - 1 for each in shortcuts if each["kind"] == "long")


def test_every_part_has_evidence_and_a_command(document: dict[str, Any]) -> None:
    for name, part in document["parts"].items():
        assert part["command"].startswith("hwflow "), name
        if name == "measurement":  # of a board, which the document has none of
            assert set(part) == {"missing", "command"}
            continue
        assert part["evidence"], name
        assert set(part["evidence"]) <= EVIDENCE.keys(), name


def test_a_build_alone_says_what_is_missing(bare: dict[str, Any]) -> None:
    absent = {name for name in bare["parts"] if present(bare, name) is None}
    assert absent == {
        "ace",
        "reconciliation",
        "accuracy",
        "simulation",
        "board",
        "energy",
        "measurement",
    }
    for name in absent:
        assert set(bare["parts"][name]) == {"missing", "command"}, name
    for each in headlines(bare):
        assert (each.value is None) == bool(each.remedy), each.key


def test_same_build_same_document(program: Program, bare: dict[str, Any]) -> None:
    again = gather(Sources(program=program))
    assert json.dumps(again) == json.dumps(bare)


def test_measured_and_scheduled_bytes_stand_beside_each_other(document: dict[str, Any]) -> None:
    found = document["parts"]["reconciliation"]
    assert found["problems"] == [] and found["images"] == 1
    assert all(row["scheduled"] == row["measured"] for row in found["bytes"])


def test_peaks_of_memories_are_the_plans(program: Program, document: dict[str, Any]) -> None:
    found = memory_section(document).tables[0].rows
    for row, memory in zip(found, document["parts"]["memory"]["memories"], strict=True):
        held = [t for t in program.manifest.tensors if t.memory == memory["name"]]
        peak = max(
            (sum(r for _, r in {(t.base, t.rows) for t in held if t.first <= at <= t.last})
             for at in range(-1, len(program.manifest.layers))),
            default=0,
        )  # fmt: skip
        assert row[3] == peak


def test_a_lost_cycle_is_seen(program: Program, document: dict[str, Any]) -> None:
    planted = copy.deepcopy(document)
    waits = planted["parts"]["timeline"]["waits"][WAITS["drain"]]
    waits[next(at for at, count in enumerate(waits) if count)] -= 1
    with pytest.raises(AssertionError, match="drain"):
        test_the_timeline_adds_up_to_the_counters(program, planted)
