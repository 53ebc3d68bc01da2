"""On-chip accesses that the energy model counts from a schedule, against those that the RTL's memories make."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from hwflow.compiler.lower import lower
from hwflow.config import AcceleratorConfig
from hwflow.energy.accesses import MemoryUse, memory_uses
from models.config import PokeBNNConfig
from models.integer.random import random_images, random_network, small_config
from sim.accelerator import accelerator_sources
from sim.network import simulate
from tests.sim.configs import CONFIGS

COUNTS = "accesses.txt"
COUNTER = f"""// Counts the accesses of every memory while a frame runs: path, bits read, bits written.
module access_counter #(
  parameter int WIDTH = 1,
  parameter int GRANULE = 1
) (
  input logic clk,
  input logic read_enable,
  input logic [WIDTH/GRANULE-1:0] write_enable
);
  longint bits_read = 0, bits_written = 0;
  always @(posedge clk) if (harness.running) begin
    if (read_enable) bits_read <= bits_read + WIDTH;
    bits_written <= bits_written + GRANULE * $countones(write_enable);
  end
  int file;
  final begin
    file = $fopen("{COUNTS}", "a");
    $fwrite(file, "%m %0d %0d\\n", bits_read, bits_written);
    $fclose(file);
  end
endmodule

bind hwflow_ram access_counter #(.WIDTH(WIDTH), .GRANULE(GRANULE)) counter_i (.*);
"""
MEMORIES = {
    r"bit_memory|bit_bank": "bit",
    r"byte_memory|byte_bank": "byte",
    r"binary_column_\d+\.weights": "binary weights",
    r"deskew": "deskew",
    r"mac_ring": "8-bit weights",
    r"\.main\.": "main",
    r"\.side\.": "side",
    r"\.pool\.": "pool",
    r"head_memory": "heads",
    r"long_stream|spill_writer": "streams",
    r"constants_\d+\.": "lane constants",
    r"sums": "sums",
    r"vector_[ab]": "vectors",
    r"constant": "constant ring",
}
ALWAYS_ENABLED = {"lane constants", "sums", "vectors", "constant ring"}
"""Memories whose reads the RTL enables in every cycle: only what is written is compared."""


CASES: dict[str, tuple[AcceleratorConfig, PokeBNNConfig]] = {
    "plain": (CONFIGS["sim-small"], small_config()),
    "heads": (
        replace(CONFIGS["t4x8x32"], name="accesses-heads", head_rows=40),
        small_config(image=(20, 20, 1), stages=((1, 9, 1), (1, 19, 2), (1, 38, 2)), name="repeats"),
    ),
    "spilled": (
        replace(
            CONFIGS["t4x8x32"], name="accesses-spill", main_rows=36, long_words=8, store_words=8
        ),
        small_config(image=(14, 10, 3), init_kernel=2, stages=((3, 8, 1), (1, 16, 2)), classes=5),
    ),
}


def bits_of(uses: Mapping[int, Sequence[MemoryUse]]) -> tuple[Counter[str], Counter[str]]:
    """Bits read and written by memory."""
    read, written = Counter[str](), Counter[str]()
    for use in (use for layer in uses.values() for use in layer):
        read[use.memory] += use.read_bits
        written[use.memory] += use.written_bits
    return read, written


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_rtl_makes_the_accesses_that_are_counted(case: str, tmp_path: Path) -> None:
    config, architecture = CASES[case]
    network = random_network(3, architecture)
    program = lower(network, config)
    sources = {**accelerator_sources(config), "counter.sv": COUNTER}
    images = random_images(1, 1, network.image_shape)
    result = simulate(program, images, folder=tmp_path, network=network, sources=sources)
    assert result.passed
    read, written = Counter[str](), Counter[str]()
    for line in (tmp_path / "run0" / COUNTS).read_text().splitlines():
        path, bits_read, bits_written = line.split()
        name = next((n for pattern, n in MEMORIES.items() if re.search(pattern, path)), path)
        read[name] += int(bits_read)
        written[name] += int(bits_written)
    counted_reads, counted_writes = bits_of(memory_uses(program.instructions, config))
    for uncounted in ("line", "streams"):  # memories of Amaranth's, at least in part
        for bits in (read, written, counted_reads, counted_writes):
            del bits[uncounted]
    assert +written == +counted_writes
    for always in ALWAYS_ENABLED:
        del read[always], counted_reads[always]
    assert +read == +counted_reads
    # A fault: stores of sign bits that nobody counts.
    forgotten = [{**each, "bits_en": 0} for each in program.instructions]
    assert written["bit"] > bits_of(memory_uses(forgotten, config))[1]["bit"]
