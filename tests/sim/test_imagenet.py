"""The timed run of a drawn network: kept parts are reused, every value is compared, bars are named."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hwflow.config import load_target
from models.config import PRESETS
from models.integer.random import small_config
from sim import imagenet
from sim.stages import Stages


def test_network_is_drawn_once_and_bars_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, "random", small_config(image=(28, 28, 3)))
    config = load_target("sim-small")
    said: list[str] = []
    runs: list[imagenet.TimedRun] = []
    for _ in range(2):
        stages = Stages()
        prepared = imagenet.prepare_run("random", 1, 2, config, tmp_path, stages, said.append)
        run = imagenet.timed_run(
            prepared, tmp_path / "run", tmp_path / "expected", stages, status=said.append
        )
        assert run.result.passed
        assert run.to_dict()["passed"] is True
        assert set(imagenet.BARS) <= set(run.seconds) == set(run.cpu_seconds)
        runs.append(run)
    assert [run.prepared.drawn for run in runs] == [True, False]
    assert [run.kept for run in runs] == [0, 2]
    assert runs[0].expected_seconds == runs[1].expected_seconds

    slow = dataclasses.replace(
        runs[1], seconds={**runs[1].seconds, **imagenet.BARS, "lowering": 31.0}, memory=17 << 30
    )
    assert [line.split(":")[0] for line in slow.over] == ["lowering", "memory"]
    assert slow.to_dict()["bars_missed"] == slow.over


@pytest.mark.parametrize("stage", imagenet.BARS)
def test_a_bar_is_missed_above_its_seconds(stage: str) -> None:
    met = dict(imagenet.BARS)
    assert imagenet.bars_missed(met, met, imagenet.MEMORY_BAR) == []
    missed = met | {stage: met[stage] + 1.5}
    lines = imagenet.bars_missed(missed, met | {stage: 2.0}, imagenet.MEMORY_BAR + 1)
    assert [line.split(":")[0] for line in lines] == [stage, "memory"]
    assert lines[0].endswith(
        f"{met[stage] + 1.5:.1f} s, at most {met[stage]:.0f} s wanted (2.0 s of CPU time)"
    )
