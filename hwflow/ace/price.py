"""Any network's convolutions and matrix products, and what they cost at given widths."""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hwflow.ace.counts import Operation, parameter_bytes, weight_bytes
from hwflow.errors import FlowError

MOST_BITS = 64
_WIDTHS = re.compile(r"(\d+)x(\d+)")


@dataclass(frozen=True, kw_only=True)
class Multiplication:
    """A convolution or a matrix product of one forward pass.

    macs: padded taps included. weights: those that no multiplication before it uses. dense: a matrix product.
    weighted: whether an operand is a weight; if not, both take the activations' width.
    """

    name: str
    macs: int
    weights: int
    dense: bool
    weighted: bool = True


@dataclass(frozen=True, kw_only=True)
class Widths:
    """Bits of weights and of activations; overrides: (pattern of names, weight bits, activation bits), the last wins.

    Raises:
        FlowError: a width outside 1 to `MOST_BITS`.
    """

    weight_bits: int
    activation_bits: int
    overrides: tuple[tuple[str, int, int], ...] = ()

    def __post_init__(self) -> None:
        given = [(self.weight_bits, self.activation_bits), *(o[1:] for o in self.overrides)]
        for bits in (width for pair in given for width in pair):
            if not 1 <= bits <= MOST_BITS:
                raise FlowError(f"a width of {bits} bits; give 1 to {MOST_BITS}")

    def of(self, name: str) -> tuple[int, int]:
        """(weight bits, activation bits) of the operation of that name."""
        for pattern, weight, activation in reversed(self.overrides):
            if fnmatch.fnmatchcase(name, pattern):
                return weight, activation
        return self.weight_bits, self.activation_bits


def parse_override(text: str) -> tuple[str, int, int]:
    """`PATTERN=WxA` as an override of `Widths`; FlowError for anything else."""
    pattern, equals, widths = text.rpartition("=")
    match = _WIDTHS.fullmatch(widths)
    if not equals or not pattern or match is None:
        raise FlowError(
            f"--bits {text}: expected PATTERN=WxA, the bits of weights and activations, such as 'conv1=8x8'"
        )
    return pattern, int(match[1]), int(match[2])


@dataclass(frozen=True, kw_only=True)
class PricedNetwork:
    """A network at given widths. other_parameters: those that are no weights of MACs; None: unknown.

    basis: where the operations come from: a trace, or an architecture's table.
    """

    network: str
    basis: str
    operations: tuple[Operation, ...]
    other_parameters: int | None

    @property
    def macs(self) -> int:
        """All MACs."""
        return sum(o.macs for o in self.operations)

    @property
    def binary_macs(self) -> int:
        """MACs of one bit by one bit."""
        return sum(o.macs for o in self.operations if o.binary)

    @property
    def total_ace(self) -> int:
        """ACE of the network."""
        return sum(o.ace for o in self.operations)

    @property
    def cpu64(self) -> float:
        """CPU64 of the network."""
        return sum(o.cpu64 for o in self.operations)

    @property
    def weight_bytes(self) -> float:
        """Bytes of the weights of MACs."""
        return weight_bytes(self.operations)

    @property
    def size_bytes(self) -> float | None:
        """Size of the network in bytes; None where its other parameters are unknown."""
        if self.other_parameters is None:
            return None
        return self.weight_bytes + parameter_bytes(self.other_parameters)

    def ace_by_width(self) -> dict[str, int]:
        """`WxA` -> ACE."""
        totals: Counter[str] = Counter()
        for o in self.operations:
            totals[f"{o.weight_bits}x{o.activation_bits}"] += o.ace
        return dict(sorted(totals.items()))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready dictionary."""
        return {
            "network": self.network,
            "basis": self.basis,
            "total_ace": self.total_ace,
            "cpu64": self.cpu64,
            "size_bytes": self.size_bytes,
            "weight_bytes": self.weight_bytes,
            "macs": self.macs,
            "binary_macs": self.binary_macs,
            "ace_by_width": self.ace_by_width(),
            "elementwise": None,
            "layers": [
                {
                    "name": o.name,
                    "weight_bits": o.weight_bits,
                    "activation_bits": o.activation_bits,
                    "weights": o.weights,
                    "macs": o.macs,
                    "ace": o.ace,
                    "cpu64": o.cpu64,
                }
                for o in self.operations
            ],
        }


def price(
    network: str,
    basis: str,
    multiplications: Sequence[Multiplication],
    widths: Widths,
    other_parameters: int | None,
) -> PricedNetwork:
    """The network at these widths.

    Raises:
        FlowError: no multiplication, or an override that no operation's name matches.
    """
    if not multiplications:
        raise FlowError(f"{network} has neither convolutions nor matrix products to price")
    names = [m.name for m in multiplications]
    for pattern, _, _ in widths.overrides:
        if not fnmatch.filter(names, pattern):
            shown = ", ".join(names[:4]) + (", .." if len(names) > 4 else "")
            raise FlowError(f"--bits {pattern}=: no operation has such a name; there are {shown}")
    return PricedNetwork(
        network=network,
        basis=basis,
        operations=tuple(_operations(multiplications, widths)),
        other_parameters=other_parameters,
    )


def _operations(multiplications: Iterable[Multiplication], widths: Widths) -> Iterable[Operation]:
    for m in multiplications:
        weight, activation = widths.of(m.name)
        yield Operation(
            name=m.name,
            layer=m.name,
            weight_bits=weight if m.weighted else activation,
            activation_bits=activation,
            weights=m.weights,
            macs=m.macs,
            dense=m.dense,
        )
