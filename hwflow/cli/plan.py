"""`hwflow plan`: where every tensor of a network lives on a target, and what that costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwflow.cli import complete
from hwflow.cli.output import Json, Target, console, number, print_json, progress_console, table
from hwflow.errors import FlowError

if TYPE_CHECKING:
    from hwflow.compiler.explain import Explanation
    from hwflow.compiler.geometry import NetworkGeometry

Preset = Annotated[
    str | None, typer.Option(help="name of a network preset", autocompletion=complete.presets)
]
Network = Annotated[
    Path | None, typer.Option(help="an integer network's file, or folder of a checkpoint")
]


def plan(
    preset: Preset = None, network: Network = None, target: Target = "zu7ev", json: Json = False
) -> None:
    """Explain where each tensor lives: memory, place, groups in external memory, lifetime, bytes moved.

    Without --preset and --network the trained network of the repository is planned.
    """
    from hwflow.compiler.explain import explain
    from hwflow.config import load_target

    config = load_target(target)
    shapes = network_geometry(preset, network)
    with progress_console().status(f"planning {shapes.name} for {config.name}"):
        found = explain(shapes, config)
    if json:
        print_json(found.to_dict())
    else:
        show(found)


def network_geometry(preset: str | None, network: Path | None) -> NetworkGeometry:
    """The shapes of what a preset, a checkpoint's configuration or an integer network's file describes."""
    from hwflow.cli.ace import network_config
    from hwflow.cli.network import INTEGER_SUFFIX
    from hwflow.compiler.geometry import geometry_of, geometry_of_config

    if preset is not None and network is not None:
        raise FlowError("--preset and --network exclude each other; give one of them")
    if network is not None and network.suffix == INTEGER_SUFFIX:
        from models.integer.params import IntegerNetwork

        return geometry_of(IntegerNetwork.load(network))
    return geometry_of_config(network_config(preset, network))


def show(found: Explanation) -> None:
    """Prints the tables."""
    out = console()
    rows = table(
        f"{found.network} on {found.target}: tensors by the layer that writes them",
        ("tensor", "memory", "in place over", "last read by", "shape", "rows", "groups here",
         "bytes", "external", "moved", "cycles"),
        left=4,
    )  # fmt: skip
    for each in found.tensors:
        rows.add_row(
            each.name,
            each.memory,
            each.over,
            each.last,
            "x".join(str(n) for n in each.shape),
            f"{each.base}+{each.rows}",
            f"{each.resident} of {each.groups}",
            number(each.bytes),
            number(each.external_bytes or None),
            number(each.moved_bytes or None),
            number(each.moved_cycles or None),
        )
    out.print(rows)
    memories = table(
        "Memories", ("memory", "most used in", "rows", "peak", "bytes", "peak bytes"), left=2
    )
    for memory in found.memories:
        memories.add_row(
            memory.name,
            memory.peak_layer,
            number(memory.rows),
            number(memory.peak_rows),
            number(memory.bytes),
            number(memory.peak_bytes),
        )
    memories.add_row("rings", "", "", "", number(found.ring_bytes), "")
    memories.add_row("streams", "", "", "", number(found.stream_bytes), "")
    memories.add_row("heads", "", "", "", number(found.head_bytes), "")
    memories.add_row("all", "", "", "", number(found.on_chip_bytes), "")
    out.print(memories)
    if found.not_stored:
        out.print(f"not stored, because only other forms are read: {', '.join(found.not_stored)}")
    out.print(
        f"external memory moves {number(found.moved_bytes)} bytes a frame: {number(found.moved_cycles)} cycles at full "
        f"bandwidth, {number(found.added_cycles)} beyond the slack of their layers"
    )
