"""What a frame's cycles are spent on (hwflow/cycle_model/shares.py) and the command that reports it."""

from __future__ import annotations

import dataclasses
import json
from fractions import Fraction

import pytest
from typer.testing import CliRunner

from hwflow.cli.main import app
from hwflow.compiler.lower import lower
from hwflow.compiler.program import Program
from hwflow.config import load_target
from hwflow.cycle_model import simulate_cycles
from hwflow.cycle_model.shares import CAUSES, frame_shares
from models.integer.random import random_network, small_config

SIM = load_target("sim-small")


@pytest.fixture(scope="module")
def program() -> Program:
    return lower(random_network(1), SIM)


@pytest.mark.parametrize("bandwidth", [Fraction(1), Fraction(1, 8)])
def test_every_cycle_has_one_cause(program: Program, bandwidth: Fraction) -> None:
    shares = frame_shares(program, bandwidth=bandwidth)
    frame = simulate_cycles(program.instructions, SIM, bandwidth=bandwidth)
    assert shares.cycles == frame.cycles == sum(layer.cycles for layer in shares.layers)
    for layer in shares.layers:
        assert sum(layer.causes.values()) == layer.cycles
        assert all(count > 0 for count in layer.causes.values())
    assert sum(shares.causes().values()) == shares.cycles
    assert list(shares.causes()) == list(CAUSES)
    assert sum(layer.beats for layer in shares.layers) == shares.port_beats


def test_the_dense_layer_waits_for_its_means_not_for_memory(program: Program) -> None:
    frames = [simulate_cycles(program.instructions, SIM, latency=latency) for latency in (1, 60)]
    quick, late = (frame.dense for frame in frames)
    channels = program.manifest.layers[-1].in_shape[2]
    assert quick.steps == late.steps == frames[0].scalars[-1].steps
    assert quick.chain >= channels > quick.memory
    assert late.memory <= quick.memory + 60
    dense = frame_shares(program, latency=1).layers[-1]
    assert dense.binds == "scalar"
    assert dense.causes["scalar"] == quick.chain


def test_a_slow_memory_binds(program: Program) -> None:
    fast, slow = frame_shares(program), frame_shares(program, bandwidth=Fraction(1, 16))
    assert slow.causes()["memory"] > 4 * fast.causes()["memory"]
    assert slow.layers[-1].binds == "memory"
    assert slow.causes()["array"] == fast.causes()["array"]


def test_wider_beats_need_fewer_of_them() -> None:
    network = random_network(1, small_config(init_out=32, stages=((1, 32, 1), (1, 64, 2))))
    zu7ev = load_target("zu7ev")
    programs = [
        lower(network, dataclasses.replace(zu7ev, memory_bytes=size)) for size in (16, 32, 64)
    ]
    shares = [frame_shares(program) for program in programs]
    beats = [share.port_beats for share in shares]
    assert beats[0] > 1.9 * beats[1] > 3.6 * beats[2]
    assert shares[0].cycles > shares[1].cycles > shares[2].cycles


def test_command(program: Program, tmp_path: object) -> None:
    folder = f"{tmp_path}/build"
    program.save(folder)
    result = CliRunner().invoke(app, ["cycles", "--program", folder, "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["evidence"] == "cycle-model"
    assert report["cycles"] == frame_shares(program).cycles
    assert {layer["binds"] for layer in report["layers"]} <= set(CAUSES)
    plain = CliRunner().invoke(app, ["cycles", "--program", folder])
    assert "evidence: cycle-model" in plain.stdout
