"""Results of other commands that a report shows, each held against the build it is about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from hwflow.compiler.program import Program
from hwflow.energy.measurement import Measurement
from hwflow.errors import FlowError


def read_json(path: Path, command: str) -> Any:
    """The JSON value in a file that `command` writes.

    Raises:
        FlowError: no such file, or no JSON.
    """
    if not path.is_file():
        raise FlowError(f"{path}: not found; write it with `{command}`")
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise FlowError(f"{path}: no JSON ({error}); write it with `{command}`") from error


def fields(path: Path, value: Any, names: Sequence[str], command: str) -> dict[str, Any]:
    """`value`, a mapping that has all of `names`.

    Raises:
        FlowError: it is none, or one is missing.
    """
    if not isinstance(value, dict):
        raise FlowError(f"{path}: no result of `{command}`; write it with that")
    found = cast(dict[str, Any], value)
    lost = [name for name in names if name not in found]
    if lost:
        raise FlowError(f"{path}: has no `{lost[0]}`; write it with `{command}`")
    return found


def simulation(folder: Path, program: Program) -> dict[str, Any]:
    """simulation.json and, where there is one, summary.json of a folder of `hwflow sim`, of this build.

    Raises:
        FlowError: missing, damaged, or of another build.
    """
    command = f"hwflow sim --out {folder}"
    path = folder / "simulation.json"
    names = ("network_hash", "schedule_hash", "memory_hash", "passed", "layers", "frames")
    found = fields(path, read_json(path, command), names, command)
    _same(path, "schedule", found["schedule_hash"], program.manifest.schedule_hash, command)
    _same(path, "memory image", found["memory_hash"], program.manifest.memory_hash, command)
    summary = folder / "summary.json"
    if summary.is_file():
        found["summary"] = fields(summary, read_json(summary, command), ("images",), command)
    return found


def board_report(path: Path, program: Program) -> dict[str, Any]:
    """report.json of `hwflow bitstream`, for this build's target.

    Raises:
        FlowError: missing, damaged, or of another target.
    """
    command = f"hwflow bitstream --target {program.config.name}"
    names = ("board", "part", "target", "units", "utilisation", "critical_path", "fmax_mhz",
             "clock_hz", "slack_ns", "seed", "tools", "sha256")  # fmt: skip
    found = fields(path, read_json(path, command), names, command)
    wanted = program.config.to_dict()
    if found["target"] != wanted:
        other = found["target"] if isinstance(found["target"], dict) else {}
        differ = sorted(key for key in wanted if other.get(key) != wanted[key])
        raise FlowError(
            f"{path}: is of another target ({', '.join(differ[:4]) or 'other fields'} differ from "
            f"{program.config.name}'s); run `{command}`"
        )
    return found


def accuracy(path: Path, program: Program) -> dict[str, Any]:
    """What `hwflow quantise --json` printed, of this build's network.

    Raises:
        FlowError: missing, damaged, or of another network.
    """
    command = "hwflow quantise --json > FILE"
    names = ("sha256", "images", "agreement", "float_top1", "integer_top1", "layers")
    found = fields(path, read_json(path, command), names, command)
    _same(path, "network", found["sha256"], program.manifest.network_hash, command)
    return found


def energy(path: Path, program: Program) -> list[dict[str, Any]]:
    """What `hwflow energy network --json` printed, one entry a library, of this network and target.

    Raises:
        FlowError: missing, damaged, or of another network or target.
    """
    command = "hwflow energy network --json > FILE"
    value = read_json(path, command)
    entries = cast(list[Any], value) if isinstance(value, list) else [value]
    names = ("network", "target", "library", "evidence", "ace", "total", "kinds", "layers")
    found = [fields(path, entry, names, command) for entry in entries]
    if not found:
        raise FlowError(f"{path}: holds no estimate; write it with `{command}`")
    for each in found:
        here = (each["network"], each["target"])
        wanted = (program.manifest.network, program.config.name)
        if here != wanted:
            raise FlowError(
                f"{path}: is of {here[0]} on {here[1]}, the report of {wanted[0]} on "
                f"{wanted[1]}; run `{command}` for it"
            )
    return found


def measurements(paths: Sequence[Path], program: Program) -> list[Measurement]:
    """Records of `hwflow energy measure`, of this build's network and target.

    Raises:
        FlowError: missing, damaged, or of another network or target.
    """
    command = "hwflow energy measure"
    found: list[Measurement] = []
    for path in paths:
        each = Measurement.load(path)
        manifest = program.manifest
        _same(path, "network", each.network, manifest.network, command)
        _same(path, "target", each.target, program.config.name, command)
        for what, here, wanted in (
            ("network", each.network_hash, manifest.network_hash),
            ("target", each.target_hash, manifest.config_hash),
        ):
            if here:  # unknown to some boards
                _same(path, what, here, wanted, command)
        found.append(each)
    return found


def _same(path: Path, what: str, here: Any, wanted: str, command: str) -> None:
    if here != wanted:
        raise FlowError(
            f"{path}: is of another {what} ({str(here)[:12]}) than the report's build "
            f"({wanted[:12]}); "
            f"name that build or run `{command}` again"
        )
