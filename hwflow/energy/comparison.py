"""ACE against energy: per precision, per layer, and what ACE does not count.

Figures at gate level and figures of a board are reported beside each other and never enter one fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hwflow.energy.beside import BoardRow, board_ranks, board_rows, missing
from hwflow.energy.characterisation import (
    EVIDENCE,
    OPERAND_REGISTERS,
    PARTS,
    Characterisation,
    Interval,
    Operands,
    UnitCharacterisation,
    UnitName,
)
from hwflow.energy.layers import DATAPATH, SCOPES, ScopeFit, scope_fit
from hwflow.energy.measurement import Measurement
from hwflow.energy.network import (
    ELEMENTWISE,
    EXTERNAL,
    IDLE,
    MAC_KINDS,
    ON_CHIP,
    OPERANDS,
    PADDING,
    PERIPHERY,
    NetworkEnergy,
)
from hwflow.energy.statistics import (
    Bounds,
    RankCorrelation,
    exponent,
    ratio,
)
from hwflow.errors import FlowError

PRECISIONS: dict[UnitName, tuple[str, int]] = {
    "binary_pe": ("1x1", 1),
    "mac4_pe": ("4x4", 16),
    "mac8_pe": ("8x8", 64),
    "bf16_mac": ("bf16", 256),
}
"""Units that multiply: what they are called, and the ACE of one of their MACs (bits times bits)."""

ALL_IN, WITH_OPERANDS = "all-in", "with operands"
ACCOUNTINGS = (DATAPATH, ALL_IN, WITH_OPERANDS)
"""What is counted of a MAC: its logic alone; also its element's registers, clock and leakage; also the registers outside
the element that hold its operands."""


@dataclass(frozen=True, kw_only=True)
class PrecisionRow:
    """Energy of one MAC of one precision, in joules, and its ratio to the binary one's.

    energy: with the interval over segments. relative_to_ace: ratio / ACE, 1 where ACE holds.
    """

    library: str
    operands: str
    accounting: str
    precision: str
    ace: int
    energy: Interval
    per_ace: float
    ratio: Bounds
    relative_to_ace: float


@dataclass(frozen=True, kw_only=True)
class ExponentRow:
    """b of energy = a * ACE**b over the precisions of one library; 1 where ACE holds."""

    library: str
    operands: str
    accounting: str
    precisions: tuple[str, ...]
    exponent: Bounds


@dataclass(frozen=True, kw_only=True)
class ShareRow:
    """Shares of a network's energy; they add up to 1. counted: the datapath of the MACs that ACE counts."""

    network: str
    target: str
    library: str
    joules: float
    low: float
    high: float
    shares: dict[str, float]

    @property
    def counted_of_logic(self) -> float:
        """The datapath of MACs of the energy of all logic, memories left out."""
        return self.shares[COUNTED] / (1 - self.shares[ON_CHIP] - self.shares[EXTERNAL])

    @property
    def uncounted(self) -> float:
        """What ACE does not count."""
        return 1 - self.shares[COUNTED]


