"""`hwflow ace` for networks that are not PokeBNN: published ones, and any that JAX can trace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwflow.cli.output import console, number, print_json, progress_console, table
from hwflow.errors import FlowError

if TYPE_CHECKING:
    from hwflow.ace.price import PricedNetwork
    from hwflow.ace.published import PublishedNetwork

Row = tuple["PublishedNetwork", "PricedNetwork"]


def priced_model(
    model: str,
    input_shape: str | None,
    weight_bits: int | None,
    activation_bits: int | None,
    bits: Sequence[str],
) -> PricedNetwork:
    """The cost of the model a user names; FlowError for options that are missing or unusable."""
    if input_shape is None or weight_bits is None or activation_bits is None:
        raise FlowError(
            "--model needs --input-shape, --weight-bits and --activation-bits; give them"
        )
    shape = _shape(input_shape)
    with progress_console().status(f"tracing {model}"):
        from hwflow.ace.price import Widths, parse_override
        from hwflow.ace.user_model import price_model

        overrides = tuple(parse_override(text) for text in bits)
        widths = Widths(
            weight_bits=weight_bits, activation_bits=activation_bits, overrides=overrides
        )
        return price_model(model, shape, widths)


def _shape(text: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(part) for part in text.split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise FlowError(f"--input-shape {text}: expected positive numbers such as 1,224,224,3")
    return shape


def priced_published(name: str) -> Row:
    """A published network and its cost; FlowError for an unknown name."""
    from hwflow.ace.published import published

    row = published(name)
    with progress_console().status(f"counting {name}"):
        return row, row.priced()


def print_priced(priced: PricedNetwork, row: PublishedNetwork | None = None) -> None:
    """The table of a network's operations and its totals."""
    out = console()
    shown = table(
        f"{priced.network}: ACE per operation ({priced.basis})",
        ("operation", "bits", "MACs", "weights", "ACE", "share %"),
        left=2,
    )
    for o in priced.operations:
        shown.add_row(
            o.name,
            f"{o.weight_bits}x{o.activation_bits}",
            number(o.macs),
            number(o.weights),
            number(o.ace),
            number(100 * o.ace / priced.total_ace, 2),
        )
    out.print(shown)
    size = priced.size_bytes
    out.print(f"{number(priced.macs)} MACs, {number(priced.binary_macs)} of them 1x1 bit")
    out.print(f"ACE {number(priced.total_ace)}; CPU64 {number(priced.cpu64)}")
    out.print(
        f"weights of MACs {number(priced.weight_bytes)} bytes; size "
        + (
            "unknown: the function names no other parameters"
            if size is None
            else f"{number(size)} bytes"
        )
    )
    if row is not None:
        accuracy = "none known" if row.top1 is None else f"{row.top1}%"
        out.print(f"published top-1: {accuracy}; {row.source}")
        if row.published_ace is not None:
            out.print(
                f"published ACE: {row.published_ace / 1e9:.1f}e9, counted here {priced.total_ace / 1e9:.2f}e9"
            )


def print_comparison(plot: Path | None, *, json: bool) -> None:
    """All published networks; `plot`: where their top-1 against ACE is drawn.

    Raises:
        FlowError: the plot cannot be written there, or matplotlib is missing.
    """
    from hwflow.ace.plot import check_plot, plot_accuracy
    from hwflow.ace.published import published_networks

    if plot is not None:
        check_plot(plot)
    rows: list[Row] = []
    with progress_console().status("counting") as status:
        for row in published_networks():
            status.update(f"counting {row.name}")
            rows.append((row, row.priced()))
        if plot is not None:
            status.update(f"drawing {plot}")
            plot_accuracy(plot, rows)
    if json:
        print_json([_summary(row, priced) for row, priced in rows])
        return
    shown = table(
        "Networks at 224x224 on ImageNet: cost counted here, top-1 as published",
        ("network", "ACE", "CPU64", "size, bytes", "MACs", "1x1-bit %", "top-1 %", "source"),
    )
    shown.columns[-1].justify = "left"
    shown.columns[-1].no_wrap = False
    for row, priced in rows:
        shown.add_row(
            row.name,
            number(priced.total_ace),
            number(priced.cpu64),
            number(priced.size_bytes),
            number(priced.macs),
            number(100 * priced.binary_macs / priced.macs, 1),
            number(row.top1, 2),
            row.source,
        )
    console().print(shown)
    if plot is not None:
        console().print(f"plot: {plot}")


def _summary(row: PublishedNetwork, priced: PricedNetwork) -> dict[str, Any]:
    values = priced.to_dict()
    del values["layers"], values["elementwise"]
    return values | {
        "top1": row.top1,
        "published_ace": row.published_ace,
        "source": row.source,
    }
