"""The least cycles a frame can take on a configuration, and what share of them a run used.

For layer l, c_l = max(binary MACs / P, stored outputs / V, 8- and 4-bit MACs / M), padded taps counted as ACE does.
W_k is the bytes of weights and constants that layers k and later read, B the bytes the rings hold, BW the bytes of a
memory beat. One image, empty buffers, no activation traffic:

    frame bound = max( W_0/BW, max over k of [ sum of c_l over l < k, + max(0, W_k - B)/BW ] )

Utilisation is frame bound / cycles from start to last logit. A design that overlaps layers may exceed 1.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

from hwflow.compiler.program import Program
from hwflow.isa import Op, Ring


def frame_bound(program: Program) -> int:
    """The frame bound of a compiled network, in cycles (evidence `cycle-model`)."""
    config = program.config
    compute = _layer_cycles(program)
    loaded: Mapping[int, int] = _layer_bytes(program)
    layers = sorted(compute.keys() | loaded.keys())
    buffered, width = config.ring_bytes, config.memory_bytes
    left = sum(loaded.values())
    bound = left / width
    before = 0.0
    for layer in layers:
        bound = max(bound, before + max(0, left - buffered) / width)
        before += compute.get(layer, 0.0)
        left -= loaded.get(layer, 0)
    return math.ceil(max(bound, before))


def compute_cycles(program: Program) -> dict[int, dict[str, float]]:
    """Cycles that every layer needs of each unit alone: `array`, `lanes`, `MACs`; c_l is the largest."""
    config = program.config
    binary: dict[int, int] = defaultdict(int)
    wide: dict[int, int] = defaultdict(int)
    stored: dict[int, int] = defaultdict(int)
    for each in program.counts():
        macs = each.useful + each.masked
        (binary if each.macs_class == "1x1" else wide)[each.layer] += macs
    for each in program.instructions:
        if each["op"] == Op.CONV:
            channels = (each["groups"] - 1) * config.cols + each["last_cols"]
            stored[each["layer"]] += each["out_h"] * each["out_w"] * channels
    return {
        layer: {
            "array": binary[layer] / config.binary_macs,
            "lanes": stored[layer] / config.vector_lanes,
            "MACs": wide[layer] / config.mac_lanes,
        }
        for layer in binary.keys() | wide.keys() | stored.keys()
    }


def _layer_cycles(program: Program) -> dict[int, float]:
    """c_l of every layer."""
    return {layer: max(units.values()) for layer, units in compute_cycles(program).items()}


def _layer_bytes(program: Program) -> dict[int, int]:
    """Bytes of weights and constants that each layer's LOADs read."""
    loaded: dict[int, int] = defaultdict(int)
    for each in program.instructions:
        if each["op"] == Op.LOAD and each["ring"] not in (Ring.BYTES, Ring.LONG):
            loaded[each["layer"]] += each["beats"] * program.config.memory_bytes
    return loaded
