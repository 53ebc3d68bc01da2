"""A board's measurements beside the networks that were measured: their ACE and what is estimated of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hwflow.energy.measurement import LAYER, Measurement
from hwflow.energy.network import NetworkEnergy
from hwflow.energy.statistics import RankCorrelation, rank_correlation
from hwflow.errors import FlowError


@dataclass(frozen=True, kw_only=True)
class BoardRow:
    """One measured energy, beside ACE. evidence is always `board`; joules: above the waiting accelerator.

    estimates: library -> joules that are estimated of the same work (evidence `estimate`), in no fit with the measured.
    """

    evidence: str
    network: str
    target: str
    scope: str
    layer: str
    ace: int | None
    joules: float
    low: float
    high: float
    per_ace: float | None
    estimates: dict[str, float]

    def place(self) -> str:
        """Network and target, for people."""
        return f"{self.network} on {self.target}"


def board_rows(found: Measurement, networks: Sequence[NetworkEnergy]) -> list[BoardRow]:
    """Rows of one measurement; ACE and estimates where networks are the one that was measured, on its target.

    Names decide: the record of a network's work has no hash of the network.

    Raises:
        FlowError: the networks of that name and target differ in ACE, or lack a measured layer.
    """
    same = _same(found, networks)
    rows: list[BoardRow] = []
    for energy in found.energies:
        ace: int | None = None
        estimates: dict[str, float] = {}
        for network in same:
            if energy.scope != LAYER:
                ace = network.ace()
                estimates.setdefault(network.library, network.energy().mean)
                continue
            layer = next((each for each in network.layers if each.name == energy.layer), None)
            if layer is None:
                raise FlowError(
                    f"the measurement of {found.network} has a layer {energy.layer!r}, which the network has not; "
                    f"its layers are {', '.join(each.name for each in network.layers)}"
                )
            ace = sum(layer.ace.values())
            estimates.setdefault(network.library, layer.energy().mean)
        rows.append(
            BoardRow(
                evidence=found.evidence,
                network=found.network,
                target=found.target,
                scope=energy.scope,
                layer=energy.layer,
                ace=ace,
                joules=energy.active.mean,
                low=energy.active.low,
                high=energy.active.high,
                per_ace=energy.active.mean / ace if ace else None,
                estimates=estimates,
            )
        )
    return rows


def missing(measurements: Sequence[Measurement], networks: Sequence[NetworkEnergy]) -> list[str]:
    """A line for every measured network of whose work there is no record."""
    there = dict.fromkeys(f"{each.network} on {each.target}" for each in networks)
    lines = (
        f"no work of {found.network} on {found.target}, so neither its ACE nor an estimate; there is "
        f"{', '.join(there) or 'none'}: add a file of `hwflow energy network --save-work`"
        for found in measurements
        if not _same(found, networks)
    )
    return list(dict.fromkeys(lines))


def board_ranks(rows: Sequence[BoardRow]) -> dict[str, RankCorrelation]:
    """`network on target` -> rank correlation of its measured layers with their ACE."""
    ranks: dict[str, RankCorrelation] = {}
    for place in dict.fromkeys(row.place() for row in rows):
        pairs = [
            (float(row.ace), row.joules)
            for row in rows
            if row.place() == place and row.scope == LAYER and row.ace
        ]
        found = rank_correlation([a for a, _ in pairs], [j for _, j in pairs])
        if found is not None:
            ranks[place] = found
    return ranks


def _same(found: Measurement, networks: Sequence[NetworkEnergy]) -> list[NetworkEnergy]:
    same = [n for n in networks if (n.network, n.target) == (found.network, found.target)]
    if len({tuple((x.name, tuple(x.ace.items())) for x in n.layers) for n in same}) > 1:
        raise FlowError(
            f"the works of {found.network} on {found.target} are of different networks, as their ACE differ; give one "
            "of them beside the measurement"
        )
    return same
