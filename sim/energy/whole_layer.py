"""A whole layer of one instance at gate level, against the layer's counters times the unit's characterisation.

The direct figure uses no average: every cycle of the layer is simulated with the operands that the instance had. The
difference is what an average over segments of all layers misses in this one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hwflow.compiler.program import Program
from hwflow.energy.cells import Library
from hwflow.energy.characterisation import EVIDENCE, PARTS, Characterisation
from hwflow.energy.delays import analyse
from hwflow.energy.power import energies
from hwflow.energy.quantity import Quantity, times, total
from hwflow.errors import FlowError
from hwflow.isa import Op
from rtl_gen.synthesis.liberty import map_to_library
from sim.energy.stimuli import Driven, UnsettledError
from sim.energy.units import Unit
from sim.gates.simulate import simulate
from sim.recording import Layer, Recording

Progress = Callable[[str, int, int], None]
"""Called with what is being done, and how much of how much."""

CONVOLUTIONS = {"binary_pe": 0, "mac8_pe": 1}
"""Units whose steps the counter `issue` of a layer counts, and field `mac` of the layers' instruction."""


ESTIMATE = "estimate"
EVIDENCE_OF = {"direct": EVIDENCE, **dict.fromkeys(("predicted", "low", "high"), ESTIMATE)}
"""Field of a LayerCheck -> its evidence level."""


@dataclass(frozen=True)
class Energies:
    """Joules by part."""

    datapath: float
    registers: float
    clock: float
    leakage: float
    total: float


@dataclass(frozen=True, kw_only=True)
class LayerCheck:
    """One layer of one instance, in joules.

    operations: by the counter `issue`. predicted: with the interval of the characterisation. difference: predicted / direct
    - 1. inside: whether the direct figure lies in that interval.
    """

    unit: str
    instance: str
    layer: str
    image: int
    library: str
    cycles: int
    operations: int
    direct: Energies
    predicted: Energies
    low: float
    high: float

    @property
    def difference(self) -> float:
        """Relative, of the totals."""
        return self.predicted.total / self.direct.total - 1

    @property
    def inside(self) -> bool:
        """Whether the prediction's interval holds the direct figure."""
        return self.low <= self.direct.total <= self.high

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready dictionary, with the evidence of each side."""
        return asdict(self) | {
            "difference": self.difference,
            "inside": self.inside,
            "unit_of_energy": "J",
            "evidence": EVIDENCE_OF,
        }


def check_layers(
    unit: Unit,
    recording: Recording,
    library: Library,
    characterisation: Characterisation,
    *,
    names: Sequence[str] = (),
    instances: int = 1,
    image: int = 0,
    keep: Path | None = None,
    progress: Progress | None = None,
) -> list[LayerCheck]:
    """Layers of one image in which the unit works, on its first `instances` recorded instances.

    Args:
        unit: binary_pe or mac8_pe.
        recording: of its instances.
        library: cells to map to.
        characterisation: of the same unit in the same library on recorded operands.
        names: of layers; all when none is given, but those before which nothing settles the unit.
        instances: how many.
        image: number of the recorded image.
        keep: folder for mapped netlists.
        progress: see Progress.

    Raises:
        FlowError: another unit, netlist or layer than those characterised and recorded, counters that differ from the
            recorded steps, or what mapping and simulation complain of.
    """
    if unit.name not in CONVOLUTIONS:
        raise FlowError(f"{unit.name}: whole layers are checked of {', '.join(CONVOLUTIONS)}")
    tell = progress or (lambda what, done, total: None)
    issues = _issues(recording.program, unit.name)
    layers = _chosen(recording, issues, names, image)
    tell(f"mapping {unit.name}", 0, 1)
    found = characterisation.unit(unit.name)
    driven = Driven(unit, recording)
    circuit = map_to_library(driven.design.text, unit.name, library, keep=keep)
    if circuit.digest != found.netlist:
        raise FlowError(
            f"the characterisation of {characterisation.library.name} is of another netlist of {unit.name} than the "
            "one of this target and library; make it again with hwflow energy characterise"
        )
    timing = analyse(circuit)
    checks: list[LayerCheck] = []
    for trace in range(min(instances, len(driven.traces))):
        for layer in layers:
            tell(f"{layer.name}", len(checks), len(layers) * instances)
            try:
                stimulus, operations = driven.layer(layer, trace)
            except UnsettledError:
                if names:
                    raise
                continue
            counted = issues[layer.name] * unit.per_cycle
            if counted != operations:
                raise FlowError(
                    f"{layer.name}: {unit.name} began {operations} operations, its counter says {counted}; "
                    "record it again from the same sources"
                )
            activity = simulate(circuit, stimulus, period=found.period, timing=timing)
            (direct,) = energies(circuit, activity)
            cycles = layer.stop - layer.start
            idle = cycles - operations / unit.per_cycle
            parts = {
                part: total(
                    (
                        times(operations, getattr(found.per_operation, part), "busy"),
                        times(idle, getattr(found.idle_per_cycle, part), "idle"),
                    )
                )
                for part in (*PARTS, "total")
            }
            whole: Quantity = parts["total"]
            checks.append(
                LayerCheck(
                    unit=unit.name,
                    instance=driven.traces[trace].instance,
                    layer=layer.name,
                    image=layer.image,
                    library=library.name,
                    cycles=cycles,
                    operations=operations,
                    direct=Energies(*(float(getattr(direct, part)) for part in (*PARTS, "total"))),
                    predicted=Energies(*(parts[part].mean for part in (*PARTS, "total"))),
                    low=whole.mean - whole.half,
                    high=whole.mean + whole.half,
                )
            )
    if not checks:
        raise FlowError(
            f"{unit.name}: no layer of image {image} can be checked; take a later --image"
        )
    return checks


def _issues(program: Program, unit: str) -> dict[str, int]:
    """Layer name -> steps of the convolutions that the unit executes; the RTL's counter is held to it in every run."""
    names = {layer.number: layer.name for layer in program.manifest.layers}
    macs = {each["layer"]: each["mac"] for each in program.instructions if each["op"] == Op.CONV}
    return {
        names[each.layer]: each.issue
        for each in program.counts()
        if each.unit == "conv" and macs[each.layer] == CONVOLUTIONS[unit]
    }


def _chosen(
    recording: Recording, issues: dict[str, int], names: Sequence[str], image: int
) -> list[Layer]:
    for name in names:
        if name not in issues:
            raise FlowError(
                f"--layer {name}: the unit has no such layer; it has {', '.join(issues)}"
            )
    found = [
        layer
        for layer in recording.layers
        if layer.image == image and layer.name in (names or issues)
    ]
    if not found:
        raise FlowError(f"image {image} was not recorded; record more --images")
    return found
