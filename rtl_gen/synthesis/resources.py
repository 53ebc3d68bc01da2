"""What a netlist takes of an ECP5, by unit.

Flattened, a cell's unit is told by its name: Yosys names a cell after the net it drives, and a net inside a unit after
the unit's instances (`front_end.binary.pe_0.count`). Logic that units share, or that is moved between them, counts for
the unit whose net it drives.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SCOPE = "$scopeinfo"
"""Cells without logic in which Yosys keeps the names of the instances that it flattened."""
EBR_BITS = 18 * 1024
"""Of a block RAM."""
DPR_BITS, DPR_LUTS = 64, 6
"""Bits of a distributed memory, and the LUT4 it takes: 4 of storage, 2 that its write port hides."""


@dataclass(frozen=True)
class Resources:
    """Cells of an ECP5.

    lut4: LUT4 cells. carry: CCU2C cells, each with the two LUT4 of a slice. ff: flip-flops. dpr: distributed memories of
    16 words of 4 bits. ebr: block RAMs of 18 Kbit. mult: 18x18 multipliers.
    """

    lut4: int = 0
    carry: int = 0
    ff: int = 0
    dpr: int = 0
    ebr: int = 0
    mult: int = 0

    @property
    def luts(self) -> int:
        """LUT4 taken in all: LUT4, 2 a CCU2C, `DPR_LUTS` a distributed memory.

        Source: Lattice FPGA-TN-02204, distributed memory takes three slices of a PFU, a CCU2C one.
        """
        return self.lut4 + 2 * self.carry + DPR_LUTS * self.dpr

    def __add__(self, other: Resources) -> Resources:
        """Both together."""
        return Resources(
            *(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__)
        )

    @classmethod
    def of(cls, cells: Mapping[str, int]) -> Resources:
        """From counts by cell type; types without a field here (muxes inside slices) are not counted."""
        return cls(
            lut4=cells.get("LUT4", 0),
            carry=cells.get("CCU2C", 0),
            ff=cells.get("TRELLIS_FF", 0),
            dpr=cells.get("TRELLIS_DPR16X4", 0),
            ebr=cells.get("DP16KD", 0),
            mult=cells.get("MULT18X18D", 0),
        )


def cells_by_unit(netlist: Mapping[str, Any], top: str) -> dict[str, Counter[str]]:
    """Counts of cell types by unit: path of instances below `top` ("" the top itself), sorted by path.

    A path's counts are its own, without those of the units in it.

    Args:
        netlist: Yosys's JSON without the library's modules, flattened or not.
        top: the top module.
    """
    found: dict[str, Counter[str]] = {}
    _walk(netlist["modules"], top, "", found)
    return {path: found[path] for path in sorted(found) if found[path]}


def by_unit(cells: Mapping[str, Mapping[str, int]], depth: int) -> dict[str, Resources]:
    """Resources of the units at most `depth` instances below the top, what lies deeper included."""
    sums: dict[str, Resources] = {}
    for path, counts in cells.items():
        unit = ".".join(path.split(".")[:depth])
        sums[unit] = sums.get(unit, Resources()) + Resources.of(counts)
    return sums


def _walk(
    modules: Mapping[str, Any], module: str, path: str, found: dict[str, Counter[str]]
) -> None:
    cells: Mapping[str, Any] = modules[module]["cells"]
    scopes = {name for name, cell in cells.items() if cell["type"] == SCOPE}
    nets = _units_of_nets(modules[module]["netnames"], scopes)
    for name, cell in cells.items():
        kind = cell["type"]
        if kind == SCOPE:
            continue
        if kind in modules:
            _walk(modules, kind, _join(path, name), found)
            continue
        unit = _scope(name, scopes) or _unit_of_net(name, nets)
        found.setdefault(_join(path, unit), Counter())[kind] += 1


def _units_of_nets(netnames: Mapping[str, Any], scopes: set[str]) -> dict[str, str]:
    """For nets of the top (its ports): the deepest unit in which one of their bits has a name, too."""
    units: dict[int, str] = {}
    for name, net in netnames.items():
        unit = _scope(name, scopes)
        for bit in net["bits"] if unit else ():
            if isinstance(bit, int) and len(unit) > len(units.get(bit, "")):
                units[bit] = unit
    found: dict[str, str] = {}
    for name, net in netnames.items():
        inside = [units[bit] for bit in net["bits"] if bit in units]
        if inside and not _scope(name, scopes):
            found[name] = max(inside, key=len)
    return found


def _unit_of_net(cell: str, nets: Mapping[str, str]) -> str:
    """The unit of the net after which a cell of the top is named, as `sum` in `sum_TRELLIS_FF_Q_DI_CCU2C_S0`."""
    cuts = [match.start() for match in re.finditer("_", cell)]
    return next((nets[cell[:cut]] for cut in reversed(cuts) if cell[:cut] in nets), "")


def _scope(name: str, scopes: set[str]) -> str:
    """The longest instance path that `name` begins with."""
    dots = [match.start() for match in re.finditer(r"\.", name)]
    return next((name[:dot] for dot in reversed(dots) if name[:dot] in scopes), "")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name
