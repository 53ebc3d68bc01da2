"""Rule on external activations: the long stream brings what its readers need, after it has been written."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from hwflow.isa import Op, Residual, Ring, Store
from hwflow.spilling import group_beats, spilled_groups, streamed_groups
from hwflow.verifier.context import Context, Instruction


@dataclass(frozen=True)
class _Written:
    """What a layer stored beyond its words in memory: beats `first` to `last` of the memory image."""

    layer: int
    first: int
    last: int

    def overlaps(self, other: _Written) -> bool:
        return self.first <= other.last and other.first <= self.last


_Key = tuple[int, int, int, int, int]


def _stored_key(conv: Instruction) -> _Key:
    return (
        conv["store_base"], conv["out_h"], conv["out_w"], conv["store_pitch"], conv["groups"],
    )  # fmt: skip


def _operand_key(conv: Instruction) -> _Key:
    name = "r1" if conv["r1_src"] == Residual.MAIN else "r"
    return (
        conv[f"{name}_base"], conv["out_h"], conv["out_w"], conv["main_pitch"], conv[f"{name}_groups"],
    )  # fmt: skip


def spills(context: Context) -> Iterator[str]:
    """Follows the long stream through the layers; which tensor an operand is, the rule on tensors has proved."""
    config = context.config
    loads = deque(
        (where, dict(load)) for where, load in context.of(Op.LOAD) if load["ring"] == Ring.LONG
    )
    written: dict[_Key, _Written] = {}
    reads: list[tuple[str, int, _Written]] = []
    stores: list[_Written] = []
    for where, conv in context.of(Op.CONV):
        beats = group_beats(conv, config)
        words = streamed_groups(conv)
        if words:
            source = written.get(_operand_key(conv))
            if source is None:
                yield f"{where}: no layer stored the external groups of its shortcut"
                return
            reads.append((where, conv["layer"], source))
            for word in words:
                first = source.first + (word - conv["main_pitch"]) * beats
                problem = _take(loads, first, beats, source.layer)
                if problem:
                    yield f"{where}: group {word} of its shortcut: {problem}"
                    return
        if conv["store"] == Store.MAIN:
            first = conv["spill_address"]
            size = spilled_groups(conv) * beats
            written[_stored_key(conv)] = _Written(conv["layer"], first, first + size - 1)
            if size:
                stores.append(written[_stored_key(conv)])
    for where, _ in loads:
        yield f"{where}: no layer takes what it brings"
    for where, reader, source in reads:
        for other in stores:
            if source.layer < other.layer <= reader and other.overlaps(source):
                yield (
                    f"{where}: layer {other.layer} stores over what layer {source.layer} "
                    "stored for it in external memory"
                )


def _take(loads: deque[tuple[str, Instruction]], first: int, beats: int, writer: int) -> str:
    """Removes `beats` beats from the stream's LOADs; why these are not the right ones, or nothing."""
    while beats:
        if not loads:
            return f"no LOAD brings beats {first}..{first + beats - 1}"
        where, load = loads[0]
        if load["address"] != first:
            return f"{where} brings beat {load['address']}, expected {first}"
        if load["after"] <= writer:
            return f"{where} does not wait for layer {writer}, which writes it: after is {load['after']}"
        size = min(beats, load["beats"])
        load["address"] += size
        load["beats"] -= size
        first += size
        beats -= size
        if not load["beats"]:
            loads.popleft()
    return ""
