"""Explains a plan: where every tensor lives, over what, for how long, and what external memory costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hwflow.compiler.geometry import NetworkGeometry
from hwflow.compiler.plan import LayerPlan
from hwflow.compiler.spill import plan, stored_tensors, streamed, traffic
from hwflow.config import AcceleratorConfig
from hwflow.memories import (
    Memory,
    Tensor,
    banks,
    capacity,
    group_beats,
    word_bytes,
)


@dataclass(frozen=True, kw_only=True)
class TensorRow:
    """One stored tensor. rows: of every bank from `base` on. groups: words of a pixel, `resident` of them there.

    over: the tensor whose place it takes, read by the layer that writes it. first, last: names of the layers that write
    and last read it. bytes: on chip; external_bytes: in external memory; moved_bytes: to and from there in a frame;
    moved_cycles: these at full bandwidth.
    """

    name: str
    shape: tuple[int, int, int]
    memory: str
    base: int
    rows: int
    groups: int
    resident: int
    over: str
    first: str
    last: str
    bytes: int
    external_bytes: int
    moved_bytes: int
    moved_cycles: int


@dataclass(frozen=True, kw_only=True)
class MemoryRow:
    """One memory: rows of a bank it has and most rows in use, in which layer, and both in bytes."""

    name: str
    rows: int
    peak_rows: int
    peak_layer: str
    bytes: int
    peak_bytes: int


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A plan in numbers; added_cycles: of external memory beyond the slack of its layers (evidence `cycle-model`)."""

    network: str
    target: str
    tensors: tuple[TensorRow, ...]
    memories: tuple[MemoryRow, ...]
    not_stored: tuple[str, ...]
    ring_bytes: int
    stream_bytes: int
    head_bytes: int
    on_chip_bytes: int
    moved_bytes: int
    moved_cycles: int
    added_cycles: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready dictionary."""
        return asdict(self)


def explain(network: NetworkGeometry, config: AcceleratorConfig) -> Explanation:
    """Plans `network` for `config` and explains the plan.

    Raises:
        FlowError: as `spill.plan`.
    """
    layers = plan(network, config)
    tensors = stored_tensors(layers)
    names = {-1: "host", **{layer.number: layer.name for layer in layers}}
    moved = _moved_beats(layers, config)
    rows = tuple(_row(t, tensors, names, moved.get(t.name, 0), config) for t in tensors)
    beats = sum(moved.values())
    return Explanation(
        network=network.name,
        target=config.name,
        tensors=rows,
        memories=tuple(_memory(memory, tensors, names, config) for memory in Memory),
        not_stored=tuple(layer.output.name for layer in layers if not layer.output.stored),
        ring_bytes=config.ring_bytes,
        stream_bytes=config.stream_bytes,
        head_bytes=config.head_rows * config.pixel_lanes * config.residual_word_bits // 8,
        on_chip_bytes=config.on_chip_bytes,
        moved_bytes=beats * config.memory_bytes,
        moved_cycles=beats,
        added_cycles=sum(each.added for each in traffic(network, layers, config)),
    )


def peak_rows(memory: Memory, tensors: Sequence[Tensor]) -> tuple[int, int]:
    """(rows, layer) of the most rows of a memory that are in use in one layer."""
    here = [t for t in tensors if t.memory is memory]
    best = (0, 0)
    for layer in {t.first for t in here}:
        live = {(t.base, t.rows) for t in here if t.first <= layer <= t.last}
        best = max(best, (sum(rows for _, rows in live), -layer))
    return best[0], -best[1]


def _moved_beats(layers: tuple[LayerPlan, ...], config: AcceleratorConfig) -> dict[str, int]:
    """Beats to and from external memory, by tensor."""
    moved: dict[str, int] = {}
    for layer in layers:
        beats = group_beats(config, layer.output.height * layer.output.width)
        written = layer.output.spilled * beats
        if written:
            moved[layer.output.name] = moved.get(layer.output.name, 0) + written
        for _, tensor, _ in streamed(layer, config):
            moved[tensor.name] = moved.get(tensor.name, 0) + beats
    return moved


def _row(
    tensor: Tensor,
    tensors: Sequence[Tensor],
    names: dict[int, str],
    moved: int,
    config: AcceleratorConfig,
) -> TensorRow:
    place = (tensor.memory, tensor.base, tensor.rows)
    over = [
        t.name
        for t in tensors
        if t is not tensor
        and tensor.rows
        and (t.memory, t.base, t.rows) == place
        and t.first < tensor.first == t.last
    ]
    beats = group_beats(config, tensor.height * tensor.width)
    return TensorRow(
        name=tensor.name,
        shape=(tensor.height, tensor.width, tensor.channels),
        memory=tensor.memory.value,
        base=tensor.base,
        rows=tensor.rows,
        groups=tensor.words,
        resident=min(tensor.words, tensor.pitch),
        over=over[-1] if over else "",
        first=names[tensor.first],
        last=names.get(tensor.last, "dense"),
        bytes=tensor.rows * banks(config, tensor.memory) * word_bytes(config, tensor.memory),
        external_bytes=tensor.spilled * beats * config.memory_bytes,
        moved_bytes=moved * config.memory_bytes,
        moved_cycles=moved,
    )


def _memory(
    memory: Memory, tensors: Sequence[Tensor], names: dict[int, str], config: AcceleratorConfig
) -> MemoryRow:
    peak, layer = peak_rows(memory, tensors)
    size = banks(config, memory) * word_bytes(config, memory)
    rows = capacity(config, memory)
    return MemoryRow(
        name=memory.value,
        rows=rows,
        peak_rows=peak,
        peak_layer=names.get(layer, "dense"),
        bytes=rows * size,
        peak_bytes=peak * size,
    )
