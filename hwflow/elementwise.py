"""What ACE does not count: the definition's elementwise operations beside those a schedule executes.

The reference's classes and the executed names meet in `FUSIONS`: every class and every name is in
exactly one of them, and one that is in none is a problem.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hwflow.ace import AceReport
from hwflow.compiler.counts import LayerCounts


@dataclass(frozen=True, kw_only=True)
class Fusion:
    """Classes of `hwflow.ace.counts.ELEMENTWISE`, the names of `LayerCounts` they became, and how."""

    reference: tuple[str, ...]
    executed: tuple[str, ...]
    how: str


FUSIONS = (
    Fusion(
        reference=("batch_norm", "dprelu", "se_multiply"),
        executed=(
            "multiply by alpha (weight scale, batch norm)",
            "add beta (batch norm)",
            "subtract bias_x (DPReLU)",
            "multiply by slope (DPReLU, SE scale, second batch norm)",
            "add q (DPReLU bias_y, SE scale, second batch norm)",
            "fold slopes and bias with the SE scale",
        ),
        how="folded batch norms: the first, with the weights' scale, is alpha and beta; DPReLU, SE "
        "scale and the second are one slope and one offset, folded once per channel and image",
    ),
    Fusion(
        reference=("channel_average_add", "channel_average_multiply"),
        executed=(
            "channel mean add (local shortcut)",
            "channel mean scale (local shortcut)",
            "channel mean add (long shortcut)",
            "channel mean scale (long shortcut)",
        ),
        how="mean taken once, where its tensor is written: g - 1 additions for g channels",
    ),
    Fusion(
        reference=("average_pool",),
        executed=("3x3 pool add", "3x3 pool scale"),
        how="pooled before it is widened or repeated, once for both shortcuts; one product with 1/9",
    ),
    Fusion(reference=("long_shortcut",), executed=("add long shortcut",), how="the same"),
    Fusion(
        reference=("local_shortcut",),
        executed=("add local shortcut",),
        how="channels that the input does not have are not added",
    ),
    Fusion(
        reference=("se_pool_add", "last_mean"),
        executed=("channel sum add (mean of the next SE or dense layer)",),
        how="shared mean: summed while the tensor is written; layer 0 sums too, as a barrier",
    ),
    Fusion(
        reference=("se_pool_multiply", "se_relu", "se_relu6"),
        executed=("mean multiply-add and clamp", "scalar multiply-add and clamp"),
        how="merged multiply: scale, bias, relu and quantiser of a value are one; the dense layer's "
        "logits and the last means are among them",
    ),
    Fusion(
        reference=(),
        executed=("binarise",),
        how="sign bit of a stored element; the definition counts it with the convolution",
    ),
)


@dataclass(frozen=True, kw_only=True)
class ElementwiseRow:
    """A fusion with the operations of one image: reference and executed, by class and by name."""

    reference: dict[str, int]
    executed: dict[str, int]
    how: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready dictionary."""
        return asdict(self)


def elementwise(
    report: AceReport, counts: Sequence[LayerCounts]
) -> tuple[tuple[ElementwiseRow, ...], list[str]]:
    """A row for every fusion, and one problem for every class or name that no fusion has."""
    wanted = {name: total for name, total in report.elementwise_totals().items() if total}
    done: Counter[str] = Counter()
    for entry in counts:
        done.update(entry.elementwise)
    rows = tuple(
        ElementwiseRow(
            reference={name: wanted.get(name, 0) for name in fusion.reference},
            executed={name: done[name] for name in fusion.executed},
            how=fusion.how,
        )
        for fusion in FUSIONS
    )
    classes = {name for fusion in FUSIONS for name in fusion.reference}
    names = {name for fusion in FUSIONS for name in fusion.executed}
    problems = [
        f"elementwise: {wanted[name]} {name} of the model are in no fusion"
        for name in sorted(set(wanted) - classes)
    ]
    problems += [
        f"elementwise: {done[name]} executed '{name}' are in no fusion"
        for name in sorted(set(done) - names)
    ]
    return rows, problems
