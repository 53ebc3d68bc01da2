"""The back end over random layers: stores, taps, memories (through later shortcuts), sums, signature, latencies.

Environment: HWFLOW_BENCH_CONFIG (JSON of the configuration), HWFLOW_BENCH_LAYERS (how many).
"""

from __future__ import annotations

import json
import os
from itertools import chain
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, ReadOnly

from hwflow import timing
from hwflow.config import AcceleratorConfig
from hwflow.isa import Store
from rtl_gen.interfaces import CONSTANTS_WRITE, CONV, group_layout, store_layout, tap_layout
from sim.bench_tools import Monitor, cycles, number, pack, start, wait_for
from sim.benches.back_end_layers import draw, fill
from sim.benches.back_end_model import Expected, Layer, Model, group_fields

CONFIG = AcceleratorConfig.from_dict(json.loads(os.environ["HWFLOW_BENCH_CONFIG"]), source="bench")
LAYERS = int(os.environ["HWFLOW_BENCH_LAYERS"])


class Pulses:
    """Cycles in which `sum_token` was 1 and in which `idle` rose, counted as Monitor counts."""

    def __init__(self, dut: Any) -> None:
        self.tokens: list[int] = []
        self.idle: list[int] = []
        self._dut = dut
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        cycle, before = 0, 0
        while True:
            await FallingEdge(self._dut.clk)
            await ReadOnly()
            if number(self._dut.sum_token):
                self.tokens.append(cycle)
            if number(self._dut.idle) and not before:
                self.idle.append(cycle)
            before = number(self._dut.idle)
            cycle += 1


async def feed(dut: Any, layer: Layer, rng: np.random.Generator) -> None:
    """Constants, the pulse of the layer's start, its pixel groups; returns when idle."""
    names = ("alpha", "alpha_shift", "beta", "bias_x", "out_shift", "p", "n", "q")
    for channel in rng.permutation(len(layer.constants["p"])):
        values = {name: int(layer.constants[name][channel]) for name in names}
        dut.constants_write.value = pack(
            CONSTANTS_WRITE, {"valid": 1, "channel": int(channel), **values}
        )
        await FallingEdge(dut.clk)
    dut.constants_write.value = 0
    dut.current.value = pack(CONV, layer.fields)
    dut.layer_start.value = 1
    await FallingEdge(dut.clk)
    dut.layer_start.value = 0
    await cycles(dut, 2)
    for step in layer.steps:
        if step.gap:
            dut.group.value = 0
            await cycles(dut, step.gap)
        dut.group.value = pack(group_layout(CONFIG), group_fields(step))
        await FallingEdge(dut.clk)
    dut.group.value = 0
    await wait_for(dut, lambda: bool(number(dut.idle)), limit=1000, what="idle")


def lanes(values: list[int], mask: int) -> list[list[int] | None]:
    """A store's data by pixel; None where the pixel is masked."""
    cols = CONFIG.cols
    return [
        values[lane * cols : (lane + 1) * cols] if mask >> lane & 1 else None
        for lane in range(CONFIG.pixel_lanes)
    ]


