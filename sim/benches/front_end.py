"""The front end over random layers with random supply of weights, scale tokens and matrix-vector requests.

Environment: HWFLOW_BENCH_CONFIG (JSON of the configuration), HWFLOW_BENCH_LAYERS (how many), HWFLOW_BENCH_EAGER (1: weights
and tokens come as fast as they can).
"""

from __future__ import annotations

import json
import os
from itertools import count, pairwise
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, ReadOnly

from hwflow import isa, timing
from hwflow.config import AcceleratorConfig
from rtl_gen.interfaces import (
    CONV,
    beat_write_layout,
    bytes_write_layout,
    events_layout,
    group_layout,
    matvec_layout,
    matvec_result_layout,
    store_layout,
)
from sim.bench_tools import Monitor, number, pack, start, wait_for
from sim.benches.front_end_model import (
    Layer,
    binary_words,
    draw,
    draw_vectors,
    expected_counts,
    expected_groups,
    mac_words,
    vector_words,
)

CONFIG = AcceleratorConfig.from_dict(json.loads(os.environ["HWFLOW_BENCH_CONFIG"]), source="bench")
LAYERS = int(os.environ["HWFLOW_BENCH_LAYERS"])
COVERING = 40
"""So many layers meet every stall."""
EAGER = os.environ["HWFLOW_BENCH_EAGER"] == "1"
CLASSES = isa.CYCLE_COUNTERS
SLOTS = ("useful", "masked", "k_padding", "channel_padding", "pixel_padding")


