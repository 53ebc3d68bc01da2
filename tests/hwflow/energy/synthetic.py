"""Characterisations with known truth."""

from __future__ import annotations

from collections.abc import Mapping

from hwflow.energy.characterisation import (
    OPERATIONS,
    UNITS,
    Characterisation,
    EnergySplit,
    Interval,
    LibraryRecord,
    Operands,
    UnitCharacterisation,
    UnitName,
)

OPERATIONS_PER_CYCLE: Mapping[UnitName, int] = {
    "binary_pe": 32,
    "mac8_pe": 1,
    "mac4_pe": 1,
    "bf16_mac": 1,
    "vector_lane": 1,
    "feature_periphery": 1,
    "binary_operands": 32,
    "mac8_operands": 1,
    "mac4_operands": 1,
    "bf16_operands": 1,
}
DATAPATH: Mapping[UnitName, float] = {
    "binary_pe": 1e-15,
    "mac4_pe": 16e-15,
    "mac8_pe": 64e-15,
    "bf16_mac": 256e-15,
    "vector_lane": 300e-15,
    "feature_periphery": 500e-15,
    "binary_operands": 0.5e-15,
    "mac8_operands": 4e-15,
    "mac4_operands": 2e-15,
    "bf16_operands": 8e-15,
}
"""Joules of an operation's logic: exactly 1 fJ an ACE where ACE counts."""


def split(parts: Mapping[str, float], relative: float) -> EnergySplit:
    """Parts in joules, each with an interval of +- `relative`."""
    values = [parts.get(name, 0.0) for name in ("datapath", "registers", "clock", "leakage")]
    intervals = [
        Interval(v, v * (1 - relative), v * (1 + relative)) for v in (*values, sum(values))
    ]
    return EnergySplit(*intervals)


def unit(
    name: UnitName,
    *,
    operands: Operands = "recorded",
    busy: Mapping[str, float] | None = None,
    idle: float = 2e-15,
    relative: float = 0.02,
    period: float = 1e-8,
) -> UnitCharacterisation:
    """A unit whose operation takes `busy` joules by part, and a cycle without one `idle` joules of clock."""
    return UnitCharacterisation(
        unit=name,
        operation=OPERATIONS[name],
        parameters={},
        operands=operands,
        operations=1024,
        masked=0,
        operations_per_cycle=OPERATIONS_PER_CYCLE[name],
        segments=12,
        cycles=2048,
        period=period,
        cells=100,
        area=1.0,
        per_operation=split(busy or {"datapath": DATAPATH[name], "clock": 4e-15}, relative),
        idle_per_cycle=split({"clock": idle}, relative),
        netlist="0" * 64,
        stimulus="1" * 64,
    )


def characterisation(
    *units: UnitCharacterisation, library: str = "osu018 synthetic"
) -> Characterisation:
    """All units as `unit` makes them, those given in place of theirs."""
    given = {(each.unit, each.operands) for each in units}
    rest = [unit(name) for name in UNITS if (name, "recorded") not in given]
    return Characterisation(
        library=LibraryRecord(library, {}, 1.8),
        network="none",
        target="sim-small",
        images=1,
        seed=0,
        tools={},
        command="none",
        units=(*units, *rest),
    )
