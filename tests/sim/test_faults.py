"""Faults planted in three units: the whole-network bench must name the right layer and unit."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwflow.compiler.lower import lower
from hwflow.compiler.program import Program
from models.integer.params import IntegerNetwork
from models.integer.random import random_images, random_network
from sim.accelerator import accelerator_sources
from sim.compare import Difference
from sim.expected import ExpectedLayer, expected_images
from sim.network import SimResult, conv_instructions, simulate
from tests.sim.configs import SMALL
from tests.sim.faults import plant

SEED = 6


@pytest.fixture(scope="module")
def network() -> IntegerNetwork:
    return random_network(SEED)


@pytest.fixture(scope="module")
def program(network: IntegerNetwork) -> Program:
    return lower(network, SMALL)


def expected_layers(network: IntegerNetwork, program: Program) -> tuple[ExpectedLayer, ...]:
    images = random_images(SEED, 1, network.image_shape)
    return expected_images(network, conv_instructions(program), images)[0].layers


def run_with_fault(
    folder: Path, network: IntegerNetwork, program: Program, module: str, port: str, falsified: str
) -> tuple[SimResult, Difference]:
    (name, verilog), *rest = accelerator_sources(SMALL).items()
    assert not rest
    images = random_images(SEED, 1, network.image_shape)
    sources = {name: plant(verilog, module, port, falsified)}
    result = simulate(program, images, folder=folder, network=network, trace=True, sources=sources)
    assert not result.passed
    assert result.difference is not None
    return result, result.difference


@pytest.mark.slow
def test_processing_element(tmp_path: Path, network: IntegerNetwork, program: Program) -> None:
    falsified = "good & ~2"
    _, found = run_with_fault(tmp_path, network, program, "binary_column.pe_2", "result", falsified)
    layers = expected_layers(network, program)
    first_binary = next(conv for conv in conv_instructions(program).values() if not conv["mac"])
    assert (found.layer, found.unit) == (first_binary["layer"], "vector unit")
    assert found.name == layers[found.layer].name
    assert found.row == 2, "only the processing elements of row 2 are falsified"


@pytest.mark.slow
def test_vector_lane(tmp_path: Path, network: IntegerNetwork, program: Program) -> None:
    falsified = "good ^ (good[7:0] == 8'h5a)"
    result, found = run_with_fault(tmp_path, network, program, "hwflow_lane", "y", falsified)
    for layer in expected_layers(network, program):
        if layer.stored is not None and (layer.stored & 0xFF == 0x5A).any():
            assert (found.layer, found.name, found.unit) == (
                layer.number,
                layer.name,
                "vector unit",
            )
            assert found.pixel is not None
            assert layer.stored[(*found.pixel, found.channel)] == found.expected
            break
    else:
        pytest.fail("no layer stores the value that the fault falsifies")
    assert found.expected is not None
    assert found.actual == found.expected ^ 1
    assert f"layer {found.layer} " in result.mismatches[0]


@pytest.mark.slow
def test_pool(tmp_path: Path, network: IntegerNetwork, program: Program) -> None:
    _, found = run_with_fault(tmp_path, network, program, "pool_unit", "means", "good ^ 1")
    pooled = next(layer for layer in expected_layers(network, program) if layer.pool is not None)
    assert (found.layer, found.name, found.unit) == (pooled.number, pooled.name, "pool")
    assert (found.pixel, found.channel) == ((0, 0), 0)


def test_plant_refuses() -> None:
    verilog = (
        "module \\a.pool (x, y);\n  input x;\n  output [3:0] y;\n  assign y = {4{x}};\nendmodule\n"
    )
    planted = plant(verilog, "pool", "y", "good ^ 4'd1")
    assert "module \\a.pool (x, y);" in planted
    assert planted.count("endmodule") == 2
    with pytest.raises(ValueError, match="no output 'z'"):
        plant(verilog, "pool", "z", "good")
    with pytest.raises(ValueError, match="0 modules match 'lane'"):
        plant(verilog, "lane", "y", "good")
