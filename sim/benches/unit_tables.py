"""Which units share a Verilog top, and the benches that run on each.

All benches of a unit are of the same circuit: the first one's `dut` is what is compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from hwflow import isa
from sim.benches import (
    alignment,
    arrays,
    axi_frame,
    axi_units,
    block_ram,
    guard,
    link,
    link_engine,
    loader,
    memories,
    pooling,
    rams,
    records,
    rings,
    scalar,
    scalar_engine,
    streams,
    tensors,
    vector,
)
from sim.benches.unit import UnitBench, UnitTop

Table = Mapping[str, Sequence[Callable[[], UnitBench]]]

DATAPATH: Table = {
    "popcount": [arrays.popcount],
    "binary_pe": [partial(arrays.binary_pe, seed, 1) for seed in (3, 4)],
    "binary_pe_two_stages": [partial(arrays.binary_pe, seed, 2, 128) for seed in (3, 4)],
    "mac_pe": [partial(arrays.mac_pe, seed) for seed in (3, 4)],
    "lane": [partial(vector.vector_lane, seed) for seed in range(4)],
    "lane_constants": [vector.lane_constants],
    "channel_mean": [partial(tensors.channel_mean, 8, shift, 1 + shift % 3) for shift in (1, 2, 3)],
    "channel_sums": [partial(tensors.channel_sums, 2, gap) for gap in (0.0, 0.4)],
    "crc_unit": [tensors.crc_unit],
    "tensor_signature": [partial(tensors.tensor_signature, 2, channels) for channels in (8, 21)],
    "pool": [partial(pooling.pool, seed) for seed in (1, 2)],
}
"""The arrays' elements, the lanes, and what is taken from a layer's output."""

CONTROL: Table = {
    "scalar_unit": [
        partial(scalar.scalar_unit, 1, 0, (-7, 7)),
        partial(scalar.scalar_unit, 2, 5, (0, 32768)),
        partial(scalar.scalar_unit, 3, 15, (-(2**23), 2**23 - 1)),
    ],
    "affine_unit": [partial(scalar.affine_unit, seed) for seed in (1, 2)],
    "logit_signature": [scalar.logit_signature],
    "vector_memory": [scalar.vector_memory],
    "scalar_engine": [partial(scalar_engine.random_program, pace, 2) for pace in (1.0, 0.6, 0.15)],
    "layer_records": [partial(records.layer_records, stall) for stall in (0.0, 0.9)],
    "result_arbiter": [records.result_arbiter],
    "memory_guard": [
        *(partial(guard.memory_guard, fault) for fault in (None, *isa.Fault)),
        guard.silent_writes,
    ],
    "loader": [
        partial(loader.frames, 16, 0.05),
        partial(loader.frames, 16, 0.6),
        partial(loader.image, 16),
    ],
}
"""The scalar engine and its parts, the records, the loader and its guard."""

MEMORIES: Table = {
    "ram_distributed": [partial(rams.ram, 8, 32, 8)],
    "ram_narrow": [partial(rams.ram, 8, 2048, 8)],
    "ram_wide": [partial(rams.ram, 64, 600, 64)],
    "ram_parts": [partial(rams.ram, 64, 1024, 16)],
    "tap_address": [partial(memories.tap_address, 4)],
    "feature_memory": [partial(memories.feature_memory, 2, 2)],
    "residual_memory": [partial(memories.residual_memory, 2, False)],
    "residual_memory_parts": [partial(memories.residual_memory, 2, True)],
    "residual_memory_pairs": [partial(memories.residual_memory, 2, False, True)],
    "head_memory": [partial(alignment.head_memory, 4)],
    "repeat_position": [partial(alignment.repeat_position, seed) for seed in (1, 2)],
    "channel_align": [partial(alignment.channel_align, seed) for seed in (1, 2)],
    "constant_ring": [partial(rings.constant_ring, 16)],
    "weight_ring": [partial(rings.weight_ring, seed) for seed in (1, 2)],
    "long_stream": [partial(streams.long_stream, 16)],
    "spill_writer": [partial(streams.spill_writer, ready) for ready in (0.2, 1.0)],
    "stream_control": [partial(streams.stream_control, seed) for seed in (1, 2)],
    "mac_ring": [partial(rings.mac_ring, seed) for seed in (1, 2)],
}

LINK: Table = {
    "uart_receiver": [partial(link.uart_receiver, 8, error) for error in (-0.02, 0.0, 0.02)],
    "uart_transmitter": [partial(link.uart_transmitter, 4)],
    "frame_decoder": [partial(link.frame_decoder, seed) for seed in (1, 2)],
    "frame_encoder": [partial(link.frame_encoder, stall) for stall in (0.0, 0.6)],
    "result_keeper": [partial(link.result_keeper, keep) for keep in (0, 1, 7)],
    "command_engine": [link_engine.command_engine],
    "block_ram": [partial(block_ram.block_ram, 1300)],
}
"""The host's link and block RAM as memory."""

AXI: Table = {
    "axi_reader": [partial(axi_units.reader, 8, base) for base in (0, 0x1_FFFF_FF50)],
    "axi_writer": [partial(axi_units.writer, 8, errors=errors) for errors in (False, True)],
    "axi_frame_control": [axi_frame.frame_control],
}
"""What makes the accelerator an AXI peripheral."""

TABLES: Mapping[str, Table] = {
    "datapath": DATAPATH,
    "control": CONTROL,
    "memories": MEMORIES,
    "link": LINK,
    "axi": AXI,
}


def top(table: Table) -> UnitTop:
    """The units of a table in one module."""
    return UnitTop({name: benches[0]().dut for name, benches in table.items()})
