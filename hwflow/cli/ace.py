"""`hwflow ace`: what a network costs, counted by tracing it or from its architecture's table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwflow.cli import complete
from hwflow.cli.ace_others import priced_model, priced_published, print_comparison, print_priced
from hwflow.cli.output import (
    Json,
    console,
    number,
    print_json,
    progress_console,
    refuse_beside,
    table,
)
from hwflow.errors import FlowError

if TYPE_CHECKING:
    from hwflow.ace import AceReport
    from models.config import PokeBNNConfig

OTHERS = ("network", "model", "plot")
"""Options of which each decides what is priced; `preset` and `checkpoint` are for PokeBNN alone."""


def ace(
    context: typer.Context,
    preset: Annotated[
        str | None, typer.Option(help="name of a network preset", autocompletion=complete.presets)
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="folder of a trained checkpoint")] = None,
    network: Annotated[
        str | None,
        typer.Option(
            help="a published network (reactnet-a, resnet-50-4bit, ..), or `all`",
            autocompletion=complete.published,
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="any model that JAX can trace: MODULE:FUNCTION")
    ] = None,
    input_shape: Annotated[
        str | None, typer.Option(help="shape of the model's input, such as 1,224,224,3")
    ] = None,
    weight_bits: Annotated[int | None, typer.Option(help="bits of weights")] = None,
    activation_bits: Annotated[int | None, typer.Option(help="bits of activations")] = None,
    bits: Annotated[
        list[str] | None,
        typer.Option(
            help="PATTERN=WxA: other widths for operations of such a name; may be repeated"
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="write top-1 against ACE of all published networks (.svg, .pdf, .png)"),
    ] = None,
    json: Json = False,
) -> None:
    """Count ACE, CPU64, size, MACs and weights by width, and elementwise operations, per layer.

    Without an option the trained network of the repository is counted. docs/ace.md has the definitions.
    """
    given = {"network": network, "model": model, "plot": plot}
    decisive = next((name for name in OTHERS if given[name] is not None), None)
    if decisive is not None:
        refuse_beside(context, decisive, ["preset", "checkpoint"])
        refuse_beside(context, decisive, [n for n in OTHERS if n != decisive])
    for_model = ("input_shape", "weight_bits", "activation_bits", "bits")
    if decisive is not None and decisive != "model":
        refuse_beside(context, decisive, for_model)
    if model is not None:
        priced = priced_model(model, input_shape, weight_bits, activation_bits, bits or [])
        print_json(priced.to_dict()) if json else print_priced(priced)
    elif plot is not None or network == "all":
        print_comparison(plot, json=json)
    elif network is not None:
        row, priced = priced_published(network)
        values = {"top1": row.top1, "source": row.source, "published_ace": row.published_ace}
        print_json(priced.to_dict() | values) if json else print_priced(priced, row)
    else:
        _refuse_alone(context, for_model)
        _trace(preset, checkpoint, json=json)


def _refuse_alone(context: typer.Context, names: tuple[str, ...]) -> None:
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise FlowError(f"--{name.replace('_', '-')} goes with --model; name one")


def _trace(preset: str | None, checkpoint: Path | None, *, json: bool) -> None:
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
        f"CPU64 {number(report.cpu64)} (1x1-bit MACs / 64 + other MACs); size {number(report.size_bytes)} bytes",
        "weights " + ", ".join(f"{bits}-bit {number(n)}" for bits, n in report.weights().items()),
        f"parameters in all {number(report.parameters)}",
    ):
        out.print(line)
