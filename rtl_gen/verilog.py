"""Writes an accelerator's Verilog and a JSON description of it; same configuration, same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from amaranth.hdl import Shape
from amaranth.lib import data, wiring

from hwflow import isa, timing
from hwflow.config import AcceleratorConfig
from hwflow.errors import FlowError
from hwflow.files import write_atomically
from rtl_gen.accelerator import Accelerator
from rtl_gen.instances import emit
from rtl_gen.interfaces import SUM_BITS
from rtl_gen.lane_constants import CONSTANTS
from rtl_gen.vector_memory import vector_words

TOP = "accelerator"
"""Name of the top module, and of the files written."""


@dataclass(frozen=True)
class GeneratedVerilog:
    """SystemVerilog text of a top module, and its description (JSON types only)."""

    text: str
    description: dict[str, Any]

    def json(self) -> str:
        """The description as text."""
        return json.dumps(self.description, indent=1) + "\n"


def generate(config: AcceleratorConfig) -> GeneratedVerilog:
    """The Verilog of `config` and its description: target, ports, memories, queues, latencies, counters."""
    top = Accelerator(config)
    text = emit(top, TOP)
    clock = [{"name": name, "direction": "in", "bits": 1} for name in ("clk", "rst")]
    return GeneratedVerilog(text, describe(config, TOP, text, [*clock, *ports(top)]))


def describe(
    config: AcceleratorConfig, top: str, text: str, ports: list[dict[str, Any]]
) -> dict[str, Any]:
    """Description of the module `top` with `ports`, the accelerator of `config` or one around it."""
    return {
        "top": top,
        "schedule_version": isa.VERSION,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "target": config.to_dict(),
        "derived": {
            "banks": config.banks,
            "binary_macs": config.binary_macs,
            "mac_lanes": config.mac_lanes,
            "vector_lanes": config.vector_lanes,
            "beat_bits": config.beat_bits,
        },
        "ports": ports,
        "memories": memories(config),
        "queues": {
            "conv": timing.CONV_QUEUE,
            "scalar": timing.SCALAR_QUEUE,
            "requests": timing.REQUESTS_AHEAD,
            "burst_beats": timing.BURST,
        },
        "latencies": latencies(config),
        "counters": {
            "layer": list(isa.LAYER_COUNTERS),
            "scalar": list(isa.SCALAR_COUNTERS),
            "end": list(isa.END_COUNTERS),
        },
    }


def write(config: AcceleratorConfig, folder: Path) -> tuple[Path, Path]:
    """Write `accelerator.sv` and `accelerator.json` into `folder` (made if absent); returns their paths.

    Each file is complete or not there.

    Raises:
        FlowError: the folder cannot be written.
    """
    generated = generate(config)
    files = {f"{TOP}.sv": generated.text, f"{TOP}.json": generated.json()}
    verilog, description = write_files(files, folder)
    return verilog, description


def write_files(files: Mapping[str, str], folder: Path) -> list[Path]:
    """Write texts by file name into `folder` (made if absent); returns their paths, each complete or not there.

    Raises:
        FlowError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_atomically(folder / name, text.encode())
    except OSError as error:
        raise FlowError(
            f"cannot write {folder}: {error.strerror}; choose a writable folder"
        ) from error
    return [folder / name for name in files]


def memories(config: AcceleratorConfig) -> dict[str, dict[str, int]]:
    """The memories that a target sizes: banks, words of a bank, bits of a word.

    They are the rings and those of docs/architecture.md, memory layouts. Not among them: FIFOs of a fixed depth, the
    pool's line buffer and the deskew memories of the binary array.
    """
    residual_bits = config.residual_word_bits
    groups = max(config.channel_groups_limit, 2)
    # Even and odd rows apart where heads are kept (rtl_gen/residual_memory.py).
    halves = 2 if config.head_rows else 1
    sizes = {
        **_features(config),
        "main": (config.pixel_lanes, config.main_rows, residual_bits),
        "side": (config.pixel_lanes, config.side_rows, residual_bits),
        "pool": (halves * config.pixel_lanes, -(-config.pool_rows // halves), residual_bits),
        "sums": (1, groups, SUM_BITS * config.cols),
        "channel_constants": (
            config.cols,
            groups,
            sum(shape.width for shape in CONSTANTS.values()),
        ),
        "weight_ring": (config.cols, config.weight_words, config.popcount_width),
        "mac_ring": (1, config.mac_words, 8 * config.mac_word_bytes),
        "constant_ring": (1, config.constant_words, isa.CONSTANT_BITS),
        "long_stream": (1, config.long_words, 8 * config.stream_word_bytes),
        "store_fifo": (1, config.store_words, 8 * config.stream_word_bytes),
        "vector_a": (1, vector_words(config), 8 * config.fc_inputs),
        "vector_b": (1, vector_words(config), 8 * config.fc_inputs),
    }
    if config.head_rows:
        sizes["heads"] = (config.pixel_lanes, config.head_rows, residual_bits)
    return {
        name: {"banks": banks, "words": words, "bits": bits}
        for name, (banks, words, bits) in sizes.items()
        if words
    }


def _features(config: AcceleratorConfig) -> dict[str, tuple[int, int, int]]:
    if config.shared_features:
        return {
            "features": (config.banks, config.bit_rows + config.byte_rows, config.popcount_width)
        }
    return {
        "bit": (config.banks, config.bit_rows, config.popcount_width),
        "byte": (config.banks, config.byte_rows, 8 * config.cols),
    }


def latencies(config: AcceleratorConfig) -> dict[str, int]:
    """Latencies of the units in clock cycles, by the names of hwflow/timing.py."""
    return {
        "scalar_output": timing.scalar_output_latency(),
        "scale_output": timing.scale_output_latency(),
        "constant_ring": timing.constant_ring_latency(),
        "matvec": timing.matvec_latency(config),
        "binary_group": timing.binary_group_latency(config),
        "mac_group": timing.mac_group_latency(),
        "vector": timing.vector_latency(),
        "sum_token": timing.sum_token_latency(),
        "signature": timing.signature_latency(config),
        "back_end_drain": timing.back_end_drain(config, pool=False),
        "back_end_drain_pool": timing.back_end_drain(config, pool=True),
    }


def ports(top: wiring.Component) -> Iterator[dict[str, Any]]:
    """Ports as the Verilog names them; a struct's fields with their lowest bits."""
    for path, member, value in top.signature.flatten(top):
        shape = member.shape
        port: dict[str, Any] = {
            "name": "__".join(map(str, path)),
            "direction": "in" if member.flow == wiring.In else "out",
            "bits": Shape.cast(cast(Any, value).shape()).width,
        }
        if isinstance(shape, data.StructLayout):
            port["fields"] = {
                str(name): {"low": field.offset, "bits": field.width} for name, field in shape
            }
        yield port