class Bench:
    """The world around the front end: loader, scalar engine and back end as far as it sees them."""

    def __init__(self, dut: Any, layers: list[Layer], rng: np.random.Generator) -> None:
        self.dut = dut
        self.layers = layers
        self.rng = rng
        self.starts: list[int] = []
        self.dones: list[int] = []
        self.claims = 0
        self.tokens = 0
        self.supply = self.token_supply = 0.9
        self.sent_vectors: list[tuple[int, list[int]]] = []
        self.groups = Monitor(dut, "group", group_layout(CONFIG))
        self.events = Monitor(dut, "events", events_layout(CONFIG), always=True)
        self.results = Monitor(dut, "matvec_result", matvec_result_layout(CONFIG))
        for task in (self._watch, self._weights, self._macs, self._instructions):
            cocotb.start_soon(task())

    @property
    def now(self) -> int:
        """Cycle number as the monitors count, valid right after a falling edge."""
        return len(self.events.items)

    def _gap(self) -> bool:
        return not EAGER and self.rng.random() > self.supply

    async def _watch(self) -> None:
        """Pulses, and tokens: produced at random, taken by `scale_take`."""
        for cycle in count():
            await FallingEdge(self.dut.clk)
            if EAGER or self.rng.random() < self.token_supply:
                self.tokens += self.tokens < (3 if EAGER else 1)
            self.dut.scale_available.value = int(self.tokens > 0)
            await ReadOnly()
            if number(self.dut.layer_start):
                self.starts.append(cycle)
            if number(self.dut.layer_done):
                self.dones.append(cycle)
            if number(self.dut.scale_take):
                assert self.tokens > 0
                self.tokens -= 1
                self.claims += 1

    async def _weights(self) -> None:
        dut, layout = self.dut, beat_write_layout(CONFIG)
        for layer in self.layers:
            if layer.fields["mac"]:
                continue
            for word in binary_words(layer, CONFIG):
                for beat in range(CONFIG.weight_beats):
                    while self._gap() or number(dut.weights_free) == 0:
                        dut.weights_write.value = 0
                        await FallingEdge(dut.clk)
                    bits = word >> beat * CONFIG.beat_bits & (1 << CONFIG.beat_bits) - 1
                    dut.weights_write.value = pack(layout, {"valid": 1, "data": bits})
                    await FallingEdge(dut.clk)
        dut.weights_write.value = 0

    async def _macs(self) -> None:
        """8-bit ring words of convolutions and matrix-vector products, in order of use."""
        for layer in self.layers:
            if layer.fields["mac"]:
                for word in mac_words(layer, CONFIG):
                    await self._mac_word(word, 8)
            for weights, _ in layer.vectors:
                for word in vector_words(weights, CONFIG):
                    await self._mac_word(word, 4)
        self.dut.macs_write.value = 0

    async def _mac_word(self, word: Any, bits: int) -> None:
        dut, layout = self.dut, beat_write_layout(CONFIG)
        size = CONFIG.beat_bits // bits
        for first in range(0, len(word), size):
            while self._gap() or number(dut.macs_free) == 0:
                dut.macs_write.value = 0
                await FallingEdge(dut.clk)
            beat = 0
            for n, value in enumerate(word[first : first + size]):
                beat |= (int(value) & (1 << bits) - 1) << n * bits
            dut.macs_write.value = pack(layout, {"valid": 1, "data": beat})
            await FallingEdge(dut.clk)

    async def _instructions(self) -> None:
        dut = self.dut
        for layer in self.layers:
            dut.instruction__payload.value = pack(CONV, layer.fields)
            dut.instruction__valid.value = 1
            await wait_for(dut, lambda: bool(number(dut.instruction__ready)), limit=200_000)
        dut.instruction__valid.value = 0

    async def write_source(self, layer: Layer) -> None:
        """The layer's input tensor: by the loader's port, or as stores of the layer before."""
        dut, f = self.dut, layer.fields
        banks, lanes, cols = CONFIG.banks, CONFIG.pixel_lanes, CONFIG.cols
        pixels = layer.source.reshape(-1, layer.source.shape[-1])
        if f["mac"] and not layer.by_store:
            layout = bytes_write_layout(CONFIG)
            for slot, pixel in enumerate(pixels):
                for w in range(f["src_words"]):
                    word = sum(
                        (int(v) & 255) << 8 * n
                        for n, v in enumerate(pixel[w * cols : (w + 1) * cols])
                    )
                    row = f["src_base"] + slot // banks * f["src_words"] + w
                    item = {"valid": 1, "bank": slot % banks, "row": row, "data": word}
                    dut.bytes_write.value = pack(layout, item)
                    await FallingEdge(dut.clk)
            dut.bytes_write.value = 0
            return
        port = dut.bytes_store if f["mac"] else dut.bits_store
        layout = store_layout(CONFIG, 8 if f["mac"] else 1)
        values = pixels if f["mac"] else (pixels > 0).astype(int)
        for first in range(0, len(values), lanes):
            for cg in range(values.shape[1] // cols):
                # Two writes with complementary masks: a lane that is masked must not be written.
                full = (1 << min(lanes, len(values) - first)) - 1
                part = int(self.rng.integers(0, full + 1))
                for mask in (part, full & ~part):
                    words = [
                        values[first + g, cg * cols : (cg + 1) * cols]
                        if mask >> g & 1
                        else self.rng.integers(0, 1 + f["mac"], cols)
                        for g in range(lanes)
                    ]
                    data = [int(v) for word in words for v in word]
                    item = {"valid": 1, "slot": first, "mask": mask, "cg": cg, "data": data}
                    port.value = pack(layout, item)
                    await FallingEdge(dut.clk)
        port.value = 0

    async def run_vectors(self, layer: Layer) -> None:
        """The matrix-vector products of a layer, with gaps between steps."""
        dut = self.dut
        for weights, operands in layer.vectors:
            steps = len(weights)
            await wait_for(dut, lambda n=steps: number(dut.matvec_level) >= n, what="ring level")
            for step, vector in enumerate(operands):
                while self._gap():
                    dut.matvec.value = 0
                    await FallingEdge(dut.clk)
                last = int(step == len(operands) - 1)
                item = {
                    "valid": 1,
                    "last": last,
                    "release": last,
                    "narrow": 1,
                    "word": step,
                }
                dut.matvec.value = pack(matvec_layout(CONFIG), item | {"operands": vector.tolist()})
                if last:
                    sums = np.einsum("skj,sk->j", weights, operands)
                    self.sent_vectors.append((self.now, sums.tolist()))
                await FallingEdge(dut.clk)
            dut.matvec.value = 0


def prepare(rng: np.random.Generator) -> list[Layer]:
    """Layers with their tensors placed: sources alternate between the halves of their memory."""
    layers: list[Layer] = []
    for index in range(LAYERS):
        mac = index == 0 or rng.random() < 0.4
        layer = draw(rng, CONFIG, index, mac=mac)
        f = layer.fields
        depth = CONFIG.byte_rows if mac else CONFIG.bit_rows
        rows = -(-f["in_h"] * f["in_w"] // CONFIG.banks) * f["src_words"]
        half = depth // 2
        f["src_base"] = index % 2 * half + int(rng.integers(0, half - rows + 1))
        if layers:
            before = layers[-1].fields
            layer.by_store = mac and before["groups"] == f["src_words"]
            before["bits_base"] = before["store_base"] = f["src_base"]
            before["bits_words"] = f["src_words"]
        if not mac and rng.random() < 0.5:
            layer.vectors = draw_vectors(rng, CONFIG)
        layers.append(layer)
    return layers


def check_groups(layer: Layer, seen: list[tuple[int, dict[str, Any]]]) -> None:
    """Slots, masks, sums of existing channels, in order."""
    cols = CONFIG.cols
    expected = expected_groups(layer, CONFIG)
    for (cycle, got), want in zip(seen, expected, strict=True):
        place = (cycle, want)
        assert (got["slot"], got["mask"], got["cg"]) == (want.slot, want.mask, want.cg), place
        assert got["last_of_group"] == want.last_of_group, place
        for lane, sums in enumerate(want.data):
            if sums is not None:
                assert got["data"][lane * cols :][: len(sums)] == sums, (lane, place)


def check_events(
    layer: Layer, bench: Bench, index: int, groups: list[tuple[int, Any]]
) -> dict[str, int]:
    """One class a cycle, slots complete, totals, latency of every pixel group, distance of tiles."""
    f = layer.fields
    first, last = bench.starts[index], bench.dones[index]
    events = [value for _, value in bench.events.items[first : last + 1]]
    slots = CONFIG.mac_lanes if f["mac"] else CONFIG.binary_macs
    for event in events:
        assert sum(event[name] for name in CLASSES) == 1, event
        assert sum(event[name] for name in SLOTS) == (slots if event["issue"] else 0), event
    totals = {name: sum(event[name] for event in events) for name in (*CLASSES, *SLOTS)}
    counts = expected_counts(layer, CONFIG)
    assert {name: totals[name] for name in counts} == counts
    assert totals["setup"] == timing.conv_setup_cycles(CONFIG)
    issued = [first + n - timing.EVENTS for n, event in enumerate(events) if event["issue"]]
    steps = f["kernel"] ** 2 * f["words"]
    latency = timing.mac_group_latency() if f["mac"] else timing.binary_group_latency(CONFIG)
    for n, (cycle, _) in enumerate(groups):
        tile, phase = divmod(n, CONFIG.row_groups)
        assert cycle == issued[(tile + 1) * steps - 1] + latency + phase
    starts = issued[::steps]
    distance = max(1, f["interval"])
    assert all(b - a >= distance for a, b in pairwise(starts))
    if EAGER and not totals["stall_weights"]:
        tight = max(distance, steps)
        assert all(b - a == tight for a, b in pairwise(starts))
    return totals


@cocotb.test()
async def random_layers(dut: Any) -> None:
    rng = np.random.default_rng(int(os.environ["COCOTB_RANDOM_SEED"]))
    layers = prepare(rng)
    for name in ("instruction__valid", "weights_write", "macs_write", "bytes_write", "bits_store"):
        getattr(dut, name).value = 0
    for name in (
        "bytes_store",
        "matvec",
        "scale_available",
        "backend_idle",
        "instruction__payload",
    ):
        getattr(dut, name).value = 0
    dut.image_slots.value = 0
    dut.image_grown.value = 0
    dut.image_done.value = 1
    await start(dut)
    free = number(dut.weights_free), number(dut.macs_free)
    bench = Bench(dut, layers, rng)
    await bench.write_source(layers[0])
    tally: dict[str, int] = dict.fromkeys(CLASSES, 0)
    for index, layer in enumerate(layers):
        dut._log.info("layer %d %s", index, {k: v for k, v in layer.fields.items() if v})
        bench.supply = float(rng.choice([0.1, 0.5, 0.9, 1.0]))
        bench.token_supply = float(rng.choice([0.02, 0.5, 1.0]))
        before = len(bench.groups.items)
        total = layer.fields["groups"] * layer.fields["tiles"] * CONFIG.row_groups
        await wait_for(dut, lambda n=index: len(bench.starts) > n, what="layer start")
        # A matrix-vector product never meets the next layer, which may use the same array.
        dut.backend_idle.value = int(rng.integers(0, 2)) if not layer.vectors else 0
        following = layers[index + 1 : index + 2]
        tasks = [cocotb.start_soon(bench.write_source(following[0]))] if following else []
        await bench.run_vectors(layer)
        goal = before + total
        await wait_for(
            dut, lambda n=goal: len(bench.groups.items) >= n - 1, limit=200_000, what="groups"
        )
        dut.backend_idle.value = 0
        await wait_for(dut, lambda n=goal: len(bench.groups.items) >= n, what="the last group")
        for task in tasks:
            await task
        for _ in range(int(rng.integers(0, 8))):
            await FallingEdge(dut.clk)
        dut.backend_idle.value = 1
        await wait_for(dut, lambda n=index: len(bench.dones) > n, what="layer done", limit=100)
        assert len(bench.groups.items) == goal
        groups = bench.groups.items[before:]
        check_groups(layer, groups)
        for name, number_of in check_events(layer, bench, index, groups).items():
            tally[name] = tally.get(name, 0) + number_of
    await wait_for(dut, lambda: bench.claims == sum(la.fields["groups"] for la in layers), limit=10)
    assert (number(dut.weights_free), number(dut.macs_free)) == free
    assert number(dut.matvec_level) == 0
    for (cycle, got), (sent, sums) in zip(bench.results.items, bench.sent_vectors, strict=True):
        assert cycle == sent + timing.matvec_latency(CONFIG)
        assert got["sums"] == sums
    dut._log.info("totals %s", tally)
    seen = [name for name in CLASSES if CONFIG.long_words or name != "stall_stream"]
    # A dozen layers, on a netlist, do not meet every stall.
    assert LAYERS < COVERING or all(
        tally[name] for name in seen if not (EAGER and name.startswith("stall"))
    )
