"""The compiled cycle model (hwflow/cycle_model/compiled.py) against the one it stands for."""

from __future__ import annotations

import random
from collections.abc import Generator
from dataclasses import replace
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest

from hwflow import timing
from hwflow.compiler.fit import fitted
from hwflow.compiler.lower import lower
from hwflow.compiler.program import Program
from hwflow.config import AcceleratorConfig, load_target
from hwflow.cycle_model import compiled, simulate_cycles
from hwflow.cycle_model.compiled import frame_cycles
from hwflow.cycle_model.shares import frame_shares
from hwflow.errors import FlowError
from models.integer.random import random_network

SIM = load_target("sim-small")


def _drawn(seed: int) -> AcceleratorConfig:
    """A configuration that the hardware can have, with small rings, so that they bind."""
    draw = random.Random(seed)
    while True:
        values = {
            "rows": draw.randint(2, 12),
            "cols": draw.choice((8, 16)),
            "popcount_width": draw.choice((16, 32, 64, 128)),
            "popcount_stages": draw.choice((1, 2)),
            "pixel_lanes": draw.choice((1, 2, 4)),
            "mac_depth": draw.choice((1, 2, 4)),
            "memory_bytes": draw.choice((8, 16, 32, 64)),
            "weight_words": draw.choice((64, 256)),
            "mac_words": draw.choice((64, 256)),
            "constant_words": draw.choice((32, 128)),
        }
        try:
            return replace(SIM, name=f"drawn-{seed}", channel_limit=256, **values)
        except FlowError:
            continue


def _same(program: Program, latency: int, bandwidth: Fraction) -> None:
    wanted = simulate_cycles(
        program.instructions, program.config, latency=latency, bandwidth=bandwidth
    )
    found = frame_cycles(program.instructions, program.config, latency=latency, bandwidth=bandwidth)
    assert (found.cycles, found.total) == (wanted.cycles, wanted.total)
    assert found.layers == tuple((layer.start, layer.end) for layer in wanted.layers)


@pytest.mark.parametrize("seed", range(12))
def test_cycles_of_drawn_configurations_are_those_of_the_model(seed: int) -> None:
    network = random_network(seed % 3)
    program = lower(network, fitted(network, _drawn(seed)))
    latency, bandwidth = ((8, Fraction(1)), (1, Fraction(1)), (40, Fraction(2, 3)))[seed % 3]
    _same(program, latency, bandwidth)


def test_windows_are_the_layers_shares_of_a_frame() -> None:
    program = lower(random_network(1), SIM)
    shares = frame_shares(program)
    windows = frame_cycles(program.instructions, SIM).windows()
    assert windows == tuple(layer.cycles for layer in shares.layers)


def test_a_latency_that_is_a_cycle_off_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    program = lower(random_network(1), SIM)
    slower = timing.binary_group_latency(SIM) + 1
    altered = vars(timing) | {"binary_group_latency": lambda _: slower}
    monkeypatch.setattr(compiled, "timing", SimpleNamespace(**altered))
    with pytest.raises(AssertionError):
        _same(program, 8, Fraction(1))


def test_a_schedule_without_weights_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    program = lower(random_network(1), SIM)
    starved = [dict(each) for each in program.instructions]
    next(each for each in starved if each["op"] == 2 and not each["mac"])["weight_words"] = 60000
    monkeypatch.setattr(compiled, "PATIENCE", 10_000)
    with pytest.raises(FlowError, match="does not come to its END"):
        frame_cycles(starved, SIM)


def test_streams_to_external_memory_are_refused() -> None:
    config = replace(SIM, long_words=8, store_words=8)
    with pytest.raises(FlowError, match="long_words 8: the compiled cycle model has no streams"):
        frame_cycles([], config)


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[Path]:
    """An empty folder in place of the cache; call `_again` to have a new process's look at it."""
    monkeypatch.setenv("HWFLOW_CACHE", str(tmp_path))
    _again()
    yield tmp_path
    _again()


def _again() -> None:
    compiled._library.cache_clear()  # pyright: ignore[reportPrivateUsage]  no other way


def _libraries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix == ".so")


def test_without_a_compiler_the_remedy_is_named(
    monkeypatch: pytest.MonkeyPatch, empty_cache: Path
) -> None:
    program = lower(random_network(1), SIM)
    for compiler, message in (
        ("no-such-compiler", "not found; install one"),
        ("c++ 'unclosed", "not found; install one"),
        ("false", "does not compile"),
        ("true", "does not compile"),
    ):
        _again()
        monkeypatch.setenv("CXX", compiler)
        with pytest.raises(FlowError, match=message):
            frame_cycles(program.instructions, SIM)
    assert not _libraries(empty_cache)


def test_a_library_is_made_again_where_it_is_damaged_and_used_without_a_compiler(
    monkeypatch: pytest.MonkeyPatch, empty_cache: Path
) -> None:
    program = lower(random_network(1), SIM)
    monkeypatch.setenv("CXX", "env c++")
    wanted = frame_cycles(program.instructions, SIM)
    [path] = _libraries(empty_cache)
    whole = path.read_bytes()
    # Cut short, altered, and sealed but of no loader; each in a folder of its own, for a loaded one is not loaded again.
    text = b"no library"
    for number, content in enumerate(
        (whole[:-5000], whole.replace(b"ELF", b"FLE"), text + sha256(text).digest())
    ):
        bad = empty_cache / str(number) / path.name
        bad.parent.mkdir()
        bad.write_bytes(content)
        monkeypatch.setenv("HWFLOW_CACHE", str(bad.parent))
        _again()
        assert frame_cycles(program.instructions, SIM) == wanted
        assert bad.read_bytes() != content
    monkeypatch.setenv("HWFLOW_CACHE", str(empty_cache))
    _again()
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert frame_cycles(program.instructions, SIM) == wanted
    assert _libraries(empty_cache) == [path]


def test_another_compiler_makes_another_library(
    monkeypatch: pytest.MonkeyPatch, empty_cache: Path
) -> None:
    program = lower(random_network(1), SIM)
    newer = empty_cache / "compiler"
    for version in (1, 2):
        newer.write_text(
            f'#!/bin/sh\n[ "$1" = --version ] && echo {version} && exit\nexec c++ "$@"\n'
        )
        newer.chmod(0o755)
        _again()
        monkeypatch.setenv("CXX", str(newer))
        frame_cycles(program.instructions, SIM)
    assert len(_libraries(empty_cache)) == 2
