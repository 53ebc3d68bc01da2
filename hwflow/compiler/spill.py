"""Chooses what of the block inputs stays on chip, and counts what the rest costs.

The last channel groups of a block input may live in external memory: the layer that computes the tensor writes them
there, and layers that read it as a shortcut get them back as the long stream, both in the order of the tiles. So only
layers with linear tiles do either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from hwflow.compiler.allocate import CapacityError
from hwflow.compiler.geometry import NetworkGeometry, geometry_of
from hwflow.compiler.plan import Choices, LayerPlan, plan_layers
from hwflow.config import AcceleratorConfig
from hwflow.memories import Memory, Tensor, ceil_div, group_beats, pixel_words
from models.integer.params import IntegerNetwork, Shape

ROOMY = 65536
"""Rows of a memory in which everything fits: the most a target can have."""


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Beats of a layer's long stream, of what it stores to external memory, and the cycles that these add.

    added: beats beyond the layer's slack, which is its cycles on the arrays without the beats of its weights.
    """

    read: int
    written: int
    added: int


def plan(
    network: IntegerNetwork | NetworkGeometry, config: AcceleratorConfig
) -> tuple[LayerPlan, ...]:
    """The layers 0.. of the network's convolutions, every tensor placed, the least added cycles first.

    Raises:
        FlowError: a shortcut that the hardware cannot do, or a memory that is too small.
    """
    shapes = network if isinstance(network, NetworkGeometry) else geometry_of(network)
    best: tuple[LayerPlan, ...] | None = None
    least = 0
    failure: CapacityError | None = None
    for in_pool in (False, True):
        if in_pool and not _init_may_be_pooled(shapes):
            break
        try:
            found = _search(shapes, config, Choices(init_in_pool=in_pool))
        except CapacityError as error:
            failure = failure or error
            continue
        added = added_cycles(shapes, found, config)
        if best is None or added < least:
            best, least = found, added
        if not added:
            break
    if best is None:
        assert failure is not None
        raise failure
    return best


def _search(
    network: NetworkGeometry, config: AcceleratorConfig, choices: Choices
) -> tuple[LayerPlan, ...]:
    """Takes words of the cheapest block inputs out of main memory until everything fits."""
    while True:
        try:
            found = plan_layers(network, config, choices)
        except CapacityError as failure:
            better = _relieve(network, config, choices, failure)
            if better is None:
                raise
            choices = better
            continue
        return found


def _relieve(
    network: NetworkGeometry, config: AcceleratorConfig, choices: Choices, failure: CapacityError
) -> Choices | None:
    """The choices with one word less of one block input; None where no word can go."""
    full = failure.full
    if not config.long_words or full.tensor.memory is not Memory.MAIN:
        return None
    roomy = replace(config, **{f"{m.value}_rows": ROOMY for m in Memory})
    layers = plan_layers(network, roomy, choices)
    before = added_cycles(network, layers, config)
    outputs = {layer.output.name: layer.output for layer in layers}
    shapes = {
        (t.height, t.width, t.channels): t
        for t in (*full.live, full.tensor)
        if t.name in outputs and t.pitch
    }
    fixed = set(_not_linear(network, layers))
    options: list[tuple[float, Shape]] = []
    for shape in sorted(shapes.keys() - fixed):
        fewer = _with(choices, shape, shapes[shape].pitch - 1)
        added = added_cycles(network, plan_layers(network, roomy, fewer), config) - before
        rows = ceil_div(shape[0] * shape[1], config.pixel_lanes)
        options.append((added / rows, shape))
    if not options:
        return None
    shape = min(options)[1]
    return _with(choices, shape, shapes[shape].pitch - 1)


def _init_may_be_pooled(network: NetworkGeometry) -> bool:
    """PokeInit's output may lie in the pool memory unless a shortcut needs it pooled, which is written there at once."""
    first = [conv for conv in network.convs if conv.block == network.convs[0].block]
    return not any(conv.pool_long or (conv is first[0] and conv.pool_local) for conv in first)


def _with(choices: Choices, shape: Shape, resident: int) -> Choices:
    return replace(choices, resident={**choices.resident, shape: resident})


def linear(network: NetworkGeometry, layer: LayerPlan) -> bool:
    """Whether the layer's tiles run over row ends."""
    source, output = layer.source, layer.output
    stride = network.convs[layer.number - 2].stride if layer.number >= 2 else 1
    return stride == 1 and (source.height, source.width) == (output.height, output.width)


def _not_linear(network: NetworkGeometry, layers: tuple[LayerPlan, ...]) -> Iterator[Shape]:
    """Shapes of block inputs that a layer without linear tiles writes or reads."""
    for layer in layers:
        if not linear(network, layer):
            for tensor in (layer.output, layer.r, layer.r1):
                if tensor is not None:
                    yield tensor.height, tensor.width, tensor.channels


def streamed(layer: LayerPlan, config: AcceleratorConfig) -> Iterator[tuple[int, Tensor, int]]:
    """(output group, tensor, its word of a pixel) of every group that takes a shortcut from the long stream."""
    groups = pixel_words(config, Memory.MAIN, layer.output.channels)
    for tensor, repeats in ((layer.r, False), (layer.r1, True)):
        if tensor is not None and tensor.spilled:
            there = groups if repeats else min(groups, tensor.words)
            for cg in range(there):
                if cg % tensor.words >= tensor.pitch:
                    yield cg, tensor, cg % tensor.words


def traffic(
    network: NetworkGeometry, layers: tuple[LayerPlan, ...], config: AcceleratorConfig
) -> tuple[Traffic, ...]:
    """What each layer moves between the chip and the spill area."""
    found: list[Traffic] = []
    for layer in layers:
        beats = group_beats(config, layer.output.height * layer.output.width)
        read = beats * sum(1 for _ in streamed(layer, config))
        written = beats * layer.output.spilled
        added = max(0, read + written - _slack(network, layer.number, config))
        found.append(Traffic(read=read, written=written, added=added))
    return tuple(found)


def added_cycles(
    network: NetworkGeometry, layers: tuple[LayerPlan, ...], config: AcceleratorConfig
) -> int:
    """Cycles that external memory adds to a frame."""
    return sum(each.added for each in traffic(network, layers, config))


def _slack(network: NetworkGeometry, number: int, config: AcceleratorConfig) -> int:
    """Cycles of a layer on the arrays or lanes beyond those in which its weights are read (hwflow/bound.py)."""
    if number < 2:
        init = network.init[number]
        height, width, cout = init.out_shape
        taps = init.kernel**2 * init.in_shape[2] // init.groups
        cycles = max(
            height * width * taps * cout / config.mac_lanes,
            height * width * cout / config.vector_lanes,
        )
        size = taps * cout + 32 * cout
    else:
        conv = network.convs[number - 2]
        height, width, cout = conv.out_shape
        taps = conv.kernel**2 * conv.in_shape[2]
        cycles = max(
            height * width * taps * cout / config.binary_macs,
            height * width * cout / config.vector_lanes,
        )
        scalars = (conv.in_shape[2] + cout) * conv.hidden // 2
        size = taps * cout // 8 + scalars + 32 * (conv.hidden + cout)
    return max(0, int(cycles - size / config.memory_bytes))


def stored_tensors(layers: tuple[LayerPlan, ...]) -> tuple[Tensor, ...]:
    """Every tensor that has a place, in the order of writing."""
    written = (t for layer in layers for t in layer.written)
    return (layers[0].source, *(t for t in written if t.stored))
