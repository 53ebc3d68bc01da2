"""A point's evaluation against the tools that it stands for, one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hwflow.compiler.lower import lower
from hwflow.config import AcceleratorConfig
from hwflow.cycle_model.shares import frame_shares
from hwflow.energy.network import network_energy
from hwflow.energy.work import work
from hwflow.errors import FlowError
from hwflow.explore.evaluate import Evaluator, Setup, setup_hash
from hwflow.explore.resources import estimate
from hwflow.explore.space import Space

SAMPLE = 24


@pytest.fixture(scope="module")
def evaluated(setup: Setup, space: Space) -> list[dict[str, Any]]:
    evaluator = Evaluator(setup)
    return [evaluator.point(point) for point in space.points(SAMPLE, 2)]


def test_what_is_remembered_is_what_is_computed_anew(
    setup: Setup, space: Space, evaluated: list[dict[str, Any]]
) -> None:
    for point, known in zip(space.points(SAMPLE, 2), evaluated, strict=True):
        assert Evaluator(setup, keep=False).point(point) == known


def test_designs_that_differ_in_memories_only_share_a_schedule(setup: Setup, space: Space) -> None:
    evaluator = Evaluator(setup)
    point = space.points(1, 1)[0]
    found = [
        evaluator.point({**point, "main_rows": rows, "pool_rows": 256, "clock_mhz": 30})
        for rows in ("fit", 1024, 2048)
    ]
    assert len(evaluator._frames) == 1  # pyright: ignore[reportPrivateUsage]
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


def test_streams_to_external_memory_take_the_slow_model(setup: Setup, space: Space) -> None:
    point = {**space.points(1, 1)[0], "long_words": 64, "store_words": 64}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hwflow.explore.evaluate.estimate", lambda *_, **__: estimate(_plain(point)))
        found = Evaluator(replace(setup, block_ram=False)).point(point)
    plain = Evaluator(setup).point({**point, "long_words": 0, "store_words": 0})
    assert found["cycles"] == plain["cycles"]  # nothing has to leave the chip


def _plain(point: dict[str, Any]) -> AcceleratorConfig:
    return AcceleratorConfig(
        name="plain",
        **{
            name: 16 if value == "fit" else value
            for name, value in {
                **point,
                "channel_limit": 256,
                "long_words": 0,
                "store_words": 0,
            }.items()
            if name != "clock_mhz"
        },
    )


def test_what_is_not_possible_has_a_named_reason(setup: Setup, space: Space) -> None:
    point = space.points(1, 1)[0]
    evaluator = Evaluator(setup)
    small = evaluator.point({**point, "main_rows": 16})
    assert not small["feasible"]
    assert small["reasons"][0].startswith("network: ")
    assert "raise main_rows" in small["reasons"][0]
    narrow = evaluator.point({**point, "channel_limit": 16})
    assert "raise channel_limit" in narrow["reasons"][0]
    tight = replace(setup.part, lut4=1000, block_rams=3)
    short = Evaluator(replace(setup, part=tight)).point(point)
    assert [reason.split()[2] for reason in short["reasons"]] == ["lut4,", "block_rams,"]
    assert "500 of 1,000 may be taken" in short["reasons"][0]
    assert short["cycles"] > 0


def test_the_width_of_stored_elements_is_priced_and_has_its_accuracy(
    setup: Setup, space: Space
) -> None:
    point = {**space.points(1, 1)[0], "main_rows": 2048}
    wide, narrow = (
        Evaluator(replace(setup, requantised=True, accuracy={16: 0.5, 10: 0.4})).point(
            {**point, "residual_bits": bits}
        )
        for bits in (16, 10)
    )
    assert (wide["top1"], narrow["top1"]) == (0.5, 0.4)
    assert wide["cycles"] == narrow["cycles"]
    assert wide["energy"] > narrow["energy"]
    assert wide["block_rams"] > narrow["block_rams"]
    one = Evaluator(replace(setup, requantised=True))
    assert one.point({**point, "residual_bits": 16})["energy"] == wide["energy"]
    assert one.point({**point, "residual_bits": 10})["energy"] == narrow["energy"]
    kept = Evaluator(setup).point({**point, "residual_bits": 10})
    assert "stores elements of 16 bits, not 10" in kept["reasons"][0]


def test_without_a_library_there_is_no_energy(setup: Setup, space: Space) -> None:
    bare = replace(setup, ace=None, characterisation=None, memories=None, accuracy={})
    found = Evaluator(bare).point(space.points(1, 1)[0])
    assert found["energy"] is None
    assert found["top1"] is None
    assert found["cycles"]


def test_the_hash_is_of_all_that_matters(setup: Setup) -> None:
    others = [
        replace(setup, latency=9),
        replace(setup, block_ram=False),
        replace(setup, accuracy={16: 0.6}),
        replace(setup, characterisation=None),
        replace(setup, part=replace(setup.part, lut4=1)),
    ]
    hashes = {setup_hash(each, "code") for each in (setup, *others)} | {setup_hash(setup, "other")}
    assert len(hashes) == len(others) + 2


def test_a_bank_beyond_published_energies_is_a_reason(
    setup: Setup, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> float:
        raise FlowError("a memory bank is larger than any with a published energy")

    monkeypatch.setattr("hwflow.energy.memory_constants.MemoryConstants.sram_bit", none)
    found = Evaluator(setup).point(space.points(1, 1)[0])
    assert found["reasons"][-1].startswith("energy: a memory bank")
    assert found["energy"] is None
