"""Which units share a Verilog top, and the benches that run on each.

All benches of a unit are of the same circuit: the first one's `dut` is what is compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sim.benches import arrays
from sim.benches.unit import UnitBench, UnitTop

Table = Mapping[str, Sequence[Callable[[], UnitBench]]]

DATAPATH: Table = {
    "binary_pe": [arrays.binary_pe],
    "mac_pe": [arrays.mac_pe],
    "popcount": [arrays.popcount],
}

TABLES: Mapping[str, Table] = {"datapath": DATAPATH}


def top(table: Table) -> UnitTop:
    """The units of a table in one module."""
    return UnitTop({name: benches[0]().dut for name, benches in table.items()})
