"""The AXI top's registers, errors and resets (sim/benches/axi_protocol.py), on a small accelerator."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from hwflow import isa
from hwflow.compiler.lower import lower
from hwflow.compiler.program import Program
from models.integer.params import IntegerNetwork
from models.integer.random import random_images, random_network
from sim import runner
from sim.accelerator import accelerator_sources
from sim.axi import SLOWEST, build_axi_model
from sim.expected import expected_images
from sim.memory import MemoryTiming
from sim.network import Images, conv_instructions, frame_limit
from tests.sim.test_spilled_networks import ARCHITECTURE, TARGETS

TARGET = dataclasses.replace(TARGETS["two-lanes"], name="axi-protocol")


@pytest.fixture(scope="module")
def network() -> IntegerNetwork:
    return random_network(3, ARCHITECTURE)


@pytest.fixture(scope="module")
def program(network: IntegerNetwork) -> Program:
    return lower(network, TARGET)


def expected_words(network: IntegerNetwork, program: Program, images: Images) -> list[int]:
    """The words of the result stream that depend on values only (sim.benches.axi_protocol.headers)."""
    (wanted,) = expected_images(network, conv_instructions(program), images)
    layers = [
        isa.Record.LAYER | layer.number << 8 | layer.signature << 32
        for layer in wanted.layers
        if layer.signature is not None
    ]
    logits = [
        isa.Record.LOGIT | number << 8 | (int(value) & 0xFFFF_FFFF) << 32
        for number, value in enumerate(wanted.logits)
    ]
    return sorted([*layers, *logits, isa.Record.END | wanted.signature << 32])


def run(folder: Path, network: IntegerNetwork, program: Program, tests: str) -> None:
    memory = bytearray(program.memory)
    images = random_images(3, 1, network.image_shape)
    image = program.pack_image(images[0])
    at = program.manifest.image.address * TARGET.memory_bytes
    memory[at : at + len(image)] = image
    (folder / "memory.bin").write_bytes(memory)
    verilog = accelerator_sources(TARGET)["accelerator.sv"]
    settings = {
        "memory": str(folder / "memory.bin"),
        "memory_base": 0x7_FFFF_FE00,
        "beat_bytes": TARGET.memory_bytes,
        "schedule": program.manifest.schedule_address,
        "spill_address": program.manifest.spill_address,
        "limit": SLOWEST * frame_limit(program, MemoryTiming()),
        "expected": expected_words(network, program, images),
        "hashes": {
            "TARGET_HASH": program.manifest.config_hash,
            "BUILD_HASH": hashlib.sha256(verilog.encode()).hexdigest(),
        },
    }
    described = folder / "program.json"
    described.write_text(json.dumps(settings))
    runner.run(
        build_axi_model(TARGET),
        "sim.benches.axi_protocol",
        folder=folder / "run",
        environment={"AXI_PROGRAM": str(described)},
        testcase=f"^sim.benches.axi_protocol.({tests})$",
    ).check()


@pytest.mark.slow
def test_registers(tmp_path: Path, network: IntegerNetwork, program: Program) -> None:
    run(
        tmp_path,
        network,
        program,
        "values_after_reset|narrow_and_unaligned|channels_are_independent",
    )


@pytest.mark.slow
def test_errors(tmp_path: Path, network: IntegerNetwork, program: Program) -> None:
    run(tmp_path, network, program, "read_errors|result_buffer|start_while_busy")


@pytest.mark.slow
def test_resets(tmp_path: Path, network: IntegerNetwork, program: Program) -> None:
    run(tmp_path, network, program, "resets_in_mid_frame|reset_while_the_memory_sleeps")


@pytest.mark.slow
def test_write_errors(tmp_path: Path, network: IntegerNetwork, program: Program) -> None:
    run(tmp_path, network, program, "write_errors")
