"""`hwflow ace`: what a network costs, counted by tracing the float model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwflow.cli.output import Json, console, number, print_json, progress_console, table
from hwflow.errors import FlowError

if TYPE_CHECKING:
    from hwflow.ace import AceReport
    from models.config import PokeBNNConfig


def ace(
    preset: Annotated[str | None, typer.Option(help="name of a network preset")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="folder of a trained checkpoint")] = None,
    json: Json = False,
) -> None:
    """Count ACE, MACs and weights by width, and elementwise operations, per layer.

    Without --preset and --checkpoint the trained network of the repository is counted.
    """
    config = network_config(preset, checkpoint)
    with progress_console().status(f"tracing {config.name}"):
        from hwflow.ace import count

        report = count(config)
    if json:
        print_json(report.to_dict())
    else:
        _print(report)


def network_config(preset: str | None, checkpoint: Path | None) -> PokeBNNConfig:
    """The configuration that a preset or a checkpoint names; the trained network's by default."""
    from hwflow.paths import TRAINED
    from models.config import PokeBNNConfig
    from models.config import preset as named

    if preset is not None and checkpoint is not None:
        raise FlowError("--preset and --checkpoint exclude each other; give one of them")
    if preset is not None:
        return named(preset)
    folder = checkpoint or TRAINED
    return PokeBNNConfig.load((folder.parent if folder.is_file() else folder) / "config.json")


def _print(report: AceReport) -> None:
    from hwflow.ace.counts import ELEMENTWISE

    out = console()
    layers = table(
        f"{report.network}: ACE per layer (evidence: float model, traced)",
        ("layer", "bits", "MACs", "weights", "ACE", "share %"),
        left=2,
    )
    for operation in report.operations:
        layers.add_row(
            operation.name,
            f"{operation.weight_bits}x{operation.activation_bits}",
            number(operation.macs),
            number(operation.weights),
            number(operation.ace),
            number(100 * operation.ace / report.total_ace, 2),
        )
    out.print(layers)
    beside = table("What ACE does not count, operations an image", ("class", "is", "count"), left=2)
    for name, total in report.elementwise_totals().items():
        beside.add_row(name, ELEMENTWISE[name], number(total))
    out.print(beside)
    for line in (
        f"convolutions {number(report.conv_ace)} ACE, dense {number(report.dense_ace)}, "
        f"total {number(report.total_ace)}",
        "weights " + ", ".join(f"{bits}-bit {number(n)}" for bits, n in report.weights().items()),
        f"parameters in all {number(report.parameters)}",
    ):
        out.print(line)
