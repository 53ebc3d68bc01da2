"""Layers: their energy against what ACE predicts, in scopes that hold one another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hwflow.energy.characterisation import PARTS
from hwflow.energy.network import ALL_PARTS, KINDS, LOGIC, MAC_KINDS, OPERANDS, NetworkEnergy
from hwflow.energy.statistics import Bounds, RankCorrelation, fit, rank_correlation

DATAPATH = PARTS[0]
MACS, ALL_LOGIC, WHOLE = "MACs", "logic", "whole"
SCOPES = (DATAPATH, MACS, ALL_LOGIC, WHOLE)
"""What is counted of a layer: the datapath of its MACs; that and all registers, clock and leakage of theirs; all logic,
which is characterised at gate level; that and memories, whose energies are published."""


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One layer: predicted = its ACE times the network's joules an ACE; ratio: estimated / predicted.

    bits: width of the weights that most of its ACE is of.
    """

    layer: int
    name: str
    bits: int
    ace: int
    estimated: float
    predicted: float
    ratio: float


@dataclass(frozen=True, kw_only=True)
class ScopeFit:
    """How ACE predicts the layers of one network with one library, in one scope.

    per_ace: joules an ACE, one for all. per_class: width of the weights -> joules an ACE of that class. Both with the
    interval of the fit and that of the characterisation, as the root of their squares. by_class: False where the
    energies are made of a class's MACs alone, so that the fit by class can only give back the energy of its MAC.
    """

    network: str
    target: str
    library: str
    scope: str
    per_ace: Bounds
    per_class: dict[str, Bounds]
    by_class: bool
    ranks: RankCorrelation | None
    worst: float
    layers: tuple[LayerRow, ...]


def _scope(scope: str) -> tuple[Sequence[str], Sequence[str]]:
    """Kinds and parts of a scope."""
    macs = tuple(MAC_KINDS.values())
    return {
        DATAPATH: (macs, (DATAPATH,)),
        MACS: ((*macs, OPERANDS), PARTS),
        ALL_LOGIC: (LOGIC, PARTS),
        WHOLE: (KINDS, ALL_PARTS),
    }[scope]


def _widened(
    found: Bounds, network: NetworkEnergy, kinds: Iterable[str], parts: Iterable[str]
) -> Bounds:
    """The fit's bounds with the characterisation's relative error of those kinds and parts."""
    energy = network.energy(kinds, parts)
    if found.low is None or found.high is None or not energy.mean:
        return found
    half = math.hypot((found.high - found.low) / 2, found.value * energy.half / energy.mean)
    return Bounds(value=found.value, low=found.value - half, high=found.value + half)


def scope_fit(network: NetworkEnergy, scope: str) -> ScopeFit:
    """Fits and predictions of the layers that have ACE."""
    kinds, parts = _scope(scope)
    layers = [layer for layer in network.layers if sum(layer.ace.values())]
    ace = np.array([[layer.ace.get(bits, 0) for bits in MAC_KINDS] for layer in layers], float)
    energy = np.array([layer.energy(kinds, parts).mean for layer in layers])
    used = [at for at in range(len(MAC_KINDS)) if ace[:, at].any()]
    (single,) = fit(energy, ace.sum(axis=1, keepdims=True))
    own = scope == DATAPATH
    bits = list(MAC_KINDS)
    classes = {
        str(bits[at]): _widened(found, network, [MAC_KINDS[bits[at]]] if own else kinds, parts)
        for at, found in zip(used, fit(energy, ace[:, used]), strict=True)
    }
    sums = ace.sum(axis=1)
    rows = tuple(
        LayerRow(
            layer=layer.layer,
            name=layer.name,
            bits=max(layer.ace, key=lambda bits: layer.ace[bits]),
            ace=int(effort),
            estimated=float(joules),
            predicted=float(single.value * effort),
            ratio=float(joules / (single.value * effort)),
        )
        for layer, effort, joules in zip(layers, sums, energy, strict=True)
    )
    return ScopeFit(
        network=network.network,
        target=network.target,
        library=network.library,
        scope=scope,
        per_ace=_widened(single, network, kinds, parts),
        per_class=classes,
        by_class=scope not in (DATAPATH, MACS),
        ranks=rank_correlation(list(sums), list(energy)),
        worst=max(max(row.ratio, 1 / row.ratio) for row in rows),
        layers=rows,
    )
