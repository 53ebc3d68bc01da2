"""Networks with published accuracies, priced by counting them."""

from __future__ import annotations

import importlib.resources
from dataclasses import dataclass
from typing import Any

import yaml

from hwflow.ace.architectures import ARCHITECTURES
from hwflow.ace.price import PricedNetwork, Widths, parse_override, price
from hwflow.ace.trace import count
from hwflow.errors import FlowError, suggestion
from models.config import preset


@dataclass(frozen=True, kw_only=True)
class PublishedNetwork:
    """A row of published.yaml. top1: percent, None where none was found; published_ace: of the source."""

    name: str
    family: str
    top1: float | None
    source: str
    preset: str = ""
    architecture: str = ""
    bits: str = ""
    patterns: tuple[tuple[str, str], ...] = ()
    published_ace: float | None = None

    def priced(self) -> PricedNetwork:
        """Its cost at the widths of the row."""
        if self.preset:
            report = count(preset(self.preset))
            weights = sum(o.weights for o in report.operations)
            return PricedNetwork(
                network=self.name,
                basis="float model, traced",
                operations=report.operations,
                other_parameters=report.parameters - weights,
            )
        architecture = ARCHITECTURES[self.architecture]()
        _, weight, activation = parse_override(f"*={self.bits}")
        overrides = tuple(parse_override(f"{name}={bits}") for name, bits in self.patterns)
        return price(
            self.name,
            f"table of {architecture.source}",
            architecture.multiplications,
            Widths(weight_bits=weight, activation_bits=activation, overrides=overrides),
            architecture.other_parameters,
        )


def published_networks() -> tuple[PublishedNetwork, ...]:
    """All rows, in the file's order."""
    text = importlib.resources.files("hwflow.ace").joinpath("published.yaml").read_text("utf-8")
    rows: list[dict[str, Any]] = yaml.safe_load(text)
    for row in rows:
        row["patterns"] = tuple(row.get("patterns", {}).items())
    return tuple(PublishedNetwork(**row) for row in rows)


def published(name: str) -> PublishedNetwork:
    """The row of that name; FlowError lists them."""
    networks = published_networks()
    for network in networks:
        if network.name == name:
            return network
    known = [network.name for network in networks]
    raise FlowError(
        f"--network {name}: unknown{suggestion(name, known)}; known: {', '.join(known)}"
    )
