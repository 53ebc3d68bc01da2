"""The energy of a network: its work times characterised energies, and its memory accesses times published ones.

Every figure is an estimate: energies of units at gate level, counts of the RTL or of the cycle model, constants of
memories published. What it leaves out is listed in docs/ace-and-energy.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hwflow.energy.characterisation import (
    OPERAND_REGISTERS,
    PARTS,
    UNITS,
    Characterisation,
    EnergySplit,
    Operands,
    UnitCharacterisation,
    UnitName,
)
from hwflow.energy.memory_constants import MemoryConstants
from hwflow.energy.quantity import Quantity, times, total
from hwflow.energy.work import LayerWork, Macs, Work
from hwflow.errors import FlowError

MAC_KINDS = {1: "binary", 4: "4-bit", 8: "8-bit"}
OPERANDS, PADDING = "operand registers", "padding"
ELEMENTWISE, PERIPHERY = "elementwise", "memory periphery"
ON_CHIP, EXTERNAL, IDLE = "memory on chip", "memory external", "idle"
LOGIC = (*MAC_KINDS.values(), OPERANDS, PADDING, ELEMENTWISE, PERIPHERY, IDLE)
"""Kinds of work of logic, whose energies are characterised: MACs that ACE counts, by width; the registers that hold their
operands; slots of arrays and lanes that hold none; elements in vector lanes; logic around the feature memories; units
with nothing to do."""
KINDS = (*LOGIC, ON_CHIP, EXTERNAL)
"""With bits of memories on the chip, and bytes beside it, whose energies are published."""
SHORT = {OPERANDS: "operands", PERIPHERY: "periphery", ON_CHIP: "on chip", EXTERNAL: "external"}
"""Heads of columns where they are shorter than the kind."""
ACCESS = "access"
ALL_PARTS = (*PARTS, ACCESS)
"""Parts of an energy; ACCESS: of a memory, as a whole."""
AS_BUILT, DEDICATED = "as-built", "dedicated"
"""4-bit MACs on the 8-bit array that the accelerator has, or priced as if on units of 4 bits."""


@dataclass(frozen=True, kw_only=True)
class Term:
    """One kind and part of a layer's energy. source: unit or memory; events: how many of its operations."""

    kind: str
    part: str
    source: str
    events: float
    joules: Quantity


@dataclass(frozen=True, kw_only=True)
class LayerEnergy:
    """A layer's energy for one image. ace: width of the weights -> ACE."""

    layer: int
    name: str
    cycles: int
    ace: dict[int, int]
    terms: tuple[Term, ...]

    def energy(self, kinds: Iterable[str] = KINDS, parts: Iterable[str] = ALL_PARTS) -> Quantity:
        """The sum over kinds and parts."""
        wanted, of = frozenset(kinds), frozenset(parts)
        return total(t.joules for t in self.terms if t.kind in wanted and t.part in of)


