"""What a search found, as JSON, CSV and plots."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hwflow.explore.evaluate import Result, Setup
from hwflow.explore.pareto import OBJECTIVES, front, objectives, ranked
from hwflow.explore.reasons import counted
from hwflow.explore.space import CLOCK, RESOURCES, Space

FORMAT, VERSION = "hwflow-explore", 1
NUMBERS = ("cycles", "binary_macs", "flip_flops")
"""What a row has beside the objectives."""
EVIDENCE = {
    "cycles": "cycle-model",
    "frames_per_second": "cycle-model at the stated clock",
    "lut4": "estimate (fitted to synthesis)",
    "flip_flops": "estimate (fitted to synthesis)",
    "block_rams": "estimate (fitted to synthesis)",
    "multipliers": "estimate (fitted to synthesis)",
    "energy": "estimate (an ASIC's, not the FPGA's: gate-level units, published memories)",
    "top1": "integer",
}


@dataclass(frozen=True, kw_only=True)
class Found:
    """A search's outcome. results: of every point, those drawn in the space's order first. drawn: how many of them were.

    baselines: the hand-written target's result at every clock of the space. models: SHA-256 of code and data that results
    depend on.
    """

    space: Space
    setup: Setup
    seed: int
    drawn: int
    results: list[Result]
    baselines: Sequence[Result]
    models: str

    @property
    def baseline(self) -> Result | None:
        """The hand-written target's result to compare the best design with: that at its clock."""
        best = self.choices()["any"]
        clock = best and best["point"][CLOCK]
        same = [each for each in self.baselines if each["point"][CLOCK] == clock]
        return next(iter([*same, *self.baselines]), None)

    def choices(self) -> dict[str, Result | None]:
        """The best design, and the best among those with the space's least binary MACs a cycle."""
        least = self.space.least_binary_macs
        top1 = least_top1(self.space, self.setup)
        chosen = {"any": next(iter(ranked(self.results, least_top1=top1)), None)}
        if least:
            chosen[f"at least {least} binary MACs"] = next(
                iter(ranked(self.results, least, top1)), None
            )
        return chosen

    def to_dict(self) -> dict[str, Any]:
        """For JSON: same search, same bytes."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "space": self.space.name,
            "network": self.setup.network.name,
            "network_hash": self.setup.network.content_hash(),
            "models_hash": self.models,
            "library": self.setup.characterisation.library.name
            if self.setup.characterisation
            else None,
            "seed": self.seed,
            "combinations": self.space.size,
            "drawn": self.drawn,
            "points": len(self.results),
            "feasible": sum(each["feasible"] for each in self.results),
            "infeasible": dict(counted(self.results)),
            "part": self.space.part.name,
            "limits": {name: self.space.part.limit(name) for name in RESOURCES},
            "memory": self.space.memory,
            "latency": self.setup.latency if self.setup.block_ram else None,
            "least_top1": least_top1(self.space, self.setup),
            "evidence": evidence(self.space),
            "order": [
                f"{'least' if sign > 0 else 'most'} {name}" for name, sign in OBJECTIVES.items()
            ],
            "objectives": objectives(self.results),
            "baseline": self.baseline and {"target": self.space.baseline, **self.baseline},
            "baselines": list(self.baselines),
            "choices": self.choices(),
            "front": front(self.results),
        }


def evidence(space: Space) -> dict[str, str]:
    """What is behind each number: behind cycles in front of SDRAM less than behind those in front of block RAM."""
    found = EVIDENCE | {"clock_mhz": space.clock_evidence}
    if space.memory == "sdram":
        found["cycles"] = "estimate (cycle-model at SDRAM speed)"
        found["frames_per_second"] = "estimate (cycle-model at SDRAM speed, at the stated clock)"
    return found


def least_top1(space: Space, setup: Setup) -> float:
    """What a design must have to be chosen: the network's most at any width of the space, less what may be lost."""
    known = [found for bits in setup.networks if (found := setup.top1(bits)) is not None]
    return max(known, default=0.0) - space.most_top1_loss


def text(values: dict[str, Any]) -> str:
    """A JSON document."""
    return json.dumps(values, indent=1, allow_nan=False) + "\n"


def table(results: Sequence[Result]) -> str:
    """CSV: a design a row, its parameters, the clock, then what it takes and gives; numbers in full."""
    stream = io.StringIO()
    names = [
        *(results[0]["config"] if results else ()),
        "clock_mhz",
        *NUMBERS,
        *OBJECTIVES,
        "extrapolated",
    ]
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(names)
    for each in results:
        values = {**each["config"], "clock_mhz": each["point"]["clock_mhz"], **each}
        values["extrapolated"] = " ".join(each["extrapolated"])
        rows.writerow(["" if values.get(name) is None else values[name] for name in names])
    return stream.getvalue()
