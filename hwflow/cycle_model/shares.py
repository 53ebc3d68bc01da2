"""Where a frame's cycles go, layer by layer, and what binds (evidence `cycle-model`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from hwflow.bound import compute_cycles, frame_bound
from hwflow.compiler.program import Program
from hwflow.cycle_model.activity import Activity
from hwflow.cycle_model.model import FrameTiming, simulate_cycles
from hwflow.isa import INSTRUCTION_BYTES, Op

CAUSES = ("array", "lanes", "MACs", "memory", "scalar", "setup", "drain")
"""What a cycle is spent on or waits for: binary array, vector lanes, MAC array, memory, scalar engine."""


@dataclass(frozen=True, kw_only=True)
class LayerShare:
    """A layer's share of the frame, from the end of the one before to its own.

    bound: c_l, least cycles of its array, lanes or MACs (hwflow/bound.py). beats: its instructions and what its LOADs read.
    causes: its cycles by CAUSES, zero ones left out; binds: the largest.
    """

    layer: int
    name: str
    cycles: int
    bound: float
    beats: int
    causes: Mapping[str, int]

    @property
    def binds(self) -> str:
        """The cause that took most cycles."""
        return max(self.causes, key=lambda cause: self.causes[cause])


@dataclass(frozen=True, kw_only=True)
class FrameShares:
    """A frame's cycles from start to last logit, shared out.

    total: start to `done`, after which the next frame may begin. occupancy: useful binary MACs / (P*cycles).
    bytes: read and written, by isa.END_COUNTERS.
    """

    cycles: int
    total: int
    bound: int
    occupancy: float
    port_beats: int
    bytes: Mapping[str, int]
    layers: tuple[LayerShare, ...]

    @property
    def utilisation(self) -> float:
        """Frame bound / cycles."""
        return self.bound / self.cycles

    def causes(self) -> dict[str, int]:
        """Cycles of the frame by cause."""
        return {cause: sum(la.causes.get(cause, 0) for la in self.layers) for cause in CAUSES}

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        layers = [{**asdict(la), "binds": la.binds} for la in self.layers]
        return {
            "evidence": "cycle-model",
            "cycles": self.cycles,
            "total": self.total,
            "frame_bound": self.bound,
            "utilisation": round(self.utilisation, 4),
            "array_occupancy": round(self.occupancy, 4),
            "port_beats": self.port_beats,
            "bytes": dict(self.bytes),
            "causes": self.causes(),
            "layers": layers,
        }


def frame_shares(
    program: Program,
    *,
    latency: int = 8,
    bandwidth: Fraction = Fraction(1),
    steady: bool = False,
    observe: Callable[[Activity], None] | None = None,
) -> FrameShares:
    """Simulates a frame's control and shares out its cycles; steady, observe: see `simulate_cycles`."""
    frame = simulate_cycles(
        program.instructions,
        program.config,
        latency=latency,
        bandwidth=bandwidth,
        steady=steady,
        observe=observe,
    )
    config = program.config
    useful = sum(each.useful for each in program.counts() if each.macs_class == "1x1")
    spilled = frame.bytes.get("bytes_spill_written", 0)
    return FrameShares(
        cycles=frame.cycles,
        total=frame.total,
        bound=frame_bound(program),
        occupancy=useful / (config.binary_macs * frame.cycles),
        port_beats=(sum(frame.bytes.values()) - spilled) // config.memory_bytes,
        bytes=frame.bytes,
        layers=tuple(_layers(program, frame)),
    )


def _layers(program: Program, frame: FrameTiming) -> list[LayerShare]:
    names = {layer.number: layer.name for layer in program.manifest.layers}
    bounds = compute_cycles(program)
    beats = dict.fromkeys(names, 0)
    for each in program.instructions:
        beats[each["layer"]] += INSTRUCTION_BYTES // program.config.memory_bytes
        if each["op"] == Op.LOAD:
            beats[each["layer"]] += each["beats"]
    shares: list[LayerShare] = []
    before = 0
    handover = min(
        (b.start - a.end for a, b in zip(frame.layers, frame.layers[1:], strict=False)), default=0
    )
    for layer in frame.layers:
        units = bounds[layer.layer]
        compute = max(units, key=lambda unit: units[unit])
        spent = layer.cycles
        # Between two CONVs the sequencer reports the one and accepts the next; longer gaps wait for the loader.
        gap = layer.start - before - 1
        waited = max(0, gap - handover + 1)
        causes = {
            compute: spent["issue"] + spent["stall_interval"],
            "memory": spent["stall_weights"] + spent["stall_stream"] + layer.starved + waited,
            "scalar": spent["stall_scale"] - layer.starved,
            "setup": spent["setup"],
            "drain": spent["drain"] + gap - waited,
        }
        shares.append(
            LayerShare(
                layer=layer.layer,
                name=names[layer.layer],
                cycles=layer.end - before,
                bound=units[compute],
                beats=beats[layer.layer],
                causes={cause: n for cause, n in causes.items() if n},
            )
        )
        before = layer.end
    number, dense = frame.scalars[-1].layer, frame.dense
    causes = {"MACs": dense.steps, "memory": dense.memory, "scalar": dense.chain}
    shares.append(
        LayerShare(
            layer=number,
            name=names[number],
            cycles=frame.cycles - before,
            bound=max(bounds[number].values()),
            beats=beats[number],
            causes={cause: n for cause, n in causes.items() if n},
        )
    )
    return shares
