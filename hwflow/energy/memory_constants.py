"""Published energies of memory accesses (memories.yaml): looked up by library, size and width, never made up."""

from __future__ import annotations

import importlib.resources
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from hwflow.errors import FlowError, UnsuitableError, suggestion

PICO = 1e-12
UNSCALED = "unscaled"
"""Technology that takes the 45 nm figures as they are published, whatever the cells."""


@dataclass(frozen=True, kw_only=True)
class MemoryConstants:
    """Energies of accesses that go with one library's cells.

    technology: key of memories.yaml, or `UNSCALED`. sram: bank bytes -> joules a bit, ascending sizes. dram: joules a bit.
    sources: one line each. assumptions: what is not in a publication, one line each.
    """

    technology: str
    sram: Mapping[int, float]
    dram: float
    sources: tuple[str, ...]
    assumptions: tuple[str, ...]

    def sram_bit(self, bank_bytes: float) -> float:
        """Joules of one bit read from or written to a bank of `bank_bytes` bytes.

        Raises:
            FlowError: the bank is larger than any that was published.
        """
        sizes = list(self.sram)
        if bank_bytes <= sizes[0]:
            return self.sram[sizes[0]]
        for small, large in itertools.pairwise(sizes):
            if bank_bytes <= large:
                share = math.log(bank_bytes / small) / math.log(large / small)
                return self.sram[small] ** (1 - share) * self.sram[large] ** share
        raise UnsuitableError(
            f"a memory bank of {bank_bytes:.0f} bytes is larger than any with a published energy "
            f"({sizes[-1]} bytes); give a target with more banks or fewer rows"
        )


@cache
def _table() -> dict[str, Any]:
    text = (importlib.resources.files("hwflow.energy") / "memories.yaml").read_text()
    return yaml.safe_load(text)


def technologies() -> tuple[str, ...]:
    """What `memory_constants` knows."""
    return (*_table()["technologies"], UNSCALED)


def technology_of(library: str) -> str:
    """The technology whose name a library's name begins with or holds, letter case and separators aside.

    Raises:
        FlowError: the name holds no technology's; names the option that says which.
    """
    plain = "".join(c for c in library.lower() if c.isalnum())
    for name in _table()["technologies"]:
        if name in plain:
            return name
    raise FlowError(
        f"library {library!r}: no memory is known to go with its cells; say which with "
        f"--memory {'|'.join(technologies())}"
    )


def energy_factor(volts: float, a: float, b: float, c: float) -> float:
    """Energy of an operation in a process, up to a constant common to all (Stillmaker and Baas 2017, table 5)."""
    return a * volts**2 + b * volts + c


def memory_constants(technology: str) -> MemoryConstants:
    """The constants of a technology.

    Raises:
        FlowError: no such technology.
    """
    table = _table()
    if technology == UNSCALED:
        entry: dict[str, str] = {"sram": "45nm"}
    elif technology in table["technologies"]:
        entry = table["technologies"][technology]
    else:
        near, known = suggestion(technology, technologies()), ", ".join(technologies())
        raise FlowError(f"unknown memory technology {technology!r}{near}; known are {known}")
    sram, dram = table["sram"][entry["sram"]], table["dram"]
    factor, sources, assumptions = 1.0, [sram["source"], dram["source"]], []
    if "scaled" in entry:
        scaling = table["scaling"]
        old, new = (energy_factor(**scaling[node]) for node in (entry["sram"], entry["scaled"]))
        factor = new / old
        sources.append(scaling["source"])
        assumptions.append(
            f"on-chip memory of {entry['sram']} scales to {entry['scaled']} as logic does: x{factor:.3g}"
        )
    elif technology == UNSCALED:
        assumptions.append("on-chip memory as published for 45 nm, whatever the library")
    assumptions += [
        "between published sizes of SRAM log(energy) is linear in log(bytes); smaller ones cost as the smallest",
        "an access costs in proportion to its bits, a write as much as a read",
        f"DRAM costs the {dram['used']} end of its published range",
    ]
    return MemoryConstants(
        technology=technology,
        sram={
            int(size): factor * PICO * value / sram["access_bits"]
            for size, value in sorted(sram["picojoules"].items())
        },
        dram=PICO * dram["picojoules"][dram["used"]] / dram["access_bits"],
        sources=tuple(_citation(table["sources"][key]) for key in dict.fromkeys(sources)),
        assumptions=tuple(assumptions),
    )


def _citation(source: Mapping[str, Any]) -> str:
    return (
        f"{source['author']}, {source['title']}, {source['venue']}, {source['year']}, {source['where']}, "
        f"doi:{source['doi']}"
    )
