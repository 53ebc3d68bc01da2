"""Rule on layers that are computed more than once (hwflow/compiler/repeat.py): every pass finds what the last one finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from hwflow.config import AcceleratorConfig
from hwflow.isa import FcDest, Op, Ring, Store
from hwflow.verifier.context import Context, Instruction
from hwflow.verifier.dataflow import reads, writes

RESULTS = ("store", "store_shift", "store_pitch", "mean_en", "pool_en", "heads_en")
"""Fields of a CONV in which an earlier pass may differ from the last one: what it writes."""


def overwritten(conv: Instruction, config: AcceleratorConfig) -> list[str]:
    """Roles of the results that lie, in part, where the CONV reads."""
    operands = [region for region, _ in reads(conv, config)]
    return [
        region.role
        for region, _ in writes(conv, config)
        if any(region.overlaps(operand, config) for operand in operands)
    ]


def passes(context: Context) -> Iterator[str]:
    """Earlier passes: the last one's CONV without results over its operands, and a MEAN of zeros between passes."""
    convs = list(context.of(Op.CONV))
    for layer, group in groupby(convs, key=lambda entry: entry[1]["layer"]):
        *earlier, (_, last) = list(group)
        if not earlier:
            continue
        for where, conv in earlier:
            for name, value in last.items():
                if name not in RESULTS and conv[name] != value:
                    yield f"{where}: {name} is {conv[name]}, in the last pass {value}"
            if conv["mac"]:
                yield f"{where}: an earlier pass must be on the binary array"
            for role in overwritten(conv, context.config):
                yield f"{where}: an earlier pass overwrites an operand with its {role}"
        yield from _streams(context, layer, len(earlier) + 1)


def _streams(context: Context, layer: int, count: int) -> Iterator[str]:
    """What each pass is given is the same, so that constants written again are those that are there."""
    own = [entry for _, entry in context.of(Op.LOAD) if entry["layer"] == layer]
    if any(e["op"] == Op.LOAD and e["ring"] == Ring.LONG for _, e in context.of(Op.LOAD)):
        yield f"layer {layer}: repeated in a schedule with activations in external memory"
    scalars = [e for _, e in context.of(Op.FC, Op.MEAN) if e["layer"] == layer]
    written = [e for e in scalars if e["op"] == Op.FC and e["dest"] == FcDest.SCALE]
    if len(written) != count or any(e != written[0] for e in written):
        yield f"layer {layer}: {len(written)} FCs to SCALE for {count} passes, or unlike ones"
    order = [Op(e["op"]) for e in scalars][-2 * count + 1 :]
    if order != [Op.FC, *[Op.MEAN, Op.FC] * (count - 1)]:
        yield f"layer {layer}: no MEAN between the FCs of its passes, so constants are written while they are read"
    for ring in (Ring.WEIGHTS, Ring.MACS, Ring.CONSTANTS):
        brought = [(e["address"], e["beats"]) for e in own if e["ring"] == ring]
        # What the means and the hidden values take comes once, before.
        heads = range(1 if ring is Ring.WEIGHTS else len(brought))
        if not any(_repeats(brought[head:], count) for head in heads):
            yield f"layer {layer}: what its passes load into the {ring.name} ring is not {count} times the same"


def _repeats(loads: Sequence[tuple[int, int]], count: int) -> bool:
    size, rest = divmod(len(loads), count)
    return size > 0 and rest == 0 and list(loads) == list(loads[:size]) * count


def quiet(conv: Instruction, config: AcceleratorConfig) -> Instruction:
    """The CONV of an earlier pass: it writes nothing over its operands."""
    over = overwritten(conv, config)
    changed = dict(conv)
    if any(role in ("output", "mean in place of the output") for role in over):
        changed |= {"store": int(Store.NONE), "store_shift": 0, "store_pitch": 0}
    if "mean" in over:
        changed |= {"mean_en": 0}
    if "pooled" in over:
        changed |= {"pool_en": 0, "heads_en": 0}
    return changed
