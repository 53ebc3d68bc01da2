"""Reports, sharing of images among processes, replay and the errors of whole-network runs."""

from __future__ import annotations

import io
import json
import struct
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from hwflow import isa
from hwflow.compiler.lower import lower
from hwflow.compiler.program import Program
from hwflow.errors import FlowError
from models.integer.params import IntegerNetwork
from models.integer.random import random_images, random_network
from sim import report
from sim.cycles import expected_frame
from sim.memory import MemoryTiming
from sim.network import SimResult, simulate
from sim.replay import replay
from tests.sim.configs import SMALL

IMAGES = 3


@pytest.fixture(scope="module")
def network() -> IntegerNetwork:
    return random_network(1)


@pytest.fixture(scope="module")
def program(network: IntegerNetwork) -> Program:
    return lower(network, SMALL)


@pytest.fixture(scope="module")
def result(
    network: IntegerNetwork, program: Program, tmp_path_factory: pytest.TempPathFactory
) -> SimResult:
    images = random_images(1, IMAGES, network.image_shape)
    return simulate(program, images, folder=tmp_path_factory.mktemp("run"), network=network)


@pytest.mark.parametrize("stall", [32, 128])
def test_random_stalls_cost_what_their_mean_bandwidth_does(
    stall: int, network: IntegerNetwork, program: Program, tmp_path: Path
) -> None:
    images = random_images(1, IMAGES, network.image_shape)
    timing = MemoryTiming(stall=stall, seed=7)
    stalled = simulate(program, images, folder=tmp_path, network=network, timing=timing)
    assert not stalled.mismatches
    expected = expected_frame(program, timing).cycles
    seen = [frame.records.counters["cycles"] for frame in stalled.frames]
    assert abs(sum(seen) / len(seen) / expected - 1) < 0.02, (seen, expected)


def test_counters_account_for_every_cycle_and_slot(result: SimResult) -> None:
    convs = {
        each["layer"]: each for each in result.program.instructions if each["op"] == isa.Op.CONV
    }
    assert len(result.frames) == IMAGES
    for frame in result.frames:
        assert [record.layer for record in frame.records.layers] == sorted(convs)
        for record in frame.records.layers:
            counters = record.counters
            width = SMALL.mac_lanes if convs[record.layer]["mac"] else SMALL.binary_macs
            padding = [name for name in counters if name.endswith("_padding")]
            slots = sum(counters[name] for name in ("useful", "masked", *padding))
            assert slots == counters["issue"] * width
            stalls = sum(counters[name] for name in counters if name.startswith("stall_"))
            shares = counters["issue"] + counters["setup"] + stalls + counters["drain"]
            assert record.cycles == shares
        rows = {row["layer"]: row["cycles"] for row in report.layer_rows(result)}
        assert rows == {record.layer: record.cycles for record in result.frames[0].records.layers}


def test_table_and_json_and_junit(result: SimResult, tmp_path: Path) -> None:
    as_json, as_junit = report.write(result, tmp_path)
    content = json.loads(as_json.read_text())
    assert content["evidence"] == "rtl-sim"
    assert content["passed"] is True
    assert [frame["image"] for frame in content["frames"]] == list(range(IMAGES))
    assert set(isa.LAYER_COUNTERS) <= set(content["frames"][0]["layers"][0])
    suite = ET.parse(as_junit).getroot()
    assert (suite.get("tests"), suite.get("failures")) == (str(IMAGES), "0")
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(report.table(result))
    text = console.export_text()
    for row in report.layer_rows(result):
        assert row["name"] in text
        assert row["signature"] in text


def test_without_a_network_nothing_passes(program: Program, tmp_path: Path) -> None:
    images = random_images(1, 1, tuple(program.manifest.image.shape))
    result = simulate(program, images, folder=tmp_path)
    assert not result.compared
    assert not result.passed
    assert result.mismatches == ()


def test_jobs_share_the_images(
    program: Program, network: IntegerNetwork, result: SimResult, tmp_path: Path
) -> None:
    images = random_images(1, IMAGES, network.image_shape)
    shared = simulate(program, images, folder=tmp_path, network=network, trace=True, jobs=2)
    assert shared.passed
    assert [frame.image for frame in shared.frames] == list(range(IMAGES))
    for one, other in zip(shared.frames, result.frames, strict=True):
        assert np.array_equal(one.records.logits, other.records.logits)


def test_another_network_is_not_equal(program: Program, tmp_path: Path) -> None:
    other = random_network(2)
    images = random_images(1, 1, other.image_shape)
    result = simulate(program, images, folder=tmp_path, network=other, trace=True)
    assert not result.passed
    assert any("signature" in line for line in result.mismatches)
    assert result.difference is not None
    assert result.difference.layer == 0
    _, as_junit = report.write(result, tmp_path / "report")
    suite = ET.parse(as_junit).getroot()
    assert suite.get("failures") == "2"
    assert "sim.replay" in as_junit.read_text()


def test_no_images(program: Program, tmp_path: Path) -> None:
    images = np.zeros((0, *program.manifest.image.shape), np.uint8)
    with pytest.raises(FlowError, match="no images"):
        simulate(program, images, folder=tmp_path)


@pytest.mark.slow
def test_replay_records_the_window(program: Program, tmp_path: Path) -> None:
    images = random_images(1, 2, tuple(program.manifest.image.shape))
    simulate(program, images, folder=tmp_path)
    short = replay(tmp_path, image=1, window=(100, 150))
    long = replay(tmp_path, image=1, window=(100, 600))
    assert 0 < short.stat().st_size < long.stat().st_size
    if short.suffix == ".fst":
        # An FST file starts with a header block: type, length, first and last time; a cycle is 2 ns.
        _, first, last = struct.unpack_from(">QQQ", short.read_bytes(), 1)
        assert abs((last - first) // 2 - 50) <= 1
    with pytest.raises(FlowError, match="ended before"):
        replay(tmp_path, image=1, window=(10**6, 10**6 + 1))


def test_replay_refuses(tmp_path: Path) -> None:
    with pytest.raises(FlowError, match="holds no run"):
        replay(tmp_path, image=0, window=(0, 1))
    np.save(tmp_path / "images.npy", np.zeros((2, 8, 8, 1), np.uint8))
    settings = {"latency": 8, "bandwidth": "1", "stall": 0, "result_stall": 0, "seed": 1}
    run = tmp_path / "run.json"
    run.write_text(json.dumps({**settings, "sources": None}))
    for window in ((5, 5), (-5, 1)):
        with pytest.raises(FlowError, match="is empty"):
            replay(tmp_path, image=0, window=window)
    for image in (-1, 2):
        with pytest.raises(FlowError, match=r"give --image 0\.\.1"):
            replay(tmp_path, image=image, window=(0, 1))
    for damaged in (
        "{",
        "[]",
        json.dumps(settings),
        json.dumps({**settings, "sources": None, "x": 1}),
    ):
        run.write_text(damaged)
        with pytest.raises(FlowError, match="is damaged"):
            replay(tmp_path, image=0, window=(0, 1))