@dataclass(frozen=True, kw_only=True)
class NetworkEnergy:
    """A network's energy for one image.

    macs: width of the weights -> MACs priced, equal to ACE's. unpriced: elementwise operations of units that nobody
    characterised, by name; unpriced_bound: joules they take at most, each priced as a whole element of a vector lane, which
    contains two multiplications and four additions. operands, four_bit, period: how the units were priced.
    """

    network: str
    target: str
    library: str
    evidence: dict[str, str]
    cycles: int
    period: float
    operands: str
    four_bit: str
    layers: tuple[LayerEnergy, ...]
    macs: dict[int, int]
    unpriced: dict[str, int]
    unpriced_bound: float
    memories: MemoryConstants
    assumptions: tuple[str, ...]

    def energy(self, kinds: Iterable[str] = KINDS, parts: Iterable[str] = ALL_PARTS) -> Quantity:
        """The sum over layers, kinds and parts."""
        wanted, of = tuple(kinds), tuple(parts)
        return total(layer.energy(wanted, of) for layer in self.layers)

    def ace(self) -> int:
        """Of the network."""
        return sum(sum(layer.ace.values()) for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready dictionary; energies in joules an image."""
        return {
            "network": self.network,
            "target": self.target,
            "library": self.library,
            "evidence": self.evidence,
            "cycles": self.cycles,
            "period": self.period,
            "operands": self.operands,
            "four_bit": self.four_bit,
            "ace": self.ace(),
            "macs": {str(bits): n for bits, n in self.macs.items()},
            "total": self.energy().to_dict(),
            "kinds": {
                kind: self.energy([kind]).to_dict()
                | {part: self.energy([kind], [part]).mean for part in ALL_PARTS}
                for kind in KINDS
            },
            "memories": self._by_source((ON_CHIP, EXTERNAL)),
            "layers": [
                {
                    "layer": layer.layer,
                    "name": layer.name,
                    "cycles": layer.cycles,
                    "ace": {str(bits): n for bits, n in layer.ace.items()},
                    "total": layer.energy().to_dict(),
                    "kinds": {kind: layer.energy([kind]).mean for kind in KINDS},
                    "parts": {part: layer.energy(parts=[part]).mean for part in ALL_PARTS},
                }
                for layer in self.layers
            ],
            "unpriced": self.unpriced,
            "unpriced_at_most": self.unpriced_bound,
            "memory_technology": self.memories.technology,
            "sources": list(self.memories.sources),
            "assumptions": list(self.assumptions),
        }

    def _by_source(self, kinds: Sequence[str]) -> dict[str, dict[str, float]]:
        """Memory -> events (bits on chip, bytes outside) and joules."""
        events: defaultdict[str, float] = defaultdict(float)
        joules: defaultdict[str, float] = defaultdict(float)
        for term in (t for layer in self.layers for t in layer.terms if t.kind in kinds):
            events[term.source] += term.events
            joules[term.source] += term.joules.mean
        return {name: {"events": events[name], "joules": joules[name]} for name in events}


def unit_name(name: str) -> UnitName:
    """The unit of that name; FlowError where there is none: work of another version."""
    for unit in UNITS:
        if unit == name:
            return unit
    raise FlowError(
        f"{name!r} is no unit that is characterised ({', '.join(UNITS)}); count the work again"
    )


class _Prices:
    """Energies of units on one kind of operands; says which parameters differ from the target's."""

    def __init__(
        self, found: Characterisation, operands: Operands, work: Work, four_bit: str
    ) -> None:
        self._found, self._operands, self._work = found, operands, work
        self._four_bit = four_bit
        self.assumptions: list[str] = []
        used = [*work.instances]
        if four_bit == DEDICATED:
            used.append("mac4_pe")
            self.assumptions.append("4-bit MACs as if on units of 4 bits, which are not built")
        else:
            self.assumptions.append("4-bit MACs on the 8-bit array, as built")
        names: list[UnitName] = []
        names.extend(unit_name(unit) for unit in used)
        for unit in tuple(names):
            if unit in OPERAND_REGISTERS:
                names.append(OPERAND_REGISTERS[unit])
        self._units: dict[str, UnitCharacterisation] = {
            unit: found.unit(unit, operands) for unit in names
        }
        for unit in work.instances:
            self._compare(self._units[unit])

    def _compare(self, unit: UnitCharacterisation) -> None:
        here, wanted = unit.operations_per_cycle, self._work.per_cycle[unit.unit]
        if here != wanted:
            self.assumptions.append(
                f"{unit.unit} was characterised with {here} operations a cycle, {self._work.target} has {wanted}: "
                "energy an operation is taken over, idle energy in proportion"
            )

    @property
    def period(self) -> float:
        """The clock's, which is one for all units.

        Raises:
            FlowError: units were characterised at several.
        """
        periods = {unit.period for unit in self._units.values()}
        if len(periods) > 1:
            raise FlowError(
                f"{self._found.library.name}: units were characterised at several clock periods "
                f"({', '.join(f'{1e9 * p:g} ns' for p in sorted(periods))}); make them again with one --clock-mhz"
            )
        return periods.pop()

    def mac_unit(self, macs: Macs) -> UnitName:
        """Whose energy a MAC is priced at."""
        dedicated = macs.bits == 4 and self._four_bit == DEDICATED
        return unit_name("mac4_pe" if dedicated else macs.unit)

    def operations(self, kind: str, unit: str, number: float) -> list[Term]:
        """Operations of a busy unit."""
        return self._terms(kind, unit, number, self._units[unit].per_operation, "busy")

    def idle(self, unit: str, cycles: float) -> list[Term]:
        """Idle cycles of instances of a unit, and of the registers of its operands."""
        element = unit_name(unit)
        names = [element, OPERAND_REGISTERS[element]] if element in OPERAND_REGISTERS else [element]
        terms: list[Term] = []
        for name in names:
            found = self._units[name]
            size = self._work.per_cycle[unit] / found.operations_per_cycle
            terms += self._terms(IDLE, name, cycles * size, found.idle_per_cycle, "idle")
        return terms

    def _terms(
        self, kind: str, unit: str, number: float, split: EnergySplit, how: str
    ) -> list[Term]:
        if not number:
            return []
        return [
            Term(
                kind=kind,
                part=part,
                source=unit,
                events=number,
                joules=times(number, getattr(split, part), f"{unit} {how}"),
            )
            for part in PARTS
        ]


def network_energy(
    work: Work,
    characterisation: Characterisation,
    memories: MemoryConstants,
    *,
    operands: Operands = "recorded",
    four_bit: str = AS_BUILT,
) -> NetworkEnergy:
    """Prices a network's work.

    Raises:
        FlowError: a unit is not characterised, units have several clock periods, a bank is larger than any published one,
            or MACs were lost on the way.
    """
    prices = _Prices(characterisation, operands, work, four_bit)
    layers = tuple(_layer(each, prices, memories) for each in work.layers)
    macs = _check(work, layers)
    unpriced: Counter[str] = Counter()
    for each in work.layers:
        unpriced.update(each.other)
    bound = total(
        t.joules for t in prices.operations(ELEMENTWISE, "vector_lane", sum(unpriced.values()))
    )
    return NetworkEnergy(
        network=work.network,
        target=work.target,
        library=characterisation.library.name,
        evidence={
            "energies": "gate-level",
            "counts": work.evidence,
            "memories": "published",
            "result": "estimate",
        },
        cycles=work.cycles,
        period=prices.period,
        operands=operands,
        four_bit=four_bit,
        layers=layers,
        macs=macs,
        unpriced=dict(sorted(unpriced.items())),
        unpriced_bound=bound.mean,
        memories=memories,
        assumptions=(*prices.assumptions, *memories.assumptions),
    )


def _layer(work: LayerWork, prices: _Prices, memories: MemoryConstants) -> LayerEnergy:
    terms: list[Term] = []
    for macs in work.macs:
        unit = prices.mac_unit(macs)
        terms += prices.operations(MAC_KINDS[macs.bits], unit, macs.macs)
        terms += prices.operations(PADDING, unit, macs.padding)
        registers = OPERAND_REGISTERS[unit]
        terms += prices.operations(OPERANDS, registers, macs.macs)
        terms += prices.operations(PADDING, registers, macs.padding)
    terms += prices.operations(ELEMENTWISE, "vector_lane", work.elements)
    terms += prices.operations(PADDING, "vector_lane", work.lane_slots - work.elements)
    terms += prices.operations(PERIPHERY, "feature_periphery", work.periphery)
    for unit, cycles in work.idle.items():
        terms += prices.idle(unit, cycles)
    for use in work.memories:
        joules = Quantity(use.bits * memories.sram_bit(use.bank_bytes))
        terms.append(
            Term(kind=ON_CHIP, part=ACCESS, source=use.memory, events=use.bits, joules=joules)
        )
    for kind, number in work.external.items():
        joules = Quantity(8 * number * memories.dram)
        terms.append(Term(kind=EXTERNAL, part=ACCESS, source=kind, events=number, joules=joules))
    return LayerEnergy(
        layer=work.layer,
        name=work.name,
        cycles=work.cycles,
        ace=work.ace(),
        terms=tuple(terms),
    )


def _check(work: Work, layers: Sequence[LayerEnergy]) -> dict[int, int]:
    """MACs priced, by width: those of ACE, none lost, none twice; slots likewise.

    Raises:
        FlowError: totals differ.
    """
    priced: Counter[str] = Counter()
    for term in (t for layer in layers for t in layer.terms):
        if term.part == PARTS[0] and term.source in ("binary_pe", "mac8_pe", "mac4_pe"):
            priced[term.kind] += round(term.events) if term.kind != IDLE else 0
    all_macs = [macs for layer in work.layers for macs in layer.macs]
    wanted = {MAC_KINDS[bits]: 0 for bits in MAC_KINDS} | {PADDING: 0}
    for macs in all_macs:
        wanted[MAC_KINDS[macs.bits]] += macs.macs
        wanted[PADDING] += macs.padding
    for kind, number in wanted.items():
        if priced[kind] != number:
            raise FlowError(
                f"{work.network}: {priced[kind]} MAC slots of kind {kind} have an energy, ACE and schedule have "
                f"{number}; this is a fault of hwflow.energy.network, report it"
            )
    ace = sum(macs.ace for macs in all_macs)
    by_width = {bits: wanted[kind] for bits, kind in MAC_KINDS.items()}
    if sum(bits * bits * number for bits, number in by_width.items()) != ace:
        raise FlowError(f"{work.network}: MACs by width do not add up to its {ace} ACE; report it")
    return by_width