def check_stores(
    layer: Layer, expected: Expected, seen: dict[str, list[Any]], groups: list[Any]
) -> None:
    """Every group's store, bits, bytes and means, at their latencies."""
    f, cols = layer.fields, CONFIG.cols

    def words(step: Any, tensor: Any, width: int) -> list[list[int] | None]:
        at = slice(step.cg * width, (step.cg + 1) * width)
        return [
            tensor[step.slot + lane, at].tolist() if step.mask >> lane & 1 else None
            for lane in range(CONFIG.pixel_lanes)
        ]

    store, mean = timing.vector_latency(), timing.mean_latency()
    enabled = {
        "tap_store": True,
        "bits_store": f["bits_en"],
        "bytes_store": f["store"] == Store.BYTES,
        "tap_mean": f["mean_en"] or f["store"] == Store.MEANS,
    }
    for name, on in enabled.items():
        assert len(seen[name]) == (len(layer.steps) if on else 0), name
        for step, (sent, _), (cycle, value) in zip(layer.steps, groups, seen[name], strict=False):
            assert cycle - sent == (mean if name == "tap_mean" else store), name
            assert (value["slot"], value["mask"], value["cg"]) == (step.slot, step.mask, step.cg)
            if "layer" in value:
                assert value["layer"] == f["layer"]
            tensors = [(expected.y, cols, 0)]
            if name == "bits_store":
                tensors = [((expected.y >= 0).astype(int), cols, 0)]
            if name == "tap_mean":
                tensors = [
                    (tensor, cols >> f[shift], first)
                    for tensor, shift, first in (
                        (expected.means, "mean_shift", 0),
                        (expected.stored_means, "store_shift", cols // 2),
                    )
                    if tensor is not None
                ]
            for tensor, width, first in tensors:
                data = lanes(value["data"], step.mask)
                got = [word and word[first : first + width] for word in data]
                assert got == words(step, tensor, width), (name, step.slot, step.cg)


def check_pool(layer: Layer, expected: Expected, seen: list[Any], groups: list[Any]) -> None:
    """The pooled pixels in order, each written at its latency after the group that holds its last pixel."""
    f, cols = layer.fields, CONFIG.cols
    if expected.pooled is None:
        assert not seen
        return
    sent = {
        (step.cg, step.slot + lane): cycle
        for step, (cycle, _) in zip(layer.steps, groups, strict=True)
        for lane in range(step.mask.bit_count())
    }
    order = ((cg, slot) for cg in range(f["groups"]) for slot in range(len(expected.pooled)))
    for cycle, value in seen:
        mask = value["mask"]
        assert mask & (mask + 1) == 0, "the pooled pixels are not in the first lanes"
        for lane, word in enumerate(lanes(value["data"], mask)[: mask.bit_count()]):
            cg, slot = next(order)
            assert (value["cg"], value["slot"] + lane) == (cg, slot)
            assert word == expected.pooled[slot, cg * cols : (cg + 1) * cols].tolist(), (slot, cg)
            y, x = divmod(slot, f["pool_w"])
            last_y = min(2 * y - f["pool_top"] + 2, f["out_h"] - 1)
            last_x = min(2 * x - f["pool_left"] + 2, f["out_w"] - 1)
            last = sent[cg, last_y * f["out_w"] + last_x]
            assert cycle - last == timing.pool_latency(CONFIG), ("tap_pool", slot, cg)
    assert next(order, None) is None


async def check_sums(dut: Any, layer: Layer, expected: Expected) -> None:
    """Every channel's sum through the read port."""
    sums = expected.y.sum(0)
    for channel in range(len(layer.constants["p"])):
        dut.sums_address.value = channel
        await FallingEdge(dut.clk)
        got = number(dut.sums_data)
        assert got == int(sums[channel]) % (1 << 32), ("sums", channel)


@cocotb.test()
async def random_layers(dut: Any) -> None:
    seed = int(os.environ["COCOTB_RANDOM_SEED"])
    rng = np.random.default_rng(seed)
    model = Model(CONFIG)
    for name in ("current", "layer_start", "group", "constants_write", "sums_address"):
        getattr(dut, name).value = 0
    await start(dut)
    tap = tap_layout(CONFIG)
    layouts = {
        "group": group_layout(CONFIG),
        "tap_store": tap,
        "tap_mean": tap,
        "tap_pool": tap,
        "bits_store": store_layout(CONFIG, 1),
        "bytes_store": store_layout(CONFIG, 8),
    }
    monitors = {name: Monitor(dut, name, layout) for name, layout in layouts.items()}
    pulses = Pulses(dut)
    await cycles(dut, 2)
    drawn = (draw(rng, model, dense=index % 2 == 0) for index in range(LAYERS))
    for index, layer in enumerate(chain(fill(rng, model), drawn)):
        for monitor in monitors.values():
            monitor.items.clear()
        pulses.tokens.clear()
        pulses.idle.clear()
        await feed(dut, layer, rng)
        expected = model.run(layer)
        note = {key: value for key, value in layer.fields.items() if value}
        dut._log.info("layer %d %s", index, note)
        seen = {name: monitor.items for name, monitor in monitors.items()}
        groups = seen["group"]
        check_stores(layer, expected, seen, groups)
        last = groups[-1][0]
        check_pool(layer, expected, seen["tap_pool"], groups)
        drain = timing.back_end_drain(CONFIG, pool=bool(layer.fields["pool_en"]))
        assert pulses.idle == [last + drain]
        assert number(dut.layer_signature) == expected.signature
        assert number(dut.saturated_t) == expected.saturated_t
        assert number(dut.saturated_y) == expected.saturated_y
        ends = [cycle for cycle, value in groups if value["last_of_group"]]
        tokens = [end + timing.sum_token_latency() for end in ends]
        assert pulses.tokens == (tokens if layer.fields["sums_en"] else [])
        if layer.fields["sums_en"]:
            await check_sums(dut, layer, expected)
