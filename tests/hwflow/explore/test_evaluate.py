"""A point's evaluation against the tools that it stands for, one by one."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from hwflow.cli.memory import sdram_timing
from hwflow.compiler.lower import lower
from hwflow.config import AcceleratorConfig
from hwflow.cycle_model import compiled
from hwflow.cycle_model.model import simulate_cycles
from hwflow.cycle_model.shares import frame_shares
from hwflow.energy.network import network_energy
from hwflow.energy.work import work
from hwflow.errors import FlowError, UnsuitableError
from hwflow.explore.evaluate import Evaluator, Setup, setup_hash
from hwflow.explore.models_hash import models_hash
from hwflow.explore.reasons import rendered
from hwflow.explore.resources import estimate
from hwflow.explore.space import Space
from models.integer.random import random_network

SAMPLE = 24


@pytest.fixture(scope="module")
def evaluated(setup: Setup, space: Space) -> list[dict[str, Any]]:
    evaluator = Evaluator(setup)
    return [evaluator.point(point) for point in space.points(SAMPLE, 2)]


def test_what_is_remembered_is_what_is_computed_anew(
    setup: Setup, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled_frames: list[int] = []

    def counting(*arguments: Any, **options: Any) -> Any:
        compiled_frames.append(1)
        return compiled.frame_cycles(*arguments, **options)

    monkeypatch.setattr("hwflow.explore.evaluate.frame_cycles", counting)
    points = [
        {**point, "main_rows": rows, "clock_mhz": clock}
        for point in space.points(6, 2)
        for rows in ("fit", 1024, 2048)
        for clock in (25, 40.5)
    ]
    evaluator = Evaluator(setup)
    remembered = [evaluator.point(point) for point in points]
    kept = len(compiled_frames)
    compiled_frames.clear()
    anew = Evaluator(setup, keep=False)
    assert [anew.point(point) for point in points] == remembered
    assert 0 < kept <= 2 * 6
    assert len(compiled_frames) == len(points)


def test_designs_that_differ_in_memories_only_share_a_schedule(setup: Setup, space: Space) -> None:
    evaluator = Evaluator(setup)
    point = space.points(1, 1)[0]
    found = [
        evaluator.point({**point, "main_rows": rows, "pool_rows": 256, "clock_mhz": 30})
        for rows in ("fit", 1024, 2048)
    ]
    assert len(evaluator._frames) == 1  # pyright: ignore[reportPrivateUsage]  what is kept
    assert len({each["cycles"] for each in found}) == 1
    assert found[0]["block_rams"] < found[2]["block_rams"]
    assert found[0]["energy"] < found[2]["energy"]


def test_cycles_and_energy_are_those_of_the_tools(
    setup: Setup, evaluated: list[dict[str, Any]]
) -> None:
    assert setup.ace and setup.characterisation and setup.memories
    compared = [each for each in evaluated if "cycles" in each][:4]
    assert len(compared) == 4
    for each in compared:
        config = AcceleratorConfig(name="explored", **each["config"])
        program = lower(setup.network, config)
        shares = frame_shares(program)
        counted = work(program, setup.ace, shares=shares)
        priced = network_energy(counted, setup.characterisation, setup.memories).energy().mean
        beats = len(program.memory) // config.memory_bytes
        assert each["cycles"] == shares.total
        assert each["energy"] == pytest.approx(priced, rel=1e-9)
        assert each["block_rams"] == estimate(config, memory_beats=beats).block_rams
        assert each["frames_per_second"] * shares.total == pytest.approx(
            each["point"]["clock_mhz"] * 1e6
        )
        assert each["top1"] == 0.5


def test_what_the_resource_model_knows_nothing_of_is_not_compiled(
    setup: Setup, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hwflow.explore.evaluate.frame_cycles", None)
    point = {**space.points(1, 1)[0], "long_words": 64, "store_words": 64}
    found = Evaluator(setup).point(point)
    assert rendered(found["reasons"][0]).startswith("resources: ")
    assert not found["feasible"]


def test_what_is_no_property_of_a_design_ends_the_evaluation(
    setup: Setup, space: Space, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    point = space.points(1, 1)[0]
    evaluator = Evaluator(setup)

    def hangs(*_: object, **__: object) -> None:
        raise FlowError("nothing moves")

    with monkeypatch.context() as patch:
        patch.setattr("hwflow.explore.evaluate.frame_cycles", hangs)
        with pytest.raises(FlowError, match="nothing moves"):
            evaluator.point(point)
    compiled._library.cache_clear()  # pyright: ignore[reportPrivateUsage]  no other way
    monkeypatch.setenv("CXX", "nope")
    monkeypatch.setenv("HWFLOW_CACHE", str(tmp_path))
    with pytest.raises(FlowError, match="compiler 'nope' not found"):
        Evaluator(setup)


def test_in_front_of_sdram_cycles_follow_the_clock(setup: Setup, space: Space) -> None:
    point = {**space.points(1, 1)[0], "clock_mhz": 40}
    block_ram = Evaluator(setup).point(point)
    evaluator = Evaluator(replace(setup, block_ram=False))
    slow, fast = evaluator.point(point), evaluator.point({**point, "clock_mhz": 80})
    config = AcceleratorConfig(name="explored", **slow["config"])
    sdram = sdram_timing(40, config.memory_bytes)
    wanted = simulate_cycles(
        lower(setup.network, config).instructions,
        config,
        latency=sdram.open_latency,
        bandwidth=sdram.stream_bandwidth,
        steady=True,
    )
    assert slow["cycles"] == wanted.total > 2 * block_ram["cycles"]
    assert fast["cycles"] != slow["cycles"]
    assert slow["block_rams"] < block_ram["block_rams"]
    beyond = evaluator.point({**point, "clock_mhz": 400})
    assert rendered(beyond["reasons"][0]).startswith("memory: SDRAM clock")


def test_the_network_is_the_one_of_the_width(setup: Setup, space: Space) -> None:
    narrow = random_network(1, residual_bits=12)
    networks = {12: narrow, **setup.networks}
    both = replace(setup, networks=networks, accuracy={narrow.content_hash(): 0.25})
    point = space.points(1, 1)[0]
    wide, less = (Evaluator(both).point({**point, "residual_bits": bits}) for bits in (16, 12))
    assert (wide["top1"], less["top1"]) == (None, 0.25)
    assert less["cycles"] == wide["cycles"]
    assert less["block_rams"] <= wide["block_rams"]
    assert less["energy"] < wide["energy"]
    other = Evaluator(both).point({**point, "residual_bits": 14})
    assert "of 12, 16 bits, the design of 14" in rendered(other["reasons"][0])


def test_what_is_not_possible_has_a_named_reason(setup: Setup, space: Space) -> None:
    point = space.points(1, 1)[0]
    evaluator = Evaluator(setup)
    small = evaluator.point({**point, "main_rows": 16})
    assert not small["feasible"]
    assert rendered(small["reasons"][0]).startswith("network: ")
    assert "raise main_rows" in rendered(small["reasons"][0])
    narrow = evaluator.point({**point, "channel_limit": 16})
    assert "raise channel_limit" in rendered(narrow["reasons"][0])
    tight = replace(setup.part, lut4=1000, block_rams=3)
    short = Evaluator(replace(setup, part=tight)).point(point)
    assert [reason["resource"] for reason in short["reasons"]] == ["lut4", "block_rams"]
    assert "500 of 1,000 may be taken" in rendered(short["reasons"][0])
    assert short["cycles"] > 0


def test_without_a_library_there_is_no_energy(setup: Setup, space: Space) -> None:
    bare = replace(setup, ace=None, characterisation=None, memories=None, accuracy={})
    found = Evaluator(bare).point(space.points(1, 1)[0])
    assert found["energy"] is None
    assert found["top1"] is None
    assert found["cycles"]


def test_the_hash_is_of_all_that_a_setup_has(setup: Setup) -> None:
    others: dict[str, Any] = {
        "networks": {16: random_network(2)},
        "part": replace(setup.part, lut4=1),
        "block_ram": False,
        "latency": 9,
        "accuracy": {"a hash": 0.6},
        "ace": None,
        "characterisation": None,
        "memories": None,
    }
    assert others.keys() == {each.name for each in fields(setup)}
    changed = [replace(setup, **{name: value}) for name, value in others.items()]
    hashes = {setup_hash(each, "code") for each in (setup, *changed)} | {setup_hash(setup, "other")}
    assert len(hashes) == len(others) + 2
    assert setup_hash(replace(setup), "code") == setup_hash(setup, "code")


def test_the_models_hash_is_of_the_code_that_quantises(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = models_hash()
    read = Path.read_bytes

    def changed(path: Path) -> bytes:
        return read(path) + b"#" * (path.name == "export.py")

    monkeypatch.setattr(Path, "read_bytes", changed)
    assert models_hash() != whole


def test_a_bank_beyond_published_energies_is_a_reason(
    setup: Setup, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> float:
        raise UnsuitableError("a memory bank is larger than any with a published energy")

    monkeypatch.setattr("hwflow.energy.memory_constants.MemoryConstants.sram_bit", none)
    found = Evaluator(setup).point(space.points(1, 1)[0])
    assert rendered(found["reasons"][-1]).startswith("energy: a memory bank")
    assert found["energy"] is None
