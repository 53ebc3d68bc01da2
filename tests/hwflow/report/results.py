"""Results of other commands for a small build, in the form in which they write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hwflow.ace import AceReport, count
from hwflow.compiler.program import Program
from hwflow.cycle_model import simulate_cycles
from hwflow.cycle_model.shares import frame_shares
from hwflow.energy.memory_constants import UNSCALED, memory_constants
from hwflow.energy.network import network_energy
from hwflow.energy.work import work
from hwflow.isa import LAYER_COUNTERS
from models.config import PokeBNNConfig
from tests.hwflow.energy.synthetic import characterisation


def simulation(program: Program) -> dict[str, Any]:
    """simulation.json of one image: cycles of the cycle model, which equal the RTL's; signatures are invented."""
    frame = simulate_cycles(program.instructions, program.config)
    counts = {each.layer: each for each in program.counts() if each.unit == "conv"}
    records: list[dict[str, Any]] = []
    for layer in frame.layers:
        counters = dict.fromkeys(LAYER_COUNTERS, 0) | layer.cycles
        counters |= {"start": layer.start, "end": layer.end}
        for name in ("useful", "masked", "k_padding", "channel_padding", "pixel_padding"):
            counters[name] = getattr(counts[layer.layer], name)
        records.append({"layer": layer.layer, "signature": f"{layer.end:08x}", **counters})
    units = [u for u in program.counts() if u.unit in ("se-hidden", "se-scale", "dense")]
    scalars = [
        {
            "layer": each.layer, "wide": each.wide, "start": each.start, "end": each.end,
            "steps": each.steps, "useful": unit.useful,
            "padding": unit.k_padding + unit.channel_padding,
        }
        for each, unit in zip(frame.scalars, units, strict=True)
    ]  # fmt: skip
    rows = [
        {
            "layer": each["layer"], "name": program.manifest.layer_name(each["layer"]), "array": "binary",
            "cycles": each["end"] - each["start"] + 1, "issue": each["issue"], "useful": each["useful"],
            "slots": 1, "utilisation": 0.5, "occupancy": 0.25, "stalls": 3, "signature": each["signature"],
        }
        for each in records
    ]  # fmt: skip
    image = {
        "image": 0,
        "cycles": frame.total,
        "logits": [1, -2, 3],
        "signature": "0badcafe",
        "layers": records,
        "scalars": scalars,
        "end": {"cycles": frame.cycles, **frame.bytes},
    }
    manifest = program.manifest
    return {
        "evidence": "rtl-sim",
        "network": manifest.network,
        "network_hash": manifest.network_hash,
        "schedule_hash": manifest.schedule_hash,
        "memory_hash": manifest.memory_hash,
        "cycle_model": frame.total,
        "passed": True,
        "layers": rows,
        "frames": [image],
    }


def save_simulation(program: Program, folder: Path) -> Path:
    """A folder of results of `hwflow sim`."""
    program.save(folder / "program")
    (folder / "simulation.json").write_text(json.dumps(simulation(program)))
    (folder / "summary.json").write_text(json.dumps({"images": 4, "top1": 0.75, "passed": True}))
    return folder


def board(program: Program) -> dict[str, Any]:
    """report.json of a board for the program's target, figures invented."""
    unit = {"luts": 900, "lut4": 800, "carry": 50, "ff": 700, "dpr": 0, "ebr": 4, "mult": 2}
    return {
        "network": program.manifest.network,
        "board": "ulx3s-85f",
        "part": "LFE5U-85F",
        "target": program.config.to_dict(),
        "memory": "block-ram",
        "clock_hz": 40_000_000,
        "fmax_mhz": 41.25,
        "slack_ns": 0.758,
        "seed": 1,
        "units": {"lanes": unit, "loader": {**unit, "ebr": 0}},
        "utilisation": {
            "LUT4": {"used": 1800, "available": 83640},
            "EBR": {"used": 189, "available": 208},
        },
        "critical_path": [{"unit": "loader", "logic_ns": 4.6, "routing_ns": 17.5}],
        "tools": {"yosys": "0.70", "nextpnr": "0.11.1"},
        "sha256": {"bitstream": "ab" * 32},
        "evidence": "post-route",
    }


def accuracy(program: Program) -> dict[str, Any]:
    """What `hwflow quantise --json` prints, figures invented; one layer is exact."""
    layer = {
        "name": "PokeInit",
        "exponent": 10,
        "t_saturated": 0,
        "y_saturated": 1,
        "flipped": 0.01,
    }
    return {
        "sha256": program.manifest.network_hash,
        "evidence": "integer",
        "images": 64,
        "agreement": 0.96875,
        "float_top1": 0.859375,
        "integer_top1": 0.890625,
        "layers": [{**layer, "snr_db": 20.64}, {**layer, "name": "exact", "snr_db": None}],
    }


def energy(program: Program, counted: PokeBNNConfig) -> list[dict[str, Any]]:
    """What `hwflow energy network --json` prints with two invented libraries."""
    report: AceReport = count(counted)
    done = work(program, report, shares=frame_shares(program))
    memories = memory_constants(UNSCALED)
    libraries = ("osu018 synthetic", "sky130 synthetic")
    return [
        network_energy(done, characterisation(library=name), memories).to_dict()
        for name in libraries
    ]