COUNTED = "datapath of MACs"
OVERHEAD = "their registers, clock, leakage"
SHARES = (COUNTED, OVERHEAD, OPERANDS, PADDING, ELEMENTWISE, PERIPHERY, IDLE, ON_CHIP, EXTERNAL)
"""Kinds of a network's energy in the order in which they are drawn; ACE counts the first."""
SHORT_SHARES = {
    COUNTED: "MACs",
    OVERHEAD: "their rest",
    OPERANDS: "oper.",
    ELEMENTWISE: "lanes",
    PERIPHERY: "periph.",
    ON_CHIP: "on chip",
    EXTERNAL: "ext.",
}
"""Heads of columns where they are shorter than the kind."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All tables. board_ranks: `network on target` -> rank correlation of measured layers with their ACE.

    missing: what keeps a measurement from having its ACE beside it, a line each.
    """

    precisions: tuple[PrecisionRow, ...]
    exponents: tuple[ExponentRow, ...]
    fits: tuple[ScopeFit, ...]
    shares: tuple[ShareRow, ...]
    board: tuple[BoardRow, ...]
    board_ranks: dict[str, RankCorrelation]
    missing: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready dictionary; energies in joules."""
        return {
            "evidence": {
                "precisions": EVIDENCE,
                "layers": "estimate",
                "shares": "estimate",
                "board": "board",
                "board estimates": "estimate",
            },
            "intervals": "95%: Fieller for ratios, HC3 for fits, bootstrap over layers for Spearman's rank correlation",
            "precisions": [asdict(row) for row in self.precisions],
            "exponents": [asdict(row) for row in self.exponents],
            "layers": [asdict(row) for row in self.fits],
            "shares": [
                asdict(row) | {"uncounted": row.uncounted, "counted_of_logic": row.counted_of_logic}
                for row in self.shares
            ],
            "board": [asdict(row) for row in self.board],
            "board_ranks": {name: asdict(each) for name, each in self.board_ranks.items()},
            "missing": list(self.missing),
        }


def compare(
    characterisations: Sequence[Characterisation],
    networks: Sequence[NetworkEnergy],
    measurements: Sequence[Measurement] = (),
) -> Comparison:
    """Every table of ACE against energy.

    Raises:
        FlowError: two characterisations of one library, one without a binary unit, a measured layer that its network
            does not have.
    """
    names = [each.library.name for each in characterisations]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise FlowError(f"library {twice[0]} is characterised twice; give one file of it")
    precisions = [row for each in characterisations for row in precision_rows(each)]
    board = [row for each in measurements for row in board_rows(each, networks)]
    return Comparison(
        precisions=tuple(precisions),
        exponents=tuple(_exponents(precisions)),
        fits=tuple(scope_fit(each, scope) for each in networks for scope in SCOPES),
        shares=tuple(share_row(each) for each in networks),
        board=tuple(board),
        board_ranks=board_ranks(board),
        missing=tuple(missing(measurements, networks)),
    )


def precision_rows(found: Characterisation) -> list[PrecisionRow]:
    """A row for each kind of operands, accounting and precision that was characterised, the binary one first."""
    rows: list[PrecisionRow] = []
    kinds: tuple[Operands, ...] = ("recorded", "random")
    for operands in kinds:
        units: dict[UnitName, UnitCharacterisation] = {
            each.unit: each for each in found.units if each.operands == operands
        }
        if not units.keys() & PRECISIONS.keys():
            continue
        binary = found.unit("binary_pe", operands)
        for accounting in ACCOUNTINGS:
            below = _energy(binary, units, accounting)
            for unit, (name, ace) in PRECISIONS.items():
                energy = None if unit not in units else _energy(units[unit], units, accounting)
                if energy is None or below is None:
                    continue
                segments = (units[unit].segments, binary.segments)
                relative = ratio(energy, below, segments)
                if unit == "binary_pe":
                    relative = Bounds(value=1.0, low=1.0, high=1.0)
                rows.append(
                    PrecisionRow(
                        library=found.library.name,
                        operands=operands,
                        accounting=accounting,
                        precision=name,
                        ace=ace,
                        energy=energy,
                        per_ace=energy.mean / ace,
                        ratio=relative,
                        relative_to_ace=relative.value / ace,
                    )
                )
    return rows


def _energy(
    unit: UnitCharacterisation, units: Mapping[UnitName, UnitCharacterisation], accounting: str
) -> Interval | None:
    """A MAC's energy; None without its operand registers. Their interval is added to the element's, which is wide."""
    split = unit.per_operation
    if accounting == DATAPATH:
        return split.datapath
    if accounting == ALL_IN:
        return split.total
    registers = units.get(OPERAND_REGISTERS[unit.unit])
    if registers is None:
        return None
    both = (split.total, registers.per_operation.total)
    return Interval(*(sum(getattr(x, name) for x in both) for name in ("mean", "low", "high")))


def _exponents(rows: Sequence[PrecisionRow]) -> list[ExponentRow]:
    found: list[ExponentRow] = []
    for key in dict.fromkeys((r.library, r.operands, r.accounting) for r in rows):
        those = [r for r in rows if (r.library, r.operands, r.accounting) == key]
        if len(those) > 1:
            slope = exponent([r.ace for r in those], [r.energy.mean for r in those])
            names = tuple(r.precision for r in those)
            found.append(
                ExponentRow(
                    library=key[0], operands=key[1], accounting=key[2],
                    precisions=names, exponent=slope,
                )
            )  # fmt: skip
    return found


def share_row(network: NetworkEnergy) -> ShareRow:
    """The shares of a network's energy."""
    whole = network.energy()
    macs = MAC_KINDS.values()
    parts = {
        COUNTED: network.energy(macs, [DATAPATH]).mean,
        OVERHEAD: network.energy(macs, PARTS[1:]).mean,
    }
    parts |= {kind: network.energy([kind]).mean for kind in SHARES if kind not in parts}
    return ShareRow(
        network=network.network,
        target=network.target,
        library=network.library,
        joules=whole.mean,
        low=whole.mean - whole.half,
        high=whole.mean + whole.half,
        shares={kind: joules / whole.mean for kind, joules in parts.items()},
    )
