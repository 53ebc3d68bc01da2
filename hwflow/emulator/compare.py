"""Holds an emulated schedule against the integer network, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hwflow.emulator.state import Emulation
from hwflow.signature import signature
from models.integer.layers import Trace

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class LayerEquality:
    """One layer over all images: how many values were compared and how many differ.

    stored: elements of the stored tensor. scalars: means, hidden values, scales, logits.
    records: signatures and saturation counts, three an image.
    """

    layer: int
    name: str
    stored: int
    stored_differ: int
    scalars: int
    scalars_differ: int
    records: int
    records_differ: int

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.stored_differ or self.scalars_differ or self.records_differ)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready dictionary."""
        return {**asdict(self), "equal": self.equal}


def compare(
    emulation: Emulation, trace: Trace, names: Mapping[int, str]
) -> tuple[LayerEquality, ...]:
    """A row for every layer of the trace (numpy arrays of the same images), the dense one last."""
    rows: list[LayerEquality] = []
    for number, wanted in enumerate((*trace.init, *trace.convs)):
        has_se = number >= len(trace.init)
        scalars = (
            (emulation.means.get(number), wanted.mean),
            (emulation.hidden.get(number), wanted.hidden),
            (emulation.scales.get(number), wanted.scale),
        )
        found = emulation.layers.get(number)
        signatures = np.array([signature(image) for image in wanted.y], np.int64)
        records = (
            (None if found is None else np.array(found.signatures, np.int64), signatures),
            (None if found is None else found.t_saturated, wanted.t_saturated),
            (None if found is None else found.y_saturated, wanted.y_saturated),
        )
        rows.append(
            _row(
                number,
                names,
                (None if found is None else found.y, wanted.y),
                scalars if has_se else (),
                records,
            )
        )
    last = len(rows)
    ends = ((emulation.means.get(last), trace.features), (emulation.logits, trace.logits))
    rows.append(_row(last, names, (None, np.zeros(0, np.int32)), ends, ()))
    return tuple(rows)


Pair = tuple[npt.NDArray[Any] | None, npt.NDArray[Any]]
"""What the emulator has, if anything, and what it must have."""


def _row(
    number: int,
    names: Mapping[int, str],
    stored: Pair,
    scalars: tuple[Pair, ...],
    records: tuple[Pair, ...],
) -> LayerEquality:
    return LayerEquality(
        layer=number,
        name=names[number],
        stored=stored[1].size,
        stored_differ=_differ(stored),
        scalars=sum(wanted.size for _, wanted in scalars),
        scalars_differ=sum(map(_differ, scalars)),
        records=sum(wanted.size for _, wanted in records),
        records_differ=sum(map(_differ, records)),
    )


def _differ(pair: Pair) -> int:
    """Values that are not equal; all of them where shapes differ or there are none."""
    found, wanted = pair
    if found is None or found.shape != wanted.shape:
        return int(wanted.size)
    return int(np.count_nonzero(found != wanted))
